#include "diagnose/firewall_rules.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/firewall_iptables.hpp"
#include "diagnose/firewall_match.hpp"
#include "diagnose/firewall_nft.hpp"

namespace diagnose {
namespace {

using About = Condition::About;

// What the way to a rule adds to the rule's own conditions.
struct Way {
    std::vector<std::string> maybes;  // conditions on the way that nobody can judge
    bool names_port = false, names_others = false;
};

enum class Outcome { fell_through, accepted, stopped };

// The way of one packet through one base chain and what it jumps to.
class Walk {
 public:
    Walk(const FirewallTable& table, const FirewallChain& base, const RuleQuestion& question,
         RuleAnswer& answer)
        : table_(table), base_(base), question_(question), answer_(answer) {}

    void run() {
        const Outcome outcome = run_chain(base_, Way{}, 0);
        if (outcome != Outcome::fell_through || !base_.drops_by_default) return;
        FirewallRule policy;
        policy.action = RuleAction::drop;
        policy.text = "policy drop";
        policy.packets = base_.packets;
        stop(policy, base_, Way{});
    }

 private:
    Outcome run_chain(const FirewallChain& chain, const Way& way, unsigned depth);
    Outcome meet(const FirewallRule& rule, const FirewallChain& chain, const Way& way, bool certain,
                 unsigned depth);
    bool conditions_hold(const FirewallRule& rule, Way& way, bool& certain);
    void stop(const FirewallRule& rule, const FirewallChain& chain, const Way& way);
    [[nodiscard]] RuleMatch match_of(const FirewallRule& rule, const FirewallChain& chain,
                                     const Way& way) const;

