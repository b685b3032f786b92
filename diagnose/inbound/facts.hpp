#pragma once

#include <optional>
#include <string>
#include <vector>

#include "diagnose/firewall_rules.hpp"
#include "diagnose/host.hpp"
#include "diagnose/inbound/listeners.hpp"
#include "diagnose/inbound/vantage_client.hpp"
#include "diagnose/name_trust.hpp"
#include "diagnose/report.hpp"
#include "net/address_scope.hpp"
#include "net/resolver.hpp"

// What is known about receiving mail, and what follows from it. Pure.
namespace diagnose {

struct MailExchanger {
    std::uint16_t preference = 0;
    std::string host;
    std::string alias_of;  // a CNAME's target, which an MX must not be (RFC 2181 section 10.3)
    std::vector<std::string> addresses;
    net::DnsStatus status = net::DnsStatus::ok;
    std::string problem;  // why there are none
};

// What the greeting on this host's own port 25 is, from inside.
struct OwnGreeting {
    std::string address;  // connected to
    bool open = false;
    std::string banner;        // "" when it stayed silent
    bool after_proxy = false;  // and it came only behind a header of the PROXY protocol
};

struct InboundFacts {
    std::string domain;  // "": none to ask about
    std::string hostname;
    HostIdentity host;
    std::vector<TcpListener> listeners;  // on port 25
    std::vector<HostAddress> addresses;
    std::optional<OwnGreeting> greeting;  // none: nothing to connect to
    net::DnsStatus mx_status = net::DnsStatus::ok;
    std::string mx_problem;
    NameTrust names = NameTrust::unknown;   // of this host's name servers
    std::vector<MailExchanger> exchangers;  // by preference; with implicit_mx the domain itself
    bool null_mx = false, implicit_mx = false;
    bool rules_readable = false;
    std::string rules_note;                   // why not, or what was listed
    std::optional<RuleMatch> stops4, stops6;  // INPUT rules against TCP 25
    std::vector<RuleMatch> possible_rules;    // that stop some of it
    std::vector<VantageView> vantage;         // empty: none was asked
    bool vantage_asked = false;
};

// Where the domain's mail goes, seen from here.
enum class MxDirection : std::uint8_t { here, elsewhere, nowhere, unknown };

[[nodiscard]] MxDirection mx_direction(const InboundFacts& facts);

// Public addresses of this host: its own global ones, and those told by others.
[[nodiscard]] std::vector<std::string> public_addresses(const InboundFacts& facts);
// An address of this scope can be this host's own, and the world cannot reach it.
[[nodiscard]] bool inside_only(net::AddressScope scope);
// An address of ours that the world cannot reach is all there is in this family.
[[nodiscard]] bool behind_nat(const InboundFacts& facts);

// The translator's side of an address that this host has for itself (464XLAT, 192.0.0.0/29 of
// RFC 7335): nobody forwards anything to it.
[[nodiscard]] bool behind_translator(const std::string& address);

// The name of another server that greets on port 25 of this host's address, as the vantage saw;
// "" where it is this host's own, or one of them tells no name.
[[nodiscard]] std::string stranger_outside(const InboundFacts& facts);

// The server on port 25 greets only behind a header of the PROXY protocol.
[[nodiscard]] bool waits_for_proxy(const InboundFacts& facts);

enum class Listening : std::uint8_t { nobody, loopback_only, outside };
[[nodiscard]] Listening listening(const InboundFacts& facts);

// Whether the domain's mail exchangers have addresses of the family: how open port 25 is over
// another one helps no sender.
[[nodiscard]] bool mail_comes_over(const InboundFacts& facts, net::Family family);

// What the vantage says of port 25, over the families that mail comes over.
enum class OutsideView : std::uint8_t { not_asked, no_answer, open, closed };
[[nodiscard]] OutsideView outside_view(const InboundFacts& facts);

// Checks, verdict, cause and fixes; without times.
[[nodiscard]] Report report_inbound(const InboundFacts& facts);

// The parts of it, a file each.
[[nodiscard]] std::vector<Check> inbound_checks(const InboundFacts& facts);
[[nodiscard]] std::vector<Fix> inbound_fixes(const InboundFacts& facts, VerdictCode code);
// Commands for another host that prove the way from outside.
[[nodiscard]] std::vector<std::string> outside_commands(const InboundFacts& facts);

}  // namespace diagnose
