#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/broken_family.hpp"
#include "diagnose/domain/address_kind.hpp"
#include "diagnose/domain/recipient.hpp"
#include "diagnose/observations.hpp"
#include "diagnose/report_words.hpp"

namespace diagnose {
namespace {

std::size_t count(const std::vector<RecipientAttempt>& attempts, auto fits) {
    return static_cast<std::size_t>(std::count_if(attempts.begin(), attempts.end(), fits));
}

// Whether a reply at this stage is about us, rather than about the recipient.
bool about_us(const RecipientAttempt& attempt) {
    return attempt.code >= 400 && attempt.stage != "rcpt";
}

// "IPv6" where all the addresses are of that family, else "".
std::string only_family(const std::vector<RecipientAttempt>& attempts) {
    const auto v4 = count(attempts, [](const RecipientAttempt& attempt) {
        return attempt.evidence.family == net::Family::ipv4;
    });
    if (v4 == attempts.size()) return "IPv4";
    return v4 == 0 ? "IPv6" : "";
}

Verdict no_connection(const std::vector<RecipientAttempt>& attempts, const std::string& address) {
    const std::size_t all = attempts.size();
    const auto ended = [&](auto... results) {
        return count(attempts, [&](const RecipientAttempt& attempt) {
            return ((attempt.connect == results) || ...);
        });
    };
    Verdict verdict;
    // One recipient's servers are one operator: only a quorum could be more certain.
    verdict.confidence = Confidence::likely;
    const std::size_t local = count(attempts, [](const RecipientAttempt& attempt) {
        return attempt.connect == ConnectResult::denied || attempt.own_address;
    });
    if (local == all) {
        verdict.code = VerdictCode::local_firewall;
        verdict.confidence = Confidence::certain;
        verdict.summary = "This host itself forbids connections to port 25.";
    } else if (ended(ConnectResult::no_route) == all) {
        verdict.code = VerdictCode::no_network;
        verdict.summary = "This host has no route to any of the recipient's mail servers.";
        if (const std::string family = only_family(attempts); !family.empty()) {
            verdict.confidence = Confidence::certain;
            verdict.summary = fmt::format(
                "The mail servers for {} have only {} addresses, and this host has no {} route.",
                address, family, family);
        }
    } else if (ended(ConnectResult::dropped) == all) {
        verdict.code = VerdictCode::outbound_25_dropped;
        verdict.summary = fmt::format(
            "Port 25 of every mail server for {} stays silent: it is blocked on the way, or all of "
            "them are dead.",
            address);
    } else if (ended(ConnectResult::refused, ConnectResult::prohibited,
                     ConnectResult::unreachable) == all) {
        verdict.code = VerdictCode::outbound_25_rejected;
        verdict.summary = fmt::format("Port 25 of every mail server for {} is rejected.", address);
    } else {
        verdict.confidence = Confidence::unclear;
        verdict.summary = fmt::format(
            "No mail server for {} could be connected to, for different reasons.", address);
    }
    return verdict;
}

Verdict refused(const std::vector<RecipientAttempt>& attempts, const std::string& address) {
    Verdict verdict;
    const auto answered = [](const RecipientAttempt& attempt) { return attempt.code >= 400; };
    const auto first = std::find_if(attempts.begin(), attempts.end(), answered);
    const auto slow = std::find_if(attempts.begin(), attempts.end(),
                                   [](const auto& attempt) { return attempt.timed_out; });
    if (first == attempts.end() && slow != attempts.end()) {
        // Only a quorum of operators could show that somebody else is mute in its place.
        verdict.confidence = Confidence::unclear;
        verdict.summary = fmt::format(
            "{} takes the connection, and says nothing before the time is over (at {}): it is slow "
            "or mute.",
            slow->host, slow->stage);
    } else if (first == attempts.end()) {
        const auto open = std::find_if(attempts.begin(), attempts.end(), [](const auto& attempt) {
            return attempt.connect == ConnectResult::open;
        });
        verdict.code = VerdictCode::outbound_25_intercepted;
        verdict.confidence = Confidence::likely;
        verdict.summary = fmt::format(
            "A connection to {} opens, but no mail server's dialogue follows (it ended at {}).",
            open->host, open->stage);
    } else if (about_us(*first)) {
        verdict.code = VerdictCode::reputation;
        verdict.confidence = Confidence::certain;
        verdict.summary = fmt::format("{} is reached, but does not want mail from here (at {}).",
                                      first->host, first->stage);
    } else {
        const bool permanent = first->code >= 500;
        verdict.code = permanent ? VerdictCode::recipient_mx : VerdictCode::inconclusive;
        verdict.confidence = permanent ? Confidence::certain : Confidence::unclear;
        verdict.summary = permanent
                              ? fmt::format("{} refuses the recipient {}.", first->host, address)
                              : fmt::format(
                                    "{} puts the recipient {} off for now; a later attempt "
                                    "may be taken.",
                                    first->host, address);
    }
    return verdict;
}

bool is_open(const RecipientAttempt& attempt) { return attempt.connect == ConnectResult::open; }

// Nothing at all answers over this family: that is no fault of the recipient's.
bool dead_here(const Report* here, net::Family family) {
    if (here == nullptr) return false;
    const DirectReport& direct = here->direct;
    const std::optional<VerdictCode>& code =
        family == net::Family::ipv4 ? direct.ipv4 : direct.ipv6;
    return code == VerdictCode::no_network && direct.code != VerdictCode::no_network;
}

// What this host's own report says of it.
void find_dead_family(const Report* here, Report& report) {
    for (const net::Family family : {net::Family::ipv4, net::Family::ipv6}) {
        if (!dead_here(here, family)) continue;
        for (const Finding& finding : here->findings) {
            if (finding.code == verdict_name(VerdictCode::no_network)) {
                report.findings.push_back(finding);
            }
        }
        for (const Fix& fix : here->fixes) {
            if (mends_dead_family(fix)) report.fixes.push_back(fix);
        }
    }
}

// Addresses beside those that take mail.
void find_useless_addresses(const Report* here, const std::vector<RecipientAttempt>& attempts,
                            Report& report) {
    std::vector<std::string> silent, closed;
    for (const RecipientAttempt& attempt : attempts) {
        const bool connected = is_open(attempt) || attempt.connect == ConnectResult::no_route;
        if (connected || attempt.own_address) continue;
        if (dead_here(here, attempt.evidence.family)) continue;
        const bool dropped = attempt.connect == ConnectResult::dropped;
        (dropped ? silent : closed)
            .push_back(fmt::format("{} ({})", attempt.evidence.address, attempt.host));
    }
    const auto add = [&](const std::vector<std::string>& addresses, std::string text) {
        if (addresses.empty()) return;
        report.findings.push_back({std::string{verdict_name(VerdictCode::recipient_mx)},
                                   base::join(addresses, ", ") + std::move(text)});
    };
    const bool one = silent.size() == 1;
    add(silent, fmt::format(" {} not answer: whoever tries {} first loses time.",
                            one ? "does" : "do", one ? "it" : "these"));
    add(closed,
        fmt::format(" {} connections to port 25.", closed.size() == 1 ? "refuses" : "refuse"));
}

bool all_private(const std::vector<RecipientAttempt>& attempts) {
    return std::all_of(attempts.begin(), attempts.end(), [](const RecipientAttempt& attempt) {
        boost::system::error_code failure;
        const auto address = boost::asio::ip::make_address(attempt.evidence.address, failure);
        return !failure && address_kind(address) == "private";
    });
}

bool stops_mail(VerdictCode code) {
    return code == VerdictCode::local_firewall || code == VerdictCode::outbound_25_dropped ||
           code == VerdictCode::outbound_25_rejected || code == VerdictCode::submission_blocked ||
           code == VerdictCode::smtp_hopeless || code == VerdictCode::outbound_25_intercepted;
}

// What this host's way out showed in the families that the recipient's servers have.
VerdictCode code_here(const Report& here, const std::vector<RecipientAttempt>& attempts) {
    const std::optional<net::Family> shut = closed_family(here.direct);
    const bool only = shut && std::all_of(attempts.begin(), attempts.end(), [&](const auto& each) {
                          return each.evidence.family == *shut;
                      });
    return only && !attempts.empty() ? closed_code(here.direct) : here.direct.code;
}

// The fault is this host's or its network's: the same verdict, cause and fixes as without --to.
void take_from(const Report& here, VerdictCode code, Report& report) {
    report.verdict.code = code;
    report.verdict.confidence = here.verdict.confidence;
    report.verdict.summary =
        here.verdict.summary + " That is why no mail reaches this recipient directly.";
    report.cause = here.cause;
    report.fixes = here.fixes;
    report.findings = here.findings;
    report.direct.ipv4 = here.direct.ipv4;
    report.direct.ipv6 = here.direct.ipv6;
    report.checks.insert(report.checks.end(), here.checks.begin(), here.checks.end());
    report.paths = here.paths;
    report.host = here.host;
}

// A box on the path took the recipient: nobody knows what the recipient's server would have said.
void doubt_acceptance(const Report& here, Report& report) {
    take_from(here, VerdictCode::outbound_25_intercepted, report);
    report.verdict.summary =
        here.verdict.summary +
        " What took the recipient may be a box on the path, and not the recipient's server.";
    report.good = false;
}

void say_others_answer(Report& report) {
    report.findings.push_back(
        {std::string{verdict_name(VerdictCode::ok_direct)},
         "Port 25 of unrelated operators answers from here, so outbound port 25 is open: it is "
         "these servers, or a filter on the way to them."});
    report.fixes.push_back({"Try again later, and tell the recipient another way",
                            {"These servers may be down, or refuse this host's address without a "
                             "word; their postmaster sees which.",
                             "A smarthost elsewhere may be let in: `relay diagnose` says whether "
                             "one can be used."},
                            ""});
}

// Nobody's port 25 could be judged without the mail servers' names.
bool knows_names(VerdictCode code) {
    return code != VerdictCode::dns_broken && code != VerdictCode::no_network &&
           code != VerdictCode::inconclusive;
}

// Those of unrelated mail servers were looked up meanwhile, or not.
void say_names_fail(bool others_known, Report& report) {
    const std::string domain = report.recipient.substr(report.recipient.rfind('@') + 1);
    Fix fix;
    fix.title = "Have the recipient's mail servers looked up";
    fix.steps.push_back(fmt::format(
        "See what the name servers say: `resolvectl query --type=MX {0}` or `dig MX {0}` for mail "
        "servers, `getent hosts {0}` for addresses.",
        domain));
    if (others_known) {
        report.cause.name = fmt::format("name servers of {}, most likely", domain);
        fix.steps.push_back(fmt::format(
            "The mail servers of other domains were looked up a moment ago: most likely the name "
            "servers of {} fail, which only whoever runs that domain can mend. Tell the recipient "
            "another way.",
            domain));
    } else {
        report.cause.name = "name servers of this host, or those of the recipient's domain";
        fix.steps.emplace_back(
            "Some forwarders in routers and filters refuse questions for MX: ask others, or a "
            "resolver of your own (/etc/resolv.conf).");
    }
    report.fixes.push_back(std::move(fix));
}

void say_to_wait(Report& report) {
    report.fixes.push_back(
        {"Give the recipient's servers more time",
         {"Run `relay diagnose --to " + report.recipient +
              " --timeout 60s`: a server may take a minute to greet, and delivery waits longer.",
          "If it stays mute, tell its postmaster."},
         ""});
}

void say_how_to_tell(Report& report) {
    report.fixes.push_back(
        {"Find out whether this network blocks port 25",
         {"Run `relay diagnose`: it asks several unrelated operators and other ports.",
          "If it is the network, send through a smarthost; the recipient's servers take mail on "
          "port 25 only, so no other port of theirs helps."},
         ""});
}

}  // namespace

Verdict judge_attempts(const std::vector<RecipientAttempt>& attempts, const std::string& address) {
    const auto accepted = std::find_if(attempts.begin(), attempts.end(),
                                       [](const auto& attempt) { return attempt.accepted; });
    Verdict verdict;
    if (accepted != attempts.end()) {
        verdict.code = VerdictCode::ok_direct;
        verdict.confidence = Confidence::certain;
        verdict.summary =
            fmt::format("{} takes mail for {} directly from here.", accepted->host, address);
        return verdict;
    }
    if (attempts.empty()) {
        verdict.summary = "No mail server was tried.";
        return verdict;
    }
    const bool any_open = count(attempts, [](const RecipientAttempt& attempt) {
                              return attempt.connect == ConnectResult::open;
                          }) > 0;
    return any_open ? refused(attempts, address) : no_connection(attempts, address);
}

void judge_families(const Report* here, const std::vector<RecipientAttempt>& attempts,
                    Report& report) {
    for (const net::Family family : {net::Family::ipv4, net::Family::ipv6}) {
        std::vector<RecipientAttempt> its;
        for (const RecipientAttempt& attempt : attempts) {
            if (attempt.evidence.family == family) its.push_back(attempt);
        }
        if (its.empty()) continue;
        VerdictCode code = judge_attempts(its, report.recipient).code;
        // Port 25 leaves this host, as the other addresses show.
        const bool closed =
            code == VerdictCode::outbound_25_dropped || code == VerdictCode::outbound_25_rejected;
        if (report.good && closed) {
            code = dead_here(here, family) ? VerdictCode::no_network : VerdictCode::recipient_mx;
        }
        (family == net::Family::ipv4 ? report.direct.ipv4 : report.direct.ipv6) = code;
    }
    if (!report.good) return;
    find_useless_addresses(here, attempts, report);
    find_dead_family(here, report);
}

void find_recipient_cause(const Report* here, const std::vector<RecipientAttempt>& attempts,
                          Report& report) {
    const VerdictCode seen_here =
        here != nullptr ? code_here(*here, attempts) : report.verdict.code;
    const bool intercepted = here != nullptr && seen_here == VerdictCode::outbound_25_intercepted;
    if (report.good) {
        report.cause = {};
        if (intercepted) doubt_acceptance(*here, report);
        return;
    }
    const bool connected = count(attempts, is_open) > 0;
    const bool asked = !attempts.empty();
    const bool nowhere = asked && !connected && all_private(attempts);
    const bool shut = asked && !connected && !nowhere && stops_mail(seen_here);
    if (here != nullptr &&
        ((host_wide(seen_here) && !connected) || shut || (intercepted && connected))) {
        take_from(*here, seen_here, report);
        return;
    }
    if (nowhere) {
        report.verdict.code = VerdictCode::recipient_mx;
        report.verdict.confidence = Confidence::certain;
        report.verdict.summary = fmt::format(
            "The mail servers of {} are published with private addresses ({}), which nobody "
            "outside "
            "their own network reaches.",
            report.cause.name, attempts.front().evidence.address);
    }
    report.cause.kind = CauseKind::remote;
    if (report.verdict.code == VerdictCode::local_firewall) {
        report.cause.kind = CauseKind::local_firewall;
        report.cause.name = "this host's own policy";
    } else if (asked && report.verdict.code == VerdictCode::no_network &&
               !only_family(attempts).empty()) {
        const std::string family = only_family(attempts);
        report.cause.kind = CauseKind::config;
        report.cause.name = fmt::format("no {} route on this host", family);
        report.fixes.push_back(
            {fmt::format("Reach {} servers from here", family),
             {family == "IPv6"
                  ? "Give this host IPv6 (`ip -6 route` shows what there is)."
                  : "Give this host IPv4, or have its network translate (NAT64 with DNS64).",
              fmt::format("Or send through a smarthost that has {} as well.", family)},
             ""});
    } else if (report.verdict.code == VerdictCode::no_network ||
               report.verdict.code == VerdictCode::dns_broken) {
        report.cause.kind = CauseKind::unknown;
        report.cause.name.clear();
        const bool others_known = here != nullptr && knows_names(here->direct.code);
        if (report.verdict.code == VerdictCode::dns_broken) say_names_fail(others_known, report);
    } else if (connected && report.verdict.code == VerdictCode::inconclusive &&
               count(attempts, [](const auto& each) { return each.timed_out; }) > 0) {
        report.cause.kind = CauseKind::unknown;
        report.cause.name.clear();
        say_to_wait(report);
    } else if (asked && !connected && !nowhere) {
        // Silence names nobody; a refusal that other operators do not show is that server's.
        const bool others_answer = here != nullptr && here->direct.code == VerdictCode::ok_direct;
        const bool refused = report.verdict.code == VerdictCode::outbound_25_rejected;
        if (!others_answer || !refused) report.cause.kind = CauseKind::unknown;
        report.cause.name = attempts.front().host;
        if (others_answer) say_others_answer(report);
        if (!others_answer) say_how_to_tell(report);
    }
}

}  // namespace diagnose