    const FirewallTable& table_;
    const FirewallChain& base_;
    const RuleQuestion& question_;
    RuleAnswer& answer_;
    std::vector<std::string> spared_;  // who was let through before, perhaps
    bool marked_ = false;
    bool left_ = false;  // a "return" ended the chain just run
    unsigned met_ = 0;
};

bool concerns_port(const Condition& condition) {
    if (condition.about == About::destination_port) return true;
    return std::any_of(condition.rows.begin(), condition.rows.end(), [](const auto& row) {
        return std::any_of(row.begin(), row.end(), concerns_port);
    });
}

// False when one surely does not hold; certain is cleared when one is in doubt.
bool Walk::conditions_hold(const FirewallRule& rule, Way& way, bool& certain) {
    for (const Condition& condition : rule.conditions) {
        const Truth truth = evaluate(condition, question_, marked_);
        if (truth == Truth::no) return false;
        way.names_port = way.names_port || (concerns_port(condition) && !condition.negated);
        if (truth == Truth::yes) continue;
        certain = false;
        way.maybes.push_back(condition.text);
        way.names_others = way.names_others || condition.about == About::user ||
                           condition.about == About::program ||
                           condition.about == About::interface_in ||
                           condition.about == About::interface_out;
    }
    return true;
}

// `certain`: the packet gets here, and no doubt hangs on the way.
Outcome Walk::run_chain(const FirewallChain& chain, const Way& way, unsigned depth) {
    constexpr unsigned deepest = 32, most_rules = 200'000;
    const bool sure = way.maybes.empty();
    left_ = false;
    for (const FirewallRule& rule : chain.rules) {
        if (depth > deepest || ++met_ > most_rules) return Outcome::fell_through;
        Way here = way;
        bool certain = sure;
        if (!conditions_hold(rule, here, certain)) continue;
        const Outcome outcome = meet(rule, chain, here, certain, depth);
        if (outcome != Outcome::fell_through) return outcome;
        if (left_) return Outcome::fell_through;
    }
    return Outcome::fell_through;
}

// A rule whose conditions hold, or may.
Outcome Walk::meet(const FirewallRule& rule, const FirewallChain& chain, const Way& way,
                   bool certain, unsigned depth) {
    left_ = false;
    switch (rule.action) {
        case RuleAction::none:
            return Outcome::fell_through;
        case RuleAction::set_mark:
            marked_ = true;
            return Outcome::fell_through;
        case RuleAction::leave:
            left_ = certain;
            return Outcome::fell_through;
        case RuleAction::accept:
            if (certain) return Outcome::accepted;
            if (spared_.size() < 4) spared_.push_back(base::join(way.maybes, " and "));
            return Outcome::fell_through;
        case RuleAction::jump:
        case RuleAction::go_to: {
            const auto target = table_.chains.find(rule.target);
            if (target == table_.chains.end()) return Outcome::fell_through;
            const Outcome outcome = run_chain(target->second, way, depth + 1);
            left_ = rule.action == RuleAction::go_to && certain;
            return outcome;
        }
        case RuleAction::drop:
        case RuleAction::reject:
        case RuleAction::redirect:
        case RuleAction::queue:
            break;
    }
    if (certain) {
        stop(rule, chain, way);
        return Outcome::stopped;
    }
    // A blocklist of peers or a rate limit for everything is no answer to "why this port".
    if (way.names_port || way.names_others) {
        answer_.possible.push_back(match_of(rule, chain, way));
        for (const std::string& condition : way.maybes) {
            answer_.possible.back().conditions.push_back("only if " + condition);
        }
    }
    return Outcome::fell_through;
}

RuleVerdict verdict_of(RuleAction action) {
    if (action == RuleAction::reject) return RuleVerdict::reject;
    if (action == RuleAction::redirect) return RuleVerdict::redirect;
    return action == RuleAction::queue ? RuleVerdict::queue : RuleVerdict::drop;
}

std::string manager_of(const FirewallTable& table, const std::string& chain) {
    if (table.name == "firewalld") return "firewalld";
    if (chain.starts_with("DOCKER")) return "docker";
    for (const auto& [name, value] : table.chains) {
        if (name.starts_with("ufw-") || name.starts_with("ufw6-")) return "ufw";
    }
    return {};
}

RuleMatch Walk::match_of(const FirewallRule& rule, const FirewallChain& chain,
                         const Way& way) const {
    RuleMatch match;
    match.verdict = verdict_of(rule.action);
    match.tool = table_.tool;
    match.family = table_.family;
    match.table = table_.name;
    match.chain = chain.name;
    match.hook = hook_name(base_.hook);
    match.base_chain = base_.name;
    match.rule = base::printable(rule.text, 400);
    match.with = rule.target;
    match.packets = rule.packets;
    match.remove = base::printable(rule.remove, 400);
    match.names_port = way.names_port;
    match.manager = manager_of(table_, chain.name);
    return match;
}

void Walk::stop(const FirewallRule& rule, const FirewallChain& chain, const Way& way) {
    answer_.stops = match_of(rule, chain, way);
    for (const std::string& condition : spared_) {
        answer_.stops->conditions.push_back("unless " + condition);
    }
}

struct BaseChain {
    const FirewallTable* table;
    const FirewallChain* chain;
};

bool on_the_way(FirewallHook hook, bool inbound) {
    if (inbound) {
        return hook == FirewallHook::ingress || hook == FirewallHook::prerouting ||
               hook == FirewallHook::input;
    }
    return hook == FirewallHook::output || hook == FirewallHook::postrouting ||
           hook == FirewallHook::egress;
}

bool handles(const std::string& family, net::Family asked) {
    if (family == "inet" || family == "netdev") return true;
    return family == (asked == net::Family::ipv4 ? "ip" : "ip6");
}

std::vector<BaseChain> base_chains(const FirewallRules& rules, const RuleQuestion& question) {
    std::vector<BaseChain> chains;
    for (const FirewallTable& table : rules.tables) {
        if (!handles(table.family, question.family)) continue;
        for (const auto& [name, chain] : table.chains) {
            const bool elsewhere = !chain.device.empty() && !question.interface.empty() &&
                                   chain.device != question.interface;
            if (!on_the_way(chain.hook, question.inbound) || elsewhere) continue;
            chains.push_back({&table, &chain});
        }
    }
    std::stable_sort(chains.begin(), chains.end(), [](const BaseChain& a, const BaseChain& b) {
        if (a.chain->hook != b.chain->hook) return a.chain->hook < b.chain->hook;
        return a.chain->priority < b.chain->priority;
    });
    return chains;
}

RuleAnswer walk_all(const FirewallRules& rules, const RuleQuestion& question) {
    RuleAnswer answer;
    for (const BaseChain& base : base_chains(rules, question)) {
        Walk{*base.table, *base.chain, question, answer}.run();
        if (answer.stops) break;
    }
    return answer;
}

// iptables-save knows its own tables better than nft does.
void merge_iptables(FirewallRules& rules, FirewallRules more) {
    for (FirewallTable& table : more.tables) {
        std::erase_if(rules.tables, [&](const FirewallTable& known) {
            return known.tool == "nftables" && known.family == table.family &&
                   known.name == table.name;
        });
        rules.tables.push_back(std::move(table));
    }
}

bool same_rule(const RuleMatch& a, const RuleMatch& b) {
    return a.tool == b.tool && a.family == b.family && a.table == b.table && a.chain == b.chain &&
           a.rule == b.rule;
}

void collect_users(const Condition& condition, std::vector<std::uint32_t>& users) {
    constexpr std::size_t most = 16;
    for (const auto& row : condition.rows) {
        for (const Condition& part : row) collect_users(part, users);
    }
    if (condition.about != About::user) return;
    for (const Interval& interval : condition.numbers) {
        const auto user = static_cast<std::uint32_t>(interval.low);
        const bool known = std::find(users.begin(), users.end(), user) != users.end();
        if (!known && users.size() < most) users.push_back(user);
    }
}

std::string accept_command(const RuleMatch& match, const RuleQuestion& question) {
    if (match.tool == "nftables") {
        return fmt::format("nft insert rule {} {} {} {} dport {} accept", match.family, match.table,
                           match.base_chain, question.transport, question.port);
    }
    return fmt::format("{} -t {} -I {} -p {} --dport {} -j ACCEPT", match.tool, match.table,
                       match.base_chain, question.transport, question.port);
}

std::vector<std::string> firewalld_commands(const RuleQuestion& question) {
    const std::string what =
        question.port == 25 ? std::string{"--add-service=smtp"}
                            : fmt::format("--add-port={}/{}", question.port, question.transport);
    return {"firewall-cmd --permanent " + what, "firewall-cmd --reload"};
}

}  // namespace

std::string_view hook_name(FirewallHook hook) {
    switch (hook) {
        case FirewallHook::none:
            return "none";
        case FirewallHook::ingress:
            return "ingress";
        case FirewallHook::prerouting:
            return "prerouting";
        case FirewallHook::input:
            return "input";
        case FirewallHook::output:
            return "output";
        case FirewallHook::postrouting:
            return "postrouting";
        case FirewallHook::egress:
            return "egress";
    }
    return "none";
}

base::Result<FirewallRules> parse_firewall(const FirewallListing& listing) {
    FirewallRules rules;
    if (!listing.nft_json.empty()) {
        base::Result<FirewallRules> read = parse_nft(listing.nft_json, listing.nft_text);
        if (!read.has_value()) return read;
        rules = std::move(*read);
    }
    for (const bool v6 : {false, true}) {
        const std::string& text = v6 ? listing.ip6tables_save : listing.iptables_save;
        base::Result<FirewallRules> read = parse_iptables(text, v6);
        if (!read.has_value()) return read;
        merge_iptables(rules, std::move(*read));
    }
    return rules;
}

RuleAnswer find_rule(const FirewallRules& rules, const RuleQuestion& question) {
    RuleAnswer answer = walk_all(rules, question);
    if (answer.stops || !question.user) return answer;
    // Not this user's connections; perhaps those of the mail server's user.
    RuleQuestion anyone = question;
    anyone.user.reset();
    RuleAnswer others = walk_all(rules, anyone);
    if (others.stops) others.possible.push_back(std::move(*others.stops));
    for (RuleMatch& match : others.possible) {
        match.spares_asker =
            std::none_of(answer.possible.begin(), answer.possible.end(),
                         [&](const RuleMatch& own) { return same_rule(own, match); });
    }
    answer.possible = std::move(others.possible);
    return answer;
}

std::optional<UserMatch> find_rule_for_others(const FirewallRules& rules,
                                              const RuleQuestion& question,
                                              const std::vector<std::uint32_t>& users) {
    std::vector<std::uint32_t> named;
    for (const FirewallTable& table : rules.tables) {
        for (const auto& [name, chain] : table.chains) {
            for (const FirewallRule& rule : chain.rules) {
                for (const Condition& condition : rule.conditions) collect_users(condition, named);
            }
        }
    }
    // Rules that name no user treat all alike.
    if (named.empty()) return std::nullopt;
    std::vector<std::uint32_t> asked = users;
    asked.insert(asked.end(), named.begin(), named.end());
    for (const std::uint32_t user : asked) {
        if (question.user == user) continue;
        RuleQuestion other = question;
        other.user = user;
        RuleAnswer answer = walk_all(rules, other);
        if (answer.stops) return UserMatch{user, std::move(*answer.stops)};
    }
    return std::nullopt;
}

std::string rule_text(const RuleMatch& match) {
    std::string text = match.tool == "nftables"
                           ? fmt::format("nftables, table {} {}, chain {}: {}", match.family,
                                         match.table, match.chain, match.rule)
                           : fmt::format("{}, table {}, chain {}: {}", match.tool, match.table,
                                         match.chain, match.rule);
    for (const std::string& condition : match.conditions) text += " (" + condition + ")";
    return text;
}

std::vector<std::string> commands_to_allow(const RuleMatch& match, const RuleQuestion& question) {
    if (match.manager == "ufw") {
        return {fmt::format("ufw allow {}{}/{}", question.inbound ? "" : "out ", question.port,
                            question.transport)};
    }
    if (match.manager == "firewalld" && question.inbound) return firewalld_commands(question);
    if (match.names_port && !match.remove.empty()) return {match.remove};
    return {accept_command(match, question)};
}

}  // namespace diagnose
