#include "diagnose/firewall_nft.hpp"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <limits>
#include <optional>
#include <sstream>
#include <utility>

#include "base/text.hpp"
#include "diagnose/firewall_nft_condition.hpp"

namespace diagnose {
namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    if (value == nullptr) return {};
    if (value->is_string()) return std::string{value->get_string()};
    return json::serialize(*value);
}

std::string table_key(std::string_view family, std::string_view name) {
    return fmt::format("{} {}", family, name);
}

FirewallHook hook_of(std::string_view name) {
    if (name == "ingress") return FirewallHook::ingress;
    if (name == "prerouting") return FirewallHook::prerouting;
    if (name == "input") return FirewallHook::input;
    if (name == "output") return FirewallHook::output;
    if (name == "postrouting") return FirewallHook::postrouting;
    if (name == "egress") return FirewallHook::egress;
    return FirewallHook::none;
}

// "inet filter 21" -> the rule's line; the listing ends each object with "# handle 21".
std::map<std::string, std::string> quotes_by_handle(const std::string& listing) {
    constexpr std::string_view mark = " # handle ";
    std::map<std::string, std::string> quotes;
    std::string table;
    for (const std::string_view raw : base::split(listing, '\n')) {
        const std::string_view line = base::trim(raw);
        const std::size_t at = line.rfind(mark);
        if (line.starts_with("table ")) {
            std::istringstream words{std::string{line}};
            std::string word, family, name;
            words >> word >> family >> name;
            table = table_key(family, name);
        } else if (at != line.npos) {
            const std::string handle{line.substr(at + mark.size())};
            quotes[table + ' ' + handle] = base::trim(line.substr(0, at));
        }
    }
    return quotes;
}

class Reader {
 public:
    explicit Reader(const std::string& text) : quotes_(quotes_by_handle(text)) {}

    void read(const json::array& objects) {
        for (const json::value& value : objects) read_container(value);
        for (const json::value& value : objects) {
            const json::object* object = value.if_object();
            const json::value* rule = object ? object->if_contains("rule") : nullptr;
            if (rule && rule->is_object()) read_rule(rule->get_object());
        }
    }

    FirewallRules take() {
        FirewallRules rules;
        for (const std::string& key : order_) rules.tables.push_back(std::move(tables_.at(key)));
        return rules;
    }

 private:
    void read_container(const json::value& value);
    void read_chain(const json::object& object);
    void read_rule(const json::object& object);
    void read_expression(const json::object& expression, FirewallRule& rule,
                         std::vector<FirewallRule>& branches, NftSets& sets, FirewallTable& table);
    FirewallTable& table_of(const json::object& object) {
        const std::string family = text_of(object, "family");
        const std::string key = table_key(family, text_of(object, "table"));
        const auto [place, added] = tables_.try_emplace(key);
        if (added) {
            place->second.tool = "nftables";
            place->second.family = family;
            place->second.name = text_of(object, "table");
            order_.push_back(key);
        }
        return place->second;
    }

    std::map<std::string, std::string> quotes_;
    std::map<std::string, FirewallTable> tables_;
    std::map<std::string, NftSets> sets_;  // by table
    std::vector<std::string> order_;
};

void Reader::read_container(const json::value& value) {
    const json::object* item = value.if_object();
    if (item == nullptr || item->empty()) return;
    const std::string_view kind = item->begin()->key();
    const json::object* object = item->begin()->value().if_object();
    if (object == nullptr) return;
    if (kind == "chain") read_chain(*object);
    if (kind != "set" && kind != "map") return;
    const std::string key = table_key(text_of(*object, "family"), text_of(*object, "table"));
    const json::value* elements = object->if_contains("elem");
    sets_[key][text_of(*object, "name")] =
        elements && elements->is_array() ? elements->get_array() : json::array{};
}

void Reader::read_chain(const json::object& object) {
    FirewallChain chain;
    chain.name = text_of(object, "name");
    chain.hook = hook_of(text_of(object, "hook"));
    chain.drops_by_default = text_of(object, "policy") == "drop";
    chain.device = text_of(object, "dev");
    if (const json::value* priority = object.if_contains("prio");
        priority && priority->is_int64()) {
        chain.priority = static_cast<int>(priority->get_int64());
    }
    FirewallTable& table = table_of(object);
    table.chains[chain.name] = std::move(chain);
}

