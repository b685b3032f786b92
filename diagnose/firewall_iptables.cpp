#include "diagnose/firewall_iptables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include "base/text.hpp"

namespace diagnose {
namespace {

using About = Condition::About;
using Words = std::vector<std::string>;

// iptables-save quotes with "..." and \" inside.
Words words_of(std::string_view line) {
    Words words;
    std::string word;
    bool quoted = false, any = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '\\' && quoted && i + 1 < line.size()) {
            word += line[++i];
        } else if (c == '"') {
            quoted = !quoted;
            any = true;
        } else if (c == ' ' && !quoted) {
            if (any || !word.empty()) words.push_back(word);
            word.clear();
            any = false;
        } else {
            word += c;
        }
    }
    if (any || !word.empty()) words.push_back(word);
    return words;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
    const bool hex = text.starts_with("0x");
    if (hex) text.remove_prefix(2);
    std::uint64_t number = 0;
    const auto [end, failure] =
        std::from_chars(text.data(), text.data() + text.size(), number, hex ? 16 : 10);
    if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// "25,80:90" or, for users, "0-99"
std::vector<Interval> intervals_of(std::string_view text, char between) {
    std::vector<Interval> intervals;
    for (const std::string_view part : base::split(text, ',')) {
        const std::size_t at = part.find(between);
        const auto low = number_of(part.substr(0, at));
        const auto high = at == part.npos ? low : number_of(part.substr(at + 1));
        if (low && high) intervals.push_back({*low, *high});
    }
    return intervals;
}

// "[12:720]" -> 12
std::optional<std::uint64_t> packets_of(std::string_view counters) {
    if (!counters.starts_with('[')) return std::nullopt;
    return number_of(counters.substr(1, counters.find(':') - 1));
}

FirewallHook hook_of(std::string_view chain) {
    if (chain == "PREROUTING") return FirewallHook::prerouting;
    if (chain == "INPUT") return FirewallHook::input;
    if (chain == "OUTPUT") return FirewallHook::output;
    if (chain == "POSTROUTING") return FirewallHook::postrouting;
    return FirewallHook::none;
}

int priority_of(std::string_view table, FirewallHook hook) {
    if (table == "raw") return -300;
    if (table == "mangle") return -150;
    if (table == "nat") return hook == FirewallHook::postrouting ? 100 : -100;
    return table == "security" ? 50 : 0;
}

// One rule's words, read from left to right.
class RuleReader {
 public:
    explicit RuleReader(const Words& words, std::size_t first) : words_(words), at_(first) {}

    void read(FirewallRule& rule) {
        while (at_ < words_.size()) read_option(rule);
    }

 private:
    std::string next() { return at_ < words_.size() ? words_[at_++] : std::string{}; }
    void read_option(FirewallRule& rule);
    void read_target(FirewallRule& rule, RuleAction jump);
    Condition condition(const std::string& option);
    bool fill(const std::string& option, const std::string& value, Condition& condition);
    Condition tcp_flags();
    void skip_values() {
        while (at_ < words_.size() && words_[at_] != "!" && !words_[at_].starts_with('-')) ++at_;
    }

