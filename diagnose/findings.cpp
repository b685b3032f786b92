#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "diagnose/broken_family.hpp"
#include "diagnose/conclude_words.hpp"
#include "diagnose/domain/address_kind.hpp"
#include "diagnose/large_packets.hpp"
#include "diagnose/name_faults.hpp"
#include "diagnose/slow_greetings.hpp"
#include "net/address_scope.hpp"

namespace diagnose {
namespace {

bool split_families(const Report& report) {
    return report.direct.ipv4 && report.direct.ipv6 && *report.direct.ipv4 != *report.direct.ipv6;
}

// Both families may show the same, which is said once.
void add_finding(Report& report, VerdictCode code, std::string summary) {
    for (const Finding& known : report.findings) {
        if (known.summary == summary) return;
    }
    report.findings.push_back({std::string{verdict_name(code)}, std::move(summary)});
}

void find_split(const Observations& seen, Report& report) {
    const std::optional<BrokenFamily> broken = broken_family(seen);
    for (const net::Family family : {net::Family::ipv4, net::Family::ipv6}) {
        const bool v4 = family == net::Family::ipv4;
        const VerdictCode code = v4 ? *report.direct.ipv4 : *report.direct.ipv6;
        if (code == report.direct.code) continue;  // told for both
        const bool its = broken && broken->family == family;
        add_finding(report, code, its ? broken_words(*broken) : family_words(family, code));
    }
}

// Over one family or both, so that the operators' greetings are told already.
bool intercepted(const DirectReport& direct) {
    constexpr VerdictCode code = VerdictCode::outbound_25_intercepted;
    return direct.code == code || direct.ipv4 == code || direct.ipv6 == code;
}

void find_more(const Observations& seen, Report& report) {
    const bool two_ways = closed_in_two_ways(report.direct);
    if (report.verdict.code != report.direct.code) {
        const bool unused = report.direct.code == VerdictCode::ok_direct && !seen.direct_path;
        add_finding(report, report.direct.code,
                    unused     ? "Outbound port 25 is open, but delivery.path does not use it."
                    : two_ways ? two_ways_words(*report.direct.ipv4, *report.direct.ipv6)
                               : direct_words(seen, report.direct.code));
    }
    if (const std::optional<net::Family> family = closed_family(report.direct)) {
        const VerdictCode code = closed_code(report.direct);
        add_finding(report, code, closed_words(*family, code));
    } else if (split_families(report) && !two_ways) {
        find_split(seen, report);
    }
    for (const SmarthostReport& smarthost : report.smarthosts) {
        if (!smarthost.sender_note.empty()) {
            add_finding(report, smarthost.code,
                        fmt::format("Smarthost {}: {}", smarthost.name, smarthost.sender_note));
        }
        const std::string words = smarthost_words(smarthost);
        if (report.verdict.summary.find(words) != std::string::npos) continue;
        const bool fine = smarthost.code == VerdictCode::ok_smarthost;
        if (fine && !smarthost.sender_note.empty()) continue;
        add_finding(report, smarthost.code, words);
    }
    const bool portal_told = report.verdict.code == VerdictCode::no_network && !seen.rule_for_all;
    if (!seen.portal.empty() && !portal_told) {
        add_finding(report, VerdictCode::no_network, "A captive portal answers: " + seen.portal);
    }
    for (const AnswerPair& pair : seen.answers) {
        if (compare_answers(pair) != AnswerFinding::nearer) continue;
        if (report.cause.at_hop == AtHop::rejects && report.cause.hop) continue;  // told as where
        const bool open = pair.direct.result == ConnectResult::open;
        add_finding(report,
                    open ? VerdictCode::outbound_25_intercepted : VerdictCode::outbound_25_rejected,
                    answer_words(pair));
    }
    for (const PortEvidence& item : seen.ports) {
        const bool strange = item.role == ProbeRole::direct && item.open() && !item.genuine;
        if (!strange || intercepted(report.direct) || slow_from_afar(seen)) continue;
        add_finding(report, VerdictCode::outbound_25_intercepted,
                    fmt::format("{}: {}.", item.operator_name, identity_words(item.identity)));
    }
}

// A cloud whose table and whose network disagree is worth a word: an exemption was granted, or
// another filter is at work.
void compare_with_catalogue(const Observations& seen, Report& report) {
    if (seen.host.cloud == nullptr) return;
    const std::string& name = seen.host.cloud->name;
    const auto& blocked = seen.host.cloud->blocked;
    const auto lists = [&](std::uint16_t port) {
        return std::find(blocked.begin(), blocked.end(), port) != blocked.end();
    };
    const VerdictCode code = report.direct.code;
    if (code == VerdictCode::ok_direct && lists(25) && !closed_family(report.direct)) {
        add_finding(report, code,
                    fmt::format("{} blocks port 25 by default, but it is open here: the block was "
                                "lifted for this host, or does not apply to it.",
                                name));
    }
    const CauseKind kind = report.cause.kind;
    const bool nearer = kind == CauseKind::gateway || kind == CauseKind::container ||
                        (kind == CauseKind::unknown && report.cause.hop == 0);
    if (!silent_or_refused(code)) return;
    if (nearer && lists(25)) {
        add_finding(report, code,
                    fmt::format("{} blocks outbound port 25 by default as well: when the nearer "
                                "filter is gone, it may still be closed there.",
                                name));
    }
    const auto& open = seen.host.cloud->open;
    bool known_open = true;
    std::vector<std::string> more;
    for (const std::uint16_t port : dead_ports(seen)) {
        const bool usual = port == 465 || port == 587;
        if (!usual || lists(port)) continue;
        more.push_back(std::to_string(port));
        known_open = known_open && std::count(open.begin(), open.end(), port) > 0;
    }
    if (more.empty() || kind != CauseKind::cloud) return;
    add_finding(report, code,
                fmt::format("{} is {} {}, which {} closed here all the same: a security group, a "
                            "network ACL or another filter may be at work.",
                            name, known_open ? "known to leave open" : "not known to block",
                            base::join(more, ", "), more.size() == 1 ? "is" : "are"));
}

// A name that leads into a private network, by split DNS or a line in /etc/hosts: wrong for a known
// provider's, and worth a word of any other that does not work.
void find_odd_addresses(const Observations& seen, Report& report) {
    for (const SmarthostStages& stages : seen.smarthosts) {
        const bool known = !stages.provider.empty();
        boost::system::error_code named;
        (void)boost::asio::ip::make_address(stages.host, named);
        // With its own certificate it is the right one, by whatever address: a translation
        // (NAT64) or a private endpoint of the provider.
        const bool proven = stages.ok && stages.verified && !stages.tls.empty();
        if (!named || proven || (!known && stages.ok)) continue;
        for (const PortEvidence& item : seen.ports) {
            const bool its = item.role == ProbeRole::smarthost && item.operator_name == stages.name;
            boost::system::error_code failure;
            const auto address = boost::asio::ip::make_address(item.address, failure);
            if (!its || failure || net::is_local_nat64(item.address)) continue;
            const std::string_view kind = address_kind(address);
            if (kind != "private" && kind != "benchmarking" && kind != "reserved") continue;
            add_finding(report, VerdictCode::smarthost_dns,
                        fmt::format("{} has the {} address {} here, which {}: look at "
                                    "/etc/hosts and the name servers.",
                                    stages.host, kind, item.address,
                                    known ? "its provider does not publish"
                                          : "is right for a server of this network only"));
            break;
        }
    }
}

void find_search_page_words(const Observations& seen, Report& report) {
    if (seen.search_page.empty() || one_address_for_all(seen)) return;
    add_finding(report, VerdictCode::dns_broken,
                fmt::format("The name servers give {} for names that do not exist, as that of a "
                            "search page: a misspelt name looks as if it existed. Other name "
                            "servers, or the provider's settings, end that.",
                            seen.search_page));
}

// Large operators do not share an issuer: where all of them seem to, somebody whose authority this
// host was told to trust opens their TLS, as company networks do.
void find_shared_issuer(const Observations& seen, Report& report) {
    constexpr std::size_t enough = 4;
    std::set<std::string> issuers, operators;
    for (const PortEvidence& item : seen.ports) {
        if (!item.greeting || !item.greeting->certificate.shown()) continue;
        issuers.insert(item.greeting->certificate.issuer);
        operators.insert(item.operator_name);
    }
    if (issuers.size() != 1 || operators.size() < enough || issuers.begin()->empty()) return;
    add_finding(report, VerdictCode::inconclusive,
                fmt::format("{} unrelated operators all show certificates of one issuer ({}): "
                            "something on the path opens TLS and this host trusts it, as in "
                            "company networks. It can read what is sent, passwords included.",
                            operators.size(), base::printable(*issuers.begin(), 120)));
}

// What this host lacks for a judgement.
void find_own_faults(const Observations& seen, Report& report) {
    if (!seen.trust_store) {
        add_finding(report, VerdictCode::inconclusive,
                    "No certificate's issuer could be judged: this host has no trust store. "
                    "Install the package ca-certificates.");
        return;
    }
    if (large_packets_lost(seen) && report.verdict.code != VerdictCode::inconclusive) {
        add_finding(
            report, VerdictCode::inconclusive,
            "The TLS handshakes of unrelated operators do not come to an end: small packets "
            "pass, large ones do not.");
    }
    std::set<std::string> stale;
    for (const PortEvidence& item : seen.ports) {
        if (item.greeting && item.greeting->certificate.faults.wrong_time()) {
            stale.insert(item.operator_name);
        }
    }
    if (stale.size() < 2) return;
    add_finding(report, VerdictCode::inconclusive,
                "The certificates of unrelated operators are all outside their dates: look at this "
                "host's clock (`timedatectl`).");
}

// Whoever runs this sees nothing of it, but the mail server may be that user.
void find_rules_for_others(const Observations& seen, Report& report) {
    for (const RuleForUser& rule : seen.rules_for_others) {
        const std::string user =
            rule.name.empty() ? fmt::format("'#{}'", rule.match.user) : rule.name;
        RuleQuestion question;
        question.port = rule.port;
        if (rule.port == 53) question.transport = seen.dns_transport;
        std::vector<std::string> commands = commands_to_allow(rule.match.rule, question);
        for (std::string& command : commands) command = fmt::format("`{}`", command);
        add_finding(report, VerdictCode::local_firewall,
                    fmt::format("No rule of this host stops port {} for {}, but this one does for "
                                "{}: {}. See what that user sees: `sudo -u {} relay diagnose`; if "
                                "its connections are to pass: {}.",
                                rule.port, rule.asker, user_words(rule), rule_text(rule.match.rule),
                                user, base::join(commands, ", ")));
    }
}

// What waits behind a fault of the whole network.
void find_own_rule(const Observations& seen, Report& report) {
    if (report.direct.code != VerdictCode::no_network || seen.rule_for_all) return;
    if (!stopped_here(seen, net::Family::any)) return;
    std::string text = "Besides, this host itself does not let port 25 out";
    for (const LocalSigns* signs : signs_over(seen, net::Family::any)) {
        if (!signs->rule) continue;
        text += ": " + rule_text(*signs->rule);
        break;
    }
    add_finding(report, VerdictCode::local_firewall, text + ".");
}

}  // namespace

void add_findings(const Observations& seen, Report& report) {
    find_more(seen, report);
    compare_with_catalogue(seen, report);
    find_odd_addresses(seen, report);
    find_search_page_words(seen, report);
    find_shared_issuer(seen, report);
    find_own_faults(seen, report);
    find_rules_for_others(seen, report);
    find_own_rule(seen, report);
    drop_repetitions(report);
}

}  // namespace diagnose
