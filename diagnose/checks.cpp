#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "diagnose/broken_family.hpp"
#include "diagnose/check_names.hpp"
#include "diagnose/checks_path.hpp"
#include "diagnose/conclude_words.hpp"
#include "diagnose/large_packets.hpp"
#include "diagnose/observations.hpp"
#include "diagnose/port_families.hpp"
#include "diagnose/slow_greetings.hpp"
#include "diagnose/submission_ports.hpp"

namespace diagnose {
namespace {

using Names = std::set<std::string>;

std::string list(const Names& names) { return base::join({names.begin(), names.end()}, ", "); }

void add_rows(const Observations& seen, ProbeRole role, Check& check) {
    for (const PortEvidence& item : seen.ports) {
        if (item.role != role) continue;
        check.evidence.push_back(row_of(item));
        check.took = std::max(check.took, item.took + item.talk);
    }
}

// A route that leads nowhere is no network, and a way to the web that was not seen to its end is
// not proven.
void judge_reach(const Observations& seen, Check& check) {
    const bool asked = std::any_of(seen.ports.begin(), seen.ports.end(), [](const auto& item) {
        return item.role == ProbeRole::address && item.connect != ConnectResult::no_route;
    });
    const bool answered = std::any_of(seen.ports.begin(), seen.ports.end(),
                                      [](const PortEvidence& item) { return item.open(); });
    if (asked && !answered) {
        check.status = CheckStatus::fail;
        check.summary += " No address beyond it answers.";
    } else if (seen.portal_skipped) {
        check.status = CheckStatus::skip;
        check.summary += " Whether a captive portal is in the way could not be told in time.";
    }
    const std::optional<BrokenFamily> broken = broken_family(seen);
    if (!broken || !broken->dead || check.status == CheckStatus::fail) return;
    check.status = CheckStatus::warn;
    check.summary += fmt::format(" Over {} nothing answers.",
                                 broken->family == net::Family::ipv4 ? "IPv4" : "IPv6");
}

Check network_check(const Observations& seen) {
    Check check = new_check(check_name::network);
    Evidence v4, v6;
    v4.target = "default route";
    v4.family = net::Family::ipv4;
    v4.result = seen.route_v4 ? "present" : "missing";
    v6 = v4;
    v6.family = net::Family::ipv6;
    v6.result = seen.route_v6 ? "present" : "missing";
    check.evidence = {v4, v6};
    add_rows(seen, ProbeRole::address, check);
    if (!seen.portal.empty()) {
        check.status = CheckStatus::fail;
        check.summary = "A captive portal answers in place of the web: " + seen.portal;
    } else if (!seen.route_v4 && !seen.route_v6) {
        check.status = CheckStatus::fail;
        check.summary = "This host has no default route.";
    } else {
        check.status = CheckStatus::ok;
        check.summary = fmt::format("This host has a default route for {}.",
                                    !seen.route_v6   ? "IPv4 only"
                                    : !seen.route_v4 ? "IPv6 only"
                                                     : "IPv4 and IPv6");
        judge_reach(seen, check);
    }
    return check;
}

Check dns_check(const Observations& seen) {
    Check check = new_check(check_name::dns);
    std::size_t asked = 0, silent = 0, missing = 0;
    Names hosts;
    for (const PortEvidence& item : seen.ports) {
        if (item.role == ProbeRole::address || !hosts.insert(item.host).second) continue;
        ++asked;
        if (item.result == "dns") ++silent;
        if (item.result == "no-name") ++missing;
        Evidence row;
        row.target = item.host;
        row.address = item.address;
        row.result = item.attempted() ? "resolved" : item.result;
        row.took = item.lookup;
        check.took = std::max(check.took, item.lookup);
        check.evidence.push_back(std::move(row));
    }
    if (asked == 0) {
        check.summary = "No name was asked for.";
        return check;
    }
    const std::size_t bad = silent + missing;
    check.status = bad == asked ? CheckStatus::fail : bad > 0 ? CheckStatus::warn : CheckStatus::ok;
    if (bad == 0) {
        check.summary = asked == 1 ? fmt::format("{} resolves.", *hosts.begin())
                                   : fmt::format("All {} names resolve.", asked);
    } else {
        check.summary = asked == 1     ? fmt::format("{} does not resolve.", *hosts.begin())
                        : bad == asked ? fmt::format("None of {} names resolves.", asked)
                                       : fmt::format("{} of {} names do not resolve.", bad, asked);
    }
    return check;
}

// "Google answers", "Google, Yahoo answer"
std::string clause(const Names& names, std::string_view one, std::string_view many) {
    return list(names) + " " + std::string{names.size() == 1 ? one : many};
}

struct Tally {
    Names open, refusing, dropped, rejected, other;
    void count(const PortEvidence& item) {
        const bool turned_away = item.identity == Identity::refusing;
        const bool closed_loudly = item.result == "rejected" || item.result == "unreachable";
        Names& names = turned_away                ? refusing
                       : item.result == "open"    ? open
                       : item.result == "dropped" ? dropped
                       : closed_loudly            ? rejected
                                                  : other;
        names.insert(item.operator_name);
    }
    [[nodiscard]] bool closed() const { return !dropped.empty() || !rejected.empty(); }
    [[nodiscard]] std::string words() const {
        std::vector<std::string> parts;
        if (!open.empty()) parts.push_back(clause(open, "answers", "answer"));
        if (!refusing.empty()) {
            parts.push_back(clause(refusing, "answers and turns this address away",
                                   "answer and turn this address away"));
        }
        if (!dropped.empty()) parts.push_back(clause(dropped, "stays silent", "stay silent"));
        if (!rejected.empty()) {
            parts.push_back(
                clause(rejected, "is refused or unreachable", "are refused or unreachable"));
        }
        if (!other.empty()) parts.push_back(clause(other, "fails otherwise", "fail otherwise"));
        return base::join(parts, "; ");
    }
};

// Once where both families saw the same, or only one was asked.
std::string both_words(const Tally& v4, const Tally& v6) {
    const std::string first = v4.words(), second = v6.words();
    if (first == second || second.empty()) return first + ".";
    if (first.empty()) return second + ".";
    return fmt::format("IPv4: {}. IPv6: {}.", first, second);
}

Check direct_check(const Observations& seen, const Report& report) {
    Check check = new_check(check_name::port_25);
    add_rows(seen, ProbeRole::direct, check);
    Tally v4, v6;
    bool asked = false;
    for (const PortEvidence& item : seen.ports) {
        if (item.role != ProbeRole::direct || !item.attempted()) continue;
        if (item.connect == ConnectResult::no_route) continue;
        asked = true;
        (item.family == net::Family::ipv4 ? v4 : v6).count(item);
    }
    if (!asked) {
        check.summary = "No operator could be asked.";
        return check;
    }
    const bool some_closed = v4.closed() || v6.closed();
    if (report.direct.code == VerdictCode::ok_direct) {
        const bool one_only = closed_family(report.direct).has_value();
        check.status = some_closed || one_only ? CheckStatus::warn : CheckStatus::ok;
    } else if (report.direct.code == VerdictCode::inconclusive) {
        check.status = CheckStatus::warn;
    } else {
        check.status = CheckStatus::fail;
    }
    check.summary = both_words(v4, v6);
    return check;
}

// "587 over IPv6 only (over IPv4: nothing greets there)"
std::string open_words(const SubmissionPort& port) {
    std::string text = fmt::format("{}{}", port.port, only_words(port.only));
    if (port.other_trouble.empty()) return text;
    return text + fmt::format(" (over {}: {})", port.only == net::Family::ipv4 ? "IPv6" : "IPv4",
                              port.other_trouble);
}

Check control_check(const Observations& seen) {
    Check check = new_check(check_name::submission);
    add_rows(seen, ProbeRole::control, check);
    std::set<std::uint16_t> asked;
    for (const PortEvidence& item : seen.ports) {
        if (item.role == ProbeRole::control && item.attempted()) asked.insert(item.port);
    }
    if (asked.empty()) {
        check.summary = "No other port could be asked.";
        return check;
    }
    std::vector<std::string> open, shut;
    bool usual_useful = false, split = false;
    for (const std::uint16_t number : asked) {
        const SubmissionPort port = look_at_port(seen, number);
        split = split || port.only;
        if (port.useful()) open.push_back(open_words(port));
        if (!port.opened) shut.push_back(std::to_string(number));
        usual_useful = usual_useful || (port.useful() && (number == 587 || number == 465));
    }
    const std::vector<std::string> useless = useless_port_words(seen);
    const bool all_fine = shut.empty() && useless.empty() && !split;
    check.status = !usual_useful ? CheckStatus::fail
                   : all_fine    ? CheckStatus::ok
                                 : CheckStatus::warn;
    check.summary =
        fmt::format("Open: {}{}{}.", open.empty() ? "none" : base::join(open, ", "),
                    useless.empty() ? "" : "; open, but of no use: " + base::join(useless, ", "),
                    shut.empty() ? "" : "; closed: " + base::join(shut, ", "));
    return check;
}

Check identity_check(const Observations& seen) {
    Check check = new_check(check_name::interception);
    Names strange, genuine;
    for (const PortEvidence& item : seen.ports) {
        if (item.role != ProbeRole::direct || !item.open()) continue;
        check.evidence.push_back(row_of(item));
        check.took = std::max(check.took, item.talk);
        (item.genuine ? genuine : strange).insert(item.operator_name);
        if (!item.genuine && check.summary.empty()) {
            check.summary =
                fmt::format("{}: {}.", item.operator_name, identity_words(item.identity));
        }
    }
    if (check.evidence.empty()) {
        check.summary = "Port 25 answers nowhere, so there is nothing to judge.";
        return check;
    }
    const bool proven = genuine.empty() && !slow_from_afar(seen);
    check.status = strange.empty() ? CheckStatus::ok
                   : proven        ? CheckStatus::fail
                                   : CheckStatus::warn;
    if (strange.empty() && large_packets_lost(seen)) {
        check.status = CheckStatus::warn;
        check.summary = "Each greets as itself, but no TLS handshake came to an end.";
    } else if (strange.empty() && lossy_family(seen)) {
        check.status = CheckStatus::warn;
        check.summary = fmt::format(
            "Each greets as itself, but over {} the TLS handshakes do not come to an end.",
            *lossy_family(seen) == net::Family::ipv4 ? "IPv4" : "IPv6");
    } else if (strange.empty()) {
        check.summary = clause(genuine, "answered with its own greeting.",
                               "answered with greetings of their own.");
    }
    return check;
}

void add_rule_row(const RuleMatch& rule, Check& check) {
    Evidence row;
    row.target = "rule";
    row.result = "stops it";
    row.detail = rule_text(rule);
    check.evidence.push_back(std::move(row));
}

bool quotes_rule(std::string_view text) {
    return text.starts_with("nftables") || text.starts_with("ip");
}

// What of this host stops port 25, or that of a smarthost.
std::string own_stop_words(const Observations& seen, const Report& report) {
    const Cause& cause = report.cause;
    const bool known = cause.kind == CauseKind::local_firewall && !cause.name.empty();
    if (!known) return fmt::format("{} stops port 25", here_words(seen));
    const bool whole = quotes_rule(cause.name) || cause.name.find("port 25") != cause.name.npos;
    if (whole) return cause.name;
    const bool both = cause.port != 25 && closed_code(report.direct) == VerdictCode::local_firewall;
    return both ? fmt::format("{} stops ports 25 and {}", cause.name, cause.port)
                : fmt::format("{} stops port {}", cause.name, cause.port);
}

// As the beginning and the end of a sentence.
std::string sentence(std::string text) {
    if (quotes_rule(text) || text.empty()) return text;  // quoted as it is
    if (text.front() >= 'a' && text.front() <= 'z') {
        text.front() = static_cast<char>(text.front() - 'a' + 'A');
    }
    if (!text.ends_with('.')) text += '.';
    return text;
}

// The rule of this host that surely stops port 25 over one family or both; nullptr: none.
const RuleMatch* rule_here(const Observations& seen) {
    for (const LocalSigns* signs : signs_over(seen, net::Family::any)) {
        if (signs->rule) return &*signs->rule;
    }
    return nullptr;
}

// The rules were read, and what keeps mail from leaving is something else.
void judge_rules(const Observations& seen, Check& check) {
    check.status = CheckStatus::ok;
    check.summary = "No rule of this host stops port 25.";
    if (const RuleMatch* own = rule_here(seen)) {
        check.status = CheckStatus::warn;
        check.summary = "A rule of this host stops port 25 as well: " + rule_text(*own);
    } else if (may_be_here(seen)) {
        check.status = CheckStatus::warn;
        check.summary = "A rule of this host may stop some of port 25: ";
        for (const RuleMatch& match : seen.local.possible) {
            if (match.spares_asker) continue;
            check.summary += rule_text(match);
            break;
        }
    } else if (!seen.rules_for_others.empty()) {
        const RuleForUser& rule = seen.rules_for_others.front();
        check.status = CheckStatus::warn;
        check.summary =
            fmt::format("No rule stops port {} for {}; this one does for {}: {}", rule.port,
                        rule.asker, user_words(rule), rule_text(rule.match.rule));
    }
}

// Without the rules, by what became of the packets.
void judge_unread_rules(const Observations& seen, const Report& report, Check& check) {
    const bool leaves = report.direct.code == VerdictCode::ok_direct ||
                        report.direct.code == VerdictCode::reputation ||
                        packets_leave(seen, seen.local);
    if (!leaves && stopped_here(seen, net::Family::any)) {
        check.status = CheckStatus::warn;
        check.summary = "Packets for port 25 do not leave this host; the rules were not read.";
        return;
    }
    check.status = leaves ? CheckStatus::ok : CheckStatus::skip;
    check.summary = leaves ? "Port 25 leaves this host." : "Could not be looked at.";
}

Evidence counter_row(const LocalSigns& local) {
    Evidence row;
    row.target = "TCPRetransFail";
    row.address = local.address;
    row.result = local.counter_read ? "read" : "not read";
    if (!local.counter_read && !local.last_left) return row;
    row.detail = fmt::format("{} SYNs were sent again{}", local.retransmissions,
                             local.retransmissions == 0 ? ""
                             : local.last_left          ? ", and left this host"
                                                        : ", and did not leave this host");
    if (!local.counter_read) return row;
    row.detail += fmt::format(
        "; this host's kernel counted {} that failed, those of other connections among them",
        local.failed_retransmissions);
    return row;
}

Evidence rules_row(const LocalSigns& local) {
    Evidence row;
    row.target = "packet filter rules";
    row.address = local.address;
    row.result = local.rules_read ? "read" : "not read";
    row.detail = local.rule ? rule_text(*local.rule) : local.rules_problem;
    return row;
}

Evidence possible_rule_row(const RuleMatch& match) {
    Evidence row;
    row.target = "possible rule";
    row.result = "conditional";
    row.detail = rule_text(match);
    return row;
}

Evidence own_server_row(const Observations& seen) {
    Evidence row;
    row.target = "this host's own server";
    row.address = "127.0.0.1";
    row.port = 25;
    row.result = "the same greeting";
    row.banner = seen.own_greeting;
    return row;
}

Check local_check(const Observations& seen, const Report& report) {
    Check check = new_check(check_name::local_firewall);
    const LocalSigns& local = seen.local;
    for (const LocalSigns* signs : signs_over(seen, net::Family::any)) {
        check.evidence.push_back(counter_row(*signs));
        check.evidence.push_back(rules_row(*signs));
        for (const RuleMatch& match : signs->possible) {
            check.evidence.push_back(possible_rule_row(match));
        }
    }
    if (own_server_answers(seen)) check.evidence.push_back(own_server_row(seen));
    for (const LocalSigns& signs : seen.smarthost_signs) {
        if (signs.rule) add_rule_row(*signs.rule, check);
    }
    for (const auto* rule : {&seen.rule_for_all, &seen.rule_for_dns}) {
        if (*rule) add_rule_row(**rule, check);
    }
    for (const RuleForUser& rule : seen.rules_for_others) {
        add_rule_row(rule.match.rule, check);
        check.evidence.back().result = fmt::format("stops uid {}", rule.match.user);
    }
    if (report.cause.kind == CauseKind::local_firewall ||
        closed_code(report.direct) == VerdictCode::local_firewall) {
        check.status = CheckStatus::fail;
        check.summary = sentence(own_stop_words(seen, report));
        const bool only_smarthosts = report.verdict.code != report.direct.code &&
                                     closed_code(report.direct) != VerdictCode::local_firewall;
        if (only_smarthosts) check.summary = "A smarthost's port is stopped here: " + check.summary;
    } else if (local.rules_read) {
        judge_rules(seen, check);
    } else {
        judge_unread_rules(seen, report, check);
    }
    return check;
}

// An id is one check's: "smarthost", "smarthost-2".
Check numbered(Check check, std::size_t index) {
    if (index > 0) check.id += fmt::format("-{}", index + 1);
    return check;
}

}  // namespace

std::vector<Check> make_checks(const Observations& seen, const Report& report) {
    std::vector<Check> checks;
    checks.push_back(network_check(seen));
    checks.push_back(dns_check(seen));
    if (!seen.each_name_server.empty()) {
        checks.push_back(name_servers_check(seen.each_name_server, seen.name_servers_rotate));
    }
    checks.push_back(host_check(seen.host));
    checks.push_back(direct_check(seen, report));
    checks.push_back(control_check(seen));
    checks.push_back(identity_check(seen));
    checks.push_back(local_check(seen, report));
    checks.push_back(path_check(seen, report));
    if (!seen.answers.empty()) checks.push_back(answer_check(seen));
    for (std::size_t i = 0; i < seen.smarthosts.size(); ++i) {
        const SmarthostStages& stages = seen.smarthosts[i];
        checks.push_back(numbered(check_of(stages), i));
        const OtherPorts others = other_ports_of(seen, stages.name);
        if (!others.empty()) checks.push_back(numbered(other_ports_check(stages.name, others), i));
    }
    return checks;
}

}  // namespace diagnose