// The verdict statements, which are also the values of verdict maps.
bool read_verdict(const json::object& expression, FirewallRule& rule) {
    const std::string_view kind = expression.begin()->key();
    const json::value& value = expression.begin()->value();
    const json::object* details = value.if_object();
    if (kind == "accept") rule.action = RuleAction::accept;
    if (kind == "drop") rule.action = RuleAction::drop;
    if (kind == "return") rule.action = RuleAction::leave;
    if (kind == "queue") rule.action = RuleAction::queue;
    if (kind == "jump" || kind == "goto") {
        rule.action = kind == "jump" ? RuleAction::jump : RuleAction::go_to;
        if (details) rule.target = text_of(*details, "target");
    }
    if (kind == "reject") {
        rule.action = RuleAction::reject;
        rule.target = "icmp port-unreachable";
        if (details) {
            const std::string expr = text_of(*details, "expr");
            rule.target = text_of(*details, "type") + (expr.empty() ? "" : " " + expr);
        }
    }
    return rule.action != RuleAction::none;
}

std::string redirect_words(const json::value& value) {
    const json::object* details = value.if_object();
    if (details == nullptr) return {};
    const std::string address = text_of(*details, "addr"), port = text_of(*details, "port");
    return "to " + address + (port.empty() ? "" : ":" + port);
}

void Reader::read_expression(const json::object& expression, FirewallRule& rule,
                             std::vector<FirewallRule>& branches, NftSets& sets,
                             FirewallTable& table) {
    const std::string_view kind = expression.begin()->key();
    const json::value& value = expression.begin()->value();
    if (kind == "match") {
        rule.conditions.push_back(nft_condition(value, sets));
    } else if (kind == "counter" && value.is_object()) {
        const json::value* packets = value.get_object().if_contains("packets");
        if (packets && packets->is_int64()) {
            rule.packets = static_cast<std::uint64_t>(packets->get_int64());
        }
    } else if (kind == "vmap" && value.is_object()) {
        // One rule for each entry: keys of a map exclude each other.
        for (NftVerdictCase& entry : nft_verdict_cases(value.get_object(), sets)) {
            FirewallRule branch = rule;
            branch.conditions.push_back(std::move(entry.condition));
            if (read_verdict(entry.verdict, branch)) branches.push_back(std::move(branch));
        }
    } else if (kind == "dnat" || kind == "redirect" || kind == "tproxy") {
        rule.action = RuleAction::redirect;
        rule.target = redirect_words(value);
    } else if (kind == "mangle" && json::serialize(value).find("\"mark\"") != std::string::npos) {
        rule.action = RuleAction::set_mark;
    } else if (kind == "xt") {
        // iptables-nft keeps what nft cannot say in extensions that nft does not show.
        table.opaque = true;
        const std::string name = value.is_object() ? text_of(value.get_object(), "name") : "";
        const bool target = value.is_object() && text_of(value.get_object(), "type") == "target";
        if (target && name == "REJECT") {
            rule.action = RuleAction::reject;
        } else if (name != "comment" && !target) {
            Condition unknown;
            unknown.text = fmt::format("iptables match \"{}\"", name);
            rule.conditions.push_back(std::move(unknown));
        }
    } else {
        const RuleAction before = std::exchange(rule.action, RuleAction::none);
        if (read_verdict(expression, rule)) return;
        rule.action = before;
        // What is neither match nor verdict may let the packet off here.
        if (std::optional<Condition> doubt = nft_doubt(kind, value)) {
            rule.conditions.push_back(std::move(*doubt));
        }
    }
}

void Reader::read_rule(const json::object& object) {
    FirewallTable& table = table_of(object);
    const auto chain = table.chains.find(text_of(object, "chain"));
    const json::value* expressions = object.if_contains("expr");
    if (chain == table.chains.end() || !expressions || !expressions->is_array()) return;
    const std::string key = table_key(table.family, table.name);
    const std::string handle = text_of(object, "handle");
    FirewallRule rule;
    const auto quote = quotes_.find(key + ' ' + handle);
    rule.text = quote == quotes_.end() ? json::serialize(*expressions) : quote->second;
    rule.remove = fmt::format("nft delete rule {} {} handle {}", key, chain->first, handle);
    std::vector<FirewallRule> branches;
    for (const json::value& expression : expressions->get_array()) {
        const json::object* item = expression.if_object();
        if (item == nullptr || item->empty()) continue;
        read_expression(*item, rule, branches, sets_[key], table);
    }
    std::vector<FirewallRule>& rules = chain->second.rules;
    rules.insert(rules.end(), branches.begin(), branches.end());
    if (rule.action != RuleAction::none) rules.push_back(std::move(rule));
}

}  // namespace

base::Result<FirewallRules> parse_nft(const std::string& text_json, const std::string& text) {
    boost::system::error_code failure;
    const json::value document = json::parse(text_json, failure);
    const json::object* root = document.if_object();
    const json::value* objects = root ? root->if_contains("nftables") : nullptr;
    if (failure || objects == nullptr || !objects->is_array()) {
        return base::error("nft -j list ruleset printed no JSON of the known kind");
    }
    Reader reader{text};
    reader.read(objects->get_array());
    return reader.take();
}

}  // namespace diagnose