    const Words& words_;
    std::size_t at_;
    std::string module_;  // of the last -m
    bool negated_ = false;
};

void RuleReader::read_option(FirewallRule& rule) {
    const std::string option = next();
    if (option == "!") {
        negated_ = true;
        return;
    }
    if (option == "-m") {
        module_ = next();
        // Modules that match without an option of their own.
        if (module_ == "set" || module_ == "rpfilter" || module_ == "socket") return;
    } else if (option == "-j") {
        read_target(rule, RuleAction::jump);
    } else if (option == "-g") {
        read_target(rule, RuleAction::go_to);
    } else if (option == "--comment") {
        next();
    } else {
        rule.conditions.push_back(condition(option));
        negated_ = false;
    }
}

void RuleReader::read_target(FirewallRule& rule, RuleAction jump) {
    const std::string target = next();
    std::string rest;
    while (at_ < words_.size()) {
        const std::string option = next();
        if (option == "--reject-with" || option.starts_with("--to-")) rest = next();
    }
    if (target == "ACCEPT") {
        rule.action = RuleAction::accept;
    } else if (target == "DROP") {
        rule.action = RuleAction::drop;
    } else if (target == "REJECT") {
        rule.action = RuleAction::reject;
        rule.target = rest.empty() ? "icmp-port-unreachable" : rest;
    } else if (target == "RETURN") {
        rule.action = RuleAction::leave;
    } else if (target == "REDIRECT" || target == "DNAT" || target == "TPROXY") {
        rule.action = RuleAction::redirect;
        rule.target = "to " + (target == "REDIRECT" ? ":" + rest : rest);
    } else if (target == "NFQUEUE" || target == "QUEUE") {
        rule.action = RuleAction::queue;
    } else if (target == "MARK") {
        rule.action = RuleAction::set_mark;
    } else {
        rule.action = jump;  // a chain; other targets have no chain and do nothing here
        rule.target = target;
    }
}

Condition RuleReader::tcp_flags() {
    Condition made;
    std::string mask = next();
    const std::string set = next();
    made.text = fmt::format("--tcp-flags {} {}", mask, set);
    if (mask == "ALL") mask = "SYN,ACK,FIN,RST";
    bool holds = true;
    for (const std::string_view flag : base::split(mask, ',')) {
        const bool wanted = ("," + set + ",").find(fmt::format(",{},", flag)) != std::string::npos;
        if (wanted != (flag == "SYN")) holds = false;
    }
    made.truth = holds ? Truth::yes : Truth::no;
    return made;
}

bool has_word(const std::string& list, std::string_view word) {
    const auto parts = base::split(list, ',');
    return std::find(parts.begin(), parts.end(), word) != parts.end();
}

Truth truth_of(bool holds) { return holds ? Truth::yes : Truth::no; }

// The options whose value is one word; false for one that is not known.
bool RuleReader::fill(const std::string& option, const std::string& value, Condition& made) {
    if (option == "-p") {
        if (value == "all") {
            made.truth = Truth::yes;
        } else {
            made.about = About::transport;
            made.names.push_back(value);
        }
    } else if (option == "--dport" || option == "--dports" || option == "--ports") {
        made.about = About::destination_port;
        made.numbers = intervals_of(value, ':');
    } else if (option == "--sport" || option == "--sports") {
        made.about = About::source_port;
        made.numbers = intervals_of(value, ':');
    } else if (option == "-s" || option == "-d" || option == "--src-range" ||
               option == "--dst-range") {
        made.about =
            option.find('s') == 1 || option == "--src-range" ? About::source : About::destination;
        if (const auto interval = parse_address_interval(value)) {
            made.addresses.push_back(*interval);
        }
    } else if (option == "-i" || option == "-o") {
        made.about = option == "-i" ? About::interface_in : About::interface_out;
        made.names.push_back(value.ends_with('+') ? value.substr(0, value.size() - 1) + '*'
                                                  : value);
    } else if (option == "--ctstate" || option == "--state") {
        made.truth = truth_of(has_word(value, "NEW"));
    } else if (option == "--uid-owner") {
        made.about = About::user;
        made.numbers = intervals_of(value, '-');
    } else if (option == "--gid-owner" || option == "--cgroup" || option == "--path") {
        made.about = About::program;
    } else if (option == "--mark") {
        made.about = About::mark;
        const std::size_t slash = value.find('/');
        if (const auto mark = number_of(std::string_view{value}.substr(0, slash))) {
            made.numbers.push_back({*mark, *mark});
        }
        if (slash != value.npos) {
            made.mask = number_of(std::string_view{value}.substr(slash + 1)).value_or(made.mask);
        }
    } else if (option == "--dst-type") {
        made.truth = Truth::no;  // broadcast, multicast ...
        if (value == "LOCAL") made.about = About::local_destination;
    } else {
        return false;
    }
    return true;
}

Condition RuleReader::condition(const std::string& option) {
    Condition made;
    if (option == "--syn") {
        made.text = option;
        made.truth = Truth::yes;
    } else if (option == "--tcp-flags") {
        made = tcp_flags();
    } else {
        const std::string value =
            at_ < words_.size() && !words_[at_].starts_with('-') ? next() : std::string{};
        made.text = value.empty() ? option : option + ' ' + value;
        if (!fill(option, value, made)) skip_values();
    }
    made.negated = negated_;
    if (negated_) made.text = "! " + made.text;
    return made;
}

class ListingReader {
 public:
    explicit ListingReader(bool v6) : tool_(v6 ? "ip6tables" : "iptables"), v6_(v6) {}

    void read_line(std::string_view line) {
        if (line.starts_with('*')) {
            FirewallTable table;
            table.tool = tool_;
            table.family = v6_ ? "ip6" : "ip";
            table.name = line.substr(1);
            rules_.tables.push_back(std::move(table));
        } else if (rules_.tables.empty()) {
            return;
        } else if (line.starts_with(':')) {
            read_chain(line);
        } else if (line.starts_with('[') || line.starts_with("-A ")) {
            read_rule(line);
        }
    }
    FirewallRules take() { return std::move(rules_); }

 private:
    void read_chain(std::string_view line) {
        const Words words = words_of(line.substr(1));
        if (words.size() < 2) return;
        FirewallTable& table = rules_.tables.back();
        FirewallChain chain;
        chain.name = words[0];
        chain.hook = words[1] == "-" ? FirewallHook::none : hook_of(words[0]);
        chain.priority = priority_of(table.name, chain.hook);
        chain.drops_by_default = words[1] == "DROP";
        if (words.size() > 2) chain.packets = packets_of(words[2]);
        table.chains[chain.name] = std::move(chain);
    }
    void read_rule(std::string_view line) {
        const std::size_t at = line.find("-A ");
        if (at == line.npos) return;
        const std::string text{base::trim(line.substr(at))};
        const Words words = words_of(text);
        FirewallTable& table = rules_.tables.back();
        if (words.size() < 2 || !table.chains.contains(words[1])) return;
        FirewallRule rule;
        rule.text = text;
        rule.packets = packets_of(line);
        rule.remove = fmt::format("{} -t {} -D {}", tool_, table.name, text.substr(3));
        RuleReader{words, 2}.read(rule);
        if (rule.action != RuleAction::none) {
            table.chains[words[1]].rules.push_back(std::move(rule));
        }
    }

    std::string tool_;
    bool v6_;
    FirewallRules rules_;
};

}  // namespace

base::Result<FirewallRules> parse_iptables(const std::string& listing, bool v6) {
    ListingReader reader{v6};
    bool any = false;
    for (const std::string_view line : base::split(listing, '\n')) {
        reader.read_line(base::trim(line));
        any = any || line.starts_with('*') || line.starts_with('#');
    }
    if (!any && !base::trim(listing).empty()) {
        return base::error(fmt::format("{}-save printed nothing of the known kind",
                                       v6 ? "ip6tables" : "iptables"));
    }
    return reader.take();
}

}  // namespace diagnose
