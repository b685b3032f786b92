#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/inbound/facts.hpp"
#include "diagnose/own_server.hpp"
#include "net/address_scope.hpp"

namespace diagnose {
namespace {

using net::AddressScope;
using net::scope_of;

Check make(std::string id, std::string title) {
    Check check;
    check.id = std::move(id);
    check.title = std::move(title);
    return check;
}

net::Family family_of(const std::string& address) {
    return address.find(':') == std::string::npos ? net::Family::ipv4 : net::Family::ipv6;
}

std::string owner_text(const TcpListener& listener) {
    if (listener.pid == 0) {
        return listener.user == 0 ? std::string{"A process of root"}
                                  : fmt::format("A process of user {}", listener.user);
    }
    return fmt::format("{} (pid {})", listener.process, listener.pid);
}

Check listening_check(const InboundFacts& facts) {
    Check check = make("listening", "What listens on port 25 here");
    std::vector<std::string> where;
    for (const TcpListener& listener : facts.listeners) {
        Evidence row;
        row.target = owner_text(listener);
        row.address = listener.address;
        row.port = listener.port;
        row.family = listener.v6 ? net::Family::ipv6 : net::Family::ipv4;
        row.result = "listening";
        check.evidence.push_back(std::move(row));
        where.push_back(listener.address);
    }
    const std::string list = base::join(where, ", ");
    switch (listening(facts)) {
        case Listening::nobody:
            check.status = CheckStatus::fail;
            check.summary = "Nothing listens on port 25 in this network namespace.";
            break;
        case Listening::loopback_only:
            check.status = CheckStatus::fail;
            check.summary = fmt::format("{} listens on {} only, which no other host reaches.",
                                        owner_text(facts.listeners.front()), list);
            break;
        case Listening::outside:
            check.status = CheckStatus::ok;
            check.summary =
                fmt::format("{} listens on {}.", owner_text(facts.listeners.front()), list);
            break;
    }
    return check;
}

Check greeting_check(const InboundFacts& facts) {
    Check check = make("greeting", "The greeting of this host's own port 25");
    if (!facts.greeting) {
        check.summary = "Nothing listens there to be greeted by.";
        return check;
    }
    const OwnGreeting& greeting = *facts.greeting;
    Evidence row;
    row.target = facts.hostname;
    row.address = greeting.address;
    row.port = 25;
    row.family = family_of(greeting.address);
    row.result = greeting.open ? "open" : "closed";
    row.banner = greeting.banner;
    check.evidence.push_back(std::move(row));
    check.status = greeting.banner.starts_with("220") ? CheckStatus::ok : CheckStatus::warn;
    if (greeting.after_proxy) {
        check.status = CheckStatus::warn;
        check.summary = fmt::format(
            "It greets only behind a header of the PROXY protocol, which a load balancer in front "
            "of it sends: \"{}\". Whoever connects without one from where it expects its proxy "
            "hears nothing.",
            greeting.banner);
    } else if (!greeting.open) {
        check.summary = "It does not take a connection from this host itself.";
    } else if (greeting.banner.empty()) {
        check.summary = "It takes the connection and says nothing.";
    } else {
        check.summary = greeting.banner;
    }
    return check;
}

void add_exchangers(const InboundFacts& facts, Check& check) {
    const std::vector<std::string> ours = public_addresses(facts);
    const auto is_ours = [&](const std::string& address) {
        const auto local = [&](const HostAddress& item) { return item.address == address; };
        return std::find(ours.begin(), ours.end(), address) != ours.end() ||
               std::any_of(facts.addresses.begin(), facts.addresses.end(), local);
    };
    for (const MailExchanger& exchanger : facts.exchangers) {
        Evidence row;
        row.target = exchanger.host;
        row.detail = facts.implicit_mx ? "no MX record, so the domain's own address counts"
                                       : fmt::format("preference {}", exchanger.preference);
        if (!exchanger.alias_of.empty()) row.detail += ", alias of " + exchanger.alias_of;
        if (exchanger.addresses.empty()) {
            row.result = "no-address";
            row.detail += ": " + exchanger.problem;
            check.evidence.push_back(row);
        }
        for (const std::string& address : exchanger.addresses) {
            row.address = address;
            row.family = family_of(address);
            row.result = is_ours(address) ? "this host" : "another host";
            check.evidence.push_back(row);
        }
    }
}

// A literal in place of a name, or a name for loopback or a private network.
std::string record_fault(const InboundFacts& facts) {
    for (const MailExchanger& exchanger : facts.exchangers) {
        if (scope_of(exchanger.host) != AddressScope::none) {
            return fmt::format(
                "The MX record holds the address {} where a host name must stand "
                "(RFC 5321 section 5.1).",
                exchanger.host);
        }
        for (const std::string& address : exchanger.addresses) {
            // What this network's DNS64 makes of an IPv4 address, nobody else is given.
            if (scope_of(address) == AddressScope::global || net::is_local_nat64(address)) continue;
            return fmt::format("{} has the address {}, which the world cannot reach.",
                               exchanger.host, address);
        }
    }
    return {};
}

// The domain itself may well be an alias; a name that an MX record holds may not.
std::string alias_fault(const InboundFacts& facts) {
    for (const MailExchanger& exchanger : facts.exchangers) {
        if (facts.implicit_mx || exchanger.alias_of.empty()) continue;
        return fmt::format(
            "The MX record names {}, an alias (CNAME) of {}, which RFC 2181 section 10.3 "
            "forbids: some servers do not deliver to it. Name {} in the MX record.",
            exchanger.host, exchanger.alias_of, exchanger.alias_of);
    }
    return {};
}

Check mx_check(const InboundFacts& facts) {
    Check check = make("mx", facts.domain.empty() ? "Where mail for the domain goes"
                                                  : "Where mail for " + facts.domain + " goes");
    add_exchangers(facts, check);
    if (facts.domain.empty()) {
        check.summary = fmt::format(
            "\"{}\" has no domain; name one: relay diagnose --inbound example.com", facts.hostname);
        return check;
    }
    const std::string alias = alias_fault(facts);
    std::string fault = record_fault(facts);
    if (fault.empty() && mx_direction(facts) == MxDirection::here) fault = alias;
    switch (mx_direction(facts)) {
        case MxDirection::here:
            check.status = fault.empty() ? CheckStatus::ok : CheckStatus::warn;
            check.summary = fault.empty() ? "Its MX is this host." : fault;
            if (facts.implicit_mx && fault.empty()) {
                check.status = CheckStatus::warn;
                check.summary =
                    "It has no MX record; mail goes to the domain's own address, which "
                    "is this host. An MX record makes that explicit.";
            }
            break;
        case MxDirection::elsewhere:
            check.status = CheckStatus::fail;
            check.summary = fault.empty() ? "None of its mail exchangers has an address of this "
                                            "host."
                                          : fault;
            break;
        case MxDirection::nowhere:
            check.status = CheckStatus::fail;
            check.summary = facts.null_mx ? "A null MX (RFC 7505): the domain takes no mail."
                            : facts.exchangers.empty()
                                ? (facts.mx_problem.empty() ? "There is neither MX nor address."
                                                            : facts.mx_problem)
                                : "None of its mail exchangers has an address.";
            break;
        case MxDirection::unknown:
            if (facts.mx_status == net::DnsStatus::ok) {
                check.status = CheckStatus::warn;
                check.summary =
                    "Whether its mail exchanger is this host is not known: this host's "
                    "public address is not known.";
            } else {
                check.summary = facts.mx_problem;
            }
            break;
    }
    if (check.summary.find(alias) == std::string::npos) check.summary += " " + alias;
    return check;
}

Check address_check(const InboundFacts& facts) {
    Check check = make("addresses", "Addresses of this host, and whether it is behind a NAT");
    for (const HostAddress& item : facts.addresses) {
        Evidence row;
        row.target = item.interface;
        row.address = item.address;
        row.family = family_of(item.address);
        const AddressScope scope = scope_of(item.address);
        row.result = scope == AddressScope::global   ? std::string_view{"public"}
                     : scope == AddressScope::shared ? std::string_view{"carrier NAT"}
                                                     : net::scope_name(scope);
        check.evidence.push_back(std::move(row));
    }
    const std::string known = base::join(facts.host.public_addresses, ", ");
    const std::string outer = known.empty() ? "" : fmt::format("; the public address is {}", known);
    const auto shared = [](const HostAddress& item) {
        return scope_of(item.address) == AddressScope::shared;
    };
    const bool any_public = std::any_of(
        facts.addresses.begin(), facts.addresses.end(),
        [](const HostAddress& item) { return scope_of(item.address) == AddressScope::global; });
    check.status = behind_nat(facts) || !any_public ? CheckStatus::warn : CheckStatus::ok;
    if (facts.addresses.empty()) {
        check.status = CheckStatus::fail;
        check.summary = "This host has no address but loopback.";
    } else if (std::any_of(facts.addresses.begin(), facts.addresses.end(), shared) &&
               behind_nat(facts)) {
        check.summary =
            "This host has a carrier's shared address (100.64.0.0/10): the world cannot "
            "connect to it over IPv4" +
            outer + ".";
    } else if (behind_nat(facts)) {
        check.summary =
            "This host has private IPv4 addresses only: a router must forward port 25 "
            "to it" +
            outer + ".";
    } else if (!any_public) {
        check.summary =
            "None of this host's addresses belongs to the public Internet" + outer + ".";
    } else {
        check.summary = "This host has a public address of its own.";
    }
    return check;
}

void add_rule(const RuleMatch& rule, net::Family family, std::string_view result, Check& check) {
    Evidence row;
    row.target = fmt::format("{} {}", rule.tool, rule.table);
    row.port = 25;
    row.family = family;
    row.result = result;
    row.detail = rule_text(rule);
    if (rule.packets) row.detail += fmt::format("; {} packets so far", *rule.packets);
    check.evidence.push_back(std::move(row));
}

std::string_view verdict_word(RuleVerdict verdict) {
    switch (verdict) {
        case RuleVerdict::drop:
            return "drop";
        case RuleVerdict::reject:
            return "reject";
        case RuleVerdict::redirect:
            return "redirect";
        case RuleVerdict::queue:
            return "queue";
    }
    return "drop";
}

Check firewall_check(const InboundFacts& facts) {
    Check check = make("firewall", "This host's own firewall, incoming port 25");
    if (!facts.rules_readable) {
        check.summary = facts.rules_note;
        return check;
    }
    const RuleMatch* stops = nullptr;
    const RuleMatch* redirects = nullptr;
    for (const bool v6 : {true, false}) {
        const auto& rule = v6 ? facts.stops6 : facts.stops4;
        if (!rule) continue;
        add_rule(*rule, v6 ? net::Family::ipv6 : net::Family::ipv4, verdict_word(rule->verdict),
                 check);
        (rule->verdict == RuleVerdict::redirect ? redirects : stops) = &*rule;
    }
    for (const RuleMatch& rule : facts.possible_rules) {
        add_rule(rule, net::Family::any, "perhaps", check);
    }
    if (stops != nullptr) {
        check.status = CheckStatus::fail;
        check.summary = "It stops the world: " + rule_text(*stops);
    } else if (!facts.possible_rules.empty()) {
        check.status = CheckStatus::warn;
        check.summary = "It stops some of the world: " + rule_text(facts.possible_rules.front());
    } else if (redirects != nullptr) {
        check.status = CheckStatus::ok;
        check.summary = "It passes port 25 on: " + rule_text(*redirects);
    } else {
        check.status = CheckStatus::ok;
        check.summary = "No rule of it stops port 25 (" + facts.rules_note + ").";
    }
    return check;
}

void add_view(const VantageView& view, Check& check) {
    Evidence row;
    row.target = "vantage";
    row.family = view.family;
    row.port = 25;
    if (!view.problem.empty()) {
        row.result = "not asked";
        row.detail = view.problem;
        check.evidence.push_back(std::move(row));
    }
    for (const VantagePort& port : view.ports) {
        row.address = view.address;
        row.port = port.port;
        row.result = port.result;
        row.banner = port.banner;
        row.error_number = port.error_number;
        row.took = port.took;
        check.evidence.push_back(row);
    }
}

std::string outside_summary(const InboundFacts& facts, Check& check) {
    std::string summary;
    for (const VantageView& view : facts.vantage) {
        const VantagePort* port = view.problem.empty() ? view.port(25) : nullptr;
        if (port == nullptr) continue;
        if (!summary.empty()) summary += " ";
        summary += fmt::format("Port 25 of {} is {} from outside.", view.address, port->result);
        if (port->result != "open") continue;
        if (scope_of(view.address) != AddressScope::global) {
            summary += " But the vantage is no outside: it sees an address that is not public.";
            check.status = CheckStatus::warn;
        }
        if (port->banner.empty()) {
            summary += " It says nothing there.";
            check.status = CheckStatus::warn;
        } else if (facts.greeting && other_server(facts.greeting->banner, port->banner)) {
            summary += fmt::format(" There another server answers (\"{}\").", port->banner);
            check.status = CheckStatus::warn;
        }
    }
    return summary;
}

Check outside_check(const InboundFacts& facts) {
    Check check = make("outside", "Port 25 of this host, seen from outside");
    for (const VantageView& view : facts.vantage) add_view(view, check);
    switch (outside_view(facts)) {
        case OutsideView::not_asked:
            check.summary = "Not tested: nobody outside was asked (--vantage URL).";
            break;
        case OutsideView::no_answer:
            check.summary = facts.vantage.empty() ? "The vantage gave no answer in time."
                                                  : "No answer: " + facts.vantage.front().problem;
            break;
        case OutsideView::open:
            check.status = CheckStatus::ok;
            check.summary = outside_summary(facts, check);
            break;
        case OutsideView::closed:
            check.status = CheckStatus::fail;
            check.summary = outside_summary(facts, check);
            break;
    }
    return check;
}

}  // namespace

std::vector<Check> inbound_checks(const InboundFacts& facts) {
    return {listening_check(facts), greeting_check(facts), mx_check(facts),
            address_check(facts),   firewall_check(facts), outside_check(facts)};
}

}  // namespace diagnose
