#include "diagnose/inbound/facts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/own_server.hpp"
#include "net/address_scope.hpp"
#include "net/cidr.hpp"

namespace diagnose {
namespace {

using net::AddressScope;
using net::scope_of;

void add_once(std::vector<std::string>& list, const std::string& text) {
    if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
}

bool contains(const std::vector<std::string>& list, const std::string& text) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

Verdict verdict(VerdictCode code, Confidence confidence, std::string summary) {
    Verdict made;
    made.code = code;
    made.inbound = true;
    made.confidence = confidence;
    made.summary = std::move(summary);
    return made;
}

std::string domain_text(const InboundFacts& facts) {
    return facts.domain.empty() ? "this host" : facts.domain;
}

Verdict mx_verdict(const InboundFacts& facts, MxDirection direction) {
    constexpr auto code = VerdictCode::inbound_mx_elsewhere;
    if (facts.null_mx) {
        return verdict(
            code, Confidence::certain,
            fmt::format("{} declares that it takes no mail (null MX), so none comes here.",
                        facts.domain));
    }
    if (direction == MxDirection::nowhere) {
        return verdict(
            code, Confidence::certain,
            fmt::format("DNS leads mail for {} nowhere, so none comes here.", facts.domain));
    }
    return verdict(
        code, facts.vantage_asked ? Confidence::certain : Confidence::likely,
        fmt::format("Mail for {} goes to {}, which is not this host.", facts.domain,
                    facts.exchangers.empty() ? "another host" : facts.exchangers.front().host));
}

const RuleMatch* stopping_rule(const InboundFacts& facts) {
    if (facts.stops4 && facts.stops4->verdict != RuleVerdict::redirect) return &*facts.stops4;
    if (facts.stops6 && facts.stops6->verdict != RuleVerdict::redirect) return &*facts.stops6;
    return nullptr;
}

// A rule counts for a verdict when it covers every family in which this host is reached.
bool stopped_by_rule(const InboundFacts& facts) {
    bool any4 = false, any6 = false;
    for (const HostAddress& item : facts.addresses) {
        const bool v6 = item.address.find(':') != std::string::npos;
        if (scope_of(item.address) == AddressScope::link_local) continue;
        (v6 ? any6 : any4) = true;
    }
    const auto stops = [](const std::optional<RuleMatch>& rule) {
        return rule && rule->verdict != RuleVerdict::redirect;
    };
    if (!any4 && !any6) return stops(facts.stops4) || stops(facts.stops6);
    return (!any4 || stops(facts.stops4)) && (!any6 || stops(facts.stops6));
}

Verdict firewalled_verdict(const InboundFacts& facts, OutsideView outside) {
    constexpr auto code = VerdictCode::inbound_firewalled;
    const RuleMatch* rule = stopping_rule(facts);
    if (rule != nullptr && stopped_by_rule(facts)) {
        const bool sure = rule->conditions.empty() || outside == OutsideView::closed;
        return verdict(code, sure ? Confidence::certain : Confidence::likely,
                       "This host's own firewall keeps the world away from port 25.");
    }
    const std::string where = behind_nat(facts)             ? "the router in front of this host"
                              : facts.host.cloud != nullptr ? facts.host.cloud->name + "'s firewall"
                                                            : "a filter on the way to this host";
    if (!facts.rules_readable) {
        // That it is closed is certain; the rules that were not read may be what closes it.
        return verdict(code, Confidence::likely,
                       fmt::format("A mail server listens here, but port 25 cannot be reached from "
                                   "outside: {}, or this host's own firewall, which only root can "
                                   "read, keeps it closed.",
                                   where));
    }
    return verdict(code, Confidence::certain,
                   fmt::format("A mail server listens here, but port 25 cannot be reached from "
                               "outside: most likely {} keeps it closed.",
                               where));
}

Verdict unproven_verdict(const InboundFacts& facts, OutsideView outside) {
    const std::string why = outside == OutsideView::no_answer
                                ? "the vantage gave no answer"
                                : "only a connection from outside can prove it";
    std::string text =
        fmt::format("Nothing found here keeps mail for {} away, but {}.", domain_text(facts), why);
    if (behind_nat(facts)) {
        text = fmt::format(
            "A mail server listens here behind a NAT; whether port 25 is forwarded "
            "to it is not proven, as {}.",
            why);
    }
    return verdict(VerdictCode::inconclusive, Confidence::unclear, std::move(text));
}

// What the vantage read on port 25 where it is open: a greeting before anything else.
std::string outside_banner(const InboundFacts& facts) {
    std::string banner;
    for (const VantageView& view : facts.vantage) {
        const VantagePort* port = view.problem.empty() ? view.port(25) : nullptr;
        const bool open = port != nullptr && port->result == "open";
        if (!open || !mail_comes_over(facts, view.family)) continue;
        if (banner.empty() || port->banner.starts_with('2')) banner = port->banner;
    }
    return banner;
}

bool greeted_outside(const InboundFacts& facts) { return outside_banner(facts).starts_with('2'); }

// Mail is taken there, and not by this host.
Verdict led_elsewhere(const InboundFacts& facts) {
    return verdict(VerdictCode::inconclusive, Confidence::likely,
                   fmt::format("Port 25 of this host's address is reached from outside, but {} "
                               "greets there and not this host's own mail server, {}: a router or "
                               "a proxy on the way leads the connections elsewhere.",
                               stranger_outside(facts), name_in_greeting(facts.greeting->banner)));
}

// It takes the connection, and no mail.
Verdict unwelcoming_verdict(const InboundFacts& facts) {
    const std::string banner = outside_banner(facts);
    if (waits_for_proxy(facts)) {
        return verdict(
            VerdictCode::inconclusive, Confidence::likely,
            "Port 25 of this host is reached from outside, but its mail server waits there for the "
            "header of a load balancer (PROXY protocol), which mail servers do not send.");
    }
    return verdict(VerdictCode::inconclusive, Confidence::unclear,
                   banner.empty()
                       ? "Port 25 of this host is reached from outside, but nothing greets there."
                       : fmt::format("Port 25 of this host is reached from outside, but what "
                                     "answers there takes no mail: \"{}\".",
                                     banner));
}

Verdict judge_inbound(const InboundFacts& facts) {
    const MxDirection direction = mx_direction(facts);
    const OutsideView outside = outside_view(facts);
    const Listening who = listening(facts);
    if (direction == MxDirection::nowhere || direction == MxDirection::elsewhere) {
        return mx_verdict(facts, direction);
    }
    if (outside == OutsideView::open && !greeted_outside(facts)) return unwelcoming_verdict(facts);
    if (outside == OutsideView::open && !stranger_outside(facts).empty()) {
        return led_elsewhere(facts);
    }
    if (outside == OutsideView::open) {
        return verdict(VerdictCode::ok_direct, Confidence::certain,
                       fmt::format("Port 25 of this host is reached from outside{}.",
                                   direction == MxDirection::here
                                       ? fmt::format(", and mail for {} comes here", facts.domain)
                                       : ""));
    }
    const auto redirects = [](const std::optional<RuleMatch>& rule) {
        return rule && rule->verdict == RuleVerdict::redirect;
    };
    const bool forwarded = redirects(facts.stops4) || redirects(facts.stops6);
    if (who == Listening::nobody && !forwarded) {
        return verdict(VerdictCode::inbound_not_listening, Confidence::certain,
                       "Nothing on this host listens on port 25, so it cannot receive mail.");
    }
    if (who == Listening::loopback_only && !forwarded) {
        return verdict(VerdictCode::inbound_loopback_only, Confidence::certain,
                       "The mail server listens on port 25 of loopback only: the world cannot "
                       "reach it.");
    }
    if (outside == OutsideView::closed || stopped_by_rule(facts)) {
        return firewalled_verdict(facts, outside);
    }
    return unproven_verdict(facts, outside);
}

void name_cause(const InboundFacts& facts, Report& report) {
    Cause& cause = report.cause;
    switch (report.verdict.code) {
        case VerdictCode::inbound_mx_elsewhere:
        case VerdictCode::inbound_not_listening:
        case VerdictCode::inbound_loopback_only:
            cause.kind = facts.host.container.empty() ? CauseKind::config : CauseKind::container;
            cause.name = facts.host.container;
            if (report.verdict.code == VerdictCode::inbound_mx_elsewhere) {
                cause.kind = CauseKind::config;
                cause.name = "DNS of " + facts.domain;
            } else if (!facts.listeners.empty()) {
                cause.name = facts.listeners.front().process;
            }
            return;
        case VerdictCode::inbound_firewalled:
            break;
        case VerdictCode::inconclusive:
            if (outside_view(facts) != OutsideView::open) return;
            cause.kind = CauseKind::config;
            cause.name = "the mail server on port 25";
            if (greeted_outside(facts) && !stranger_outside(facts).empty()) {
                cause.kind = CauseKind::gateway;
                cause.name = "a router or proxy that leads port 25 elsewhere";
            }
            return;
        default:
            return;
    }
    if (const RuleMatch* rule = stopping_rule(facts); rule != nullptr && stopped_by_rule(facts)) {
        cause.kind = CauseKind::local_firewall;
        cause.name = rule_text(*rule);
        cause.hop = 0;
    } else if (behind_nat(facts) && facts.host.cloud == nullptr) {
        cause.kind = CauseKind::gateway;
        cause.name = "the router that translates addresses";
        cause.policy = "It passes connections in only on ports that are forwarded.";
    } else if (facts.host.cloud != nullptr) {
        cause.kind = CauseKind::cloud;
        cause.name = facts.host.cloud->name;
        cause.policy = "Its security groups or firewall rules let in only what they name.";
    } else if (facts.host.isp != nullptr || facts.host.residential) {
        cause.kind = CauseKind::isp;
        cause.name = facts.host.isp != nullptr ? facts.host.isp->name : "";
        cause.policy = "Many access providers close port 25 into their customers' networks.";
    }
}

void add_findings(const InboundFacts& facts, Report& report) {
    const auto add = [&](VerdictCode code, std::string summary) {
        if (code == report.verdict.code) return;
        report.findings.push_back({std::string{verdict_name(code)}, std::move(summary)});
    };
    if (listening(facts) == Listening::nobody && outside_view(facts) != OutsideView::open) {
        add(VerdictCode::inbound_not_listening, "Nothing here listens on port 25.");
    }
    if (listening(facts) == Listening::loopback_only) {
        add(VerdictCode::inbound_loopback_only, "Port 25 listens on loopback only.");
    }
    for (const MailExchanger& exchanger : facts.exchangers) {
        if (facts.implicit_mx || exchanger.alias_of.empty()) continue;
        add(VerdictCode::recipient_mx,
            fmt::format("The MX {} is an alias (CNAME) of {}; it must be a host's own name "
                        "(RFC 2181 section 10.3).",
                        exchanger.host, exchanger.alias_of));
    }
    for (const auto& rule : {facts.stops4, facts.stops6}) {
        if (!rule || rule->verdict == RuleVerdict::redirect) continue;
        if (report.verdict.code == VerdictCode::inbound_firewalled) continue;
        add(VerdictCode::inbound_firewalled, rule_text(*rule));
        break;
    }
    // The two families can differ, and senders try IPv6 first.
    if (outside_view(facts) != OutsideView::open) return;
    for (const VantageView& view : facts.vantage) {
        if (!mail_comes_over(facts, view.family)) continue;
        const VantagePort* port = view.port(25);
        if (port == nullptr || port->result == "open") continue;
        add(VerdictCode::inbound_firewalled,
            fmt::format("Over {} port 25 is {} for the world; senders that try it first lose time.",
                        view.family == net::Family::ipv6 ? "IPv6" : "IPv4", port->result));
    }
}

}  // namespace

std::string stranger_outside(const InboundFacts& facts) {
    for (const VantageView& view : facts.vantage) {
        const VantagePort* port = view.problem.empty() ? view.port(25) : nullptr;
        const bool open = port != nullptr && port->result == "open";
        if (!open || !mail_comes_over(facts, view.family) || !facts.greeting) continue;
        if (other_server(facts.greeting->banner, port->banner)) {
            return std::string{name_in_greeting(port->banner)};
        }
    }
    return {};
}

bool waits_for_proxy(const InboundFacts& facts) {
    return facts.greeting && facts.greeting->after_proxy;
}

bool mail_comes_over(const InboundFacts& facts, net::Family family) {
    bool any = false;
    for (const MailExchanger& exchanger : facts.exchangers) {
        for (const std::string& address : exchanger.addresses) {
            any = true;
            const bool v6 = address.find(':') != std::string::npos;
            if (v6 == (family == net::Family::ipv6)) return true;
        }
    }
    return !any;  // where nothing is known, both may
}

// In use all the same, behind something that translates: none of these is routed by the world.
bool inside_only(AddressScope scope) {
    return scope == AddressScope::private_use || scope == AddressScope::shared ||
           scope == AddressScope::documentation || scope == AddressScope::benchmarking ||
           scope == AddressScope::reserved;
}

std::vector<std::string> public_addresses(const InboundFacts& facts) {
    std::vector<std::string> addresses;
    for (const std::string& address : facts.host.public_addresses) add_once(addresses, address);
    for (const VantageView& view : facts.vantage) {
        if (scope_of(view.address) == AddressScope::global) add_once(addresses, view.address);
    }
    for (const HostAddress& item : facts.addresses) {
        if (scope_of(item.address) == AddressScope::global) add_once(addresses, item.address);
    }
    return addresses;
}

bool behind_translator(const std::string& address) {
    static const net::Cidr own_side = net::Cidr::parse("192.0.0.0/29").value();
    return own_side.contains(address);
}

bool behind_nat(const InboundFacts& facts) {
    if (!mail_comes_over(facts, net::Family::ipv4)) return false;
    bool inner = false;
    for (const HostAddress& item : facts.addresses) {
        const bool v6 = item.address.find(':') != std::string::npos;
        if (v6 || behind_translator(item.address)) continue;
        const AddressScope scope = scope_of(item.address);
        if (scope == AddressScope::global) return false;
        inner = inner || inside_only(scope);
    }
    // A cloud that maps a public address one to one filters by its security groups alone.
    return inner;
}

Listening listening(const InboundFacts& facts) {
    if (facts.listeners.empty()) return Listening::nobody;
    const auto reachable = [](const TcpListener& listener) {
        return scope_of(listener.address) != AddressScope::loopback;
    };
    const bool any = std::any_of(facts.listeners.begin(), facts.listeners.end(), reachable);
    return any ? Listening::outside : Listening::loopback_only;
}

OutsideView outside_view(const InboundFacts& facts) {
    if (!facts.vantage_asked) return OutsideView::not_asked;
    OutsideView result = OutsideView::no_answer;
    for (const VantageView& view : facts.vantage) {
        if (!mail_comes_over(facts, view.family)) continue;
        const VantagePort* port = view.problem.empty() ? view.port(25) : nullptr;
        if (port == nullptr) continue;
        if (port->result == "open") return OutsideView::open;
        result = OutsideView::closed;
    }
    return result;
}

MxDirection mx_direction(const InboundFacts& facts) {
    using net::DnsStatus;
    if (facts.domain.empty()) return MxDirection::unknown;
    if (facts.null_mx) return MxDirection::nowhere;
    if (facts.mx_status == DnsStatus::no_such_name || facts.mx_status == DnsStatus::no_data) {
        return MxDirection::nowhere;
    }
    if (facts.mx_status != DnsStatus::ok) return MxDirection::unknown;
    std::vector<std::string> ours = public_addresses(facts);
    for (const HostAddress& item : facts.addresses) add_once(ours, item.address);
    bool any = false, unsure = false;
    for (const MailExchanger& exchanger : facts.exchangers) {
        for (const std::string& address : exchanger.addresses) {
            any = true;
            if (contains(ours, address)) return MxDirection::here;
        }
        const bool told = exchanger.status == DnsStatus::ok ||
                          exchanger.status == DnsStatus::no_such_name ||
                          exchanger.status == DnsStatus::no_data;
        unsure = unsure || !told;
    }
    if (!any) return unsure ? MxDirection::unknown : MxDirection::nowhere;
    // Behind a NAT whose outer address nobody told, the MX may well be that one.
    return public_addresses(facts).empty() ? MxDirection::unknown : MxDirection::elsewhere;
}

Report report_inbound(const InboundFacts& facts) {
    Report report;
    report.verdict = judge_inbound(facts);
    report.good = report.verdict.code == VerdictCode::ok_direct;
    report.mail_leaves = report.good;  // of the thing asked about, as with --to
    report.checks = inbound_checks(facts);
    name_cause(facts, report);
    add_findings(facts, report);
    report.fixes = inbound_fixes(facts, report.verdict.code);
    const bool by_names = report.verdict.code == VerdictCode::inbound_mx_elsewhere ||
                          report.verdict.code == VerdictCode::inconclusive;
    if (by_names && !facts.domain.empty() && facts.exchangers.empty() && !facts.null_mx &&
        blame_name_servers(facts.names, facts.domain, report)) {
        report.verdict.inbound = true;
    }
    report.host.hostname = facts.hostname;
    report.host.platform =
        facts.host.cloud != nullptr ? facts.host.cloud->name : facts.host.container;
    report.host.public_addresses = public_addresses(facts);
    return report;
}

}  // namespace diagnose
