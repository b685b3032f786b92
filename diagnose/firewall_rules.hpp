#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "diagnose/firewall_model.hpp"
#include "net/resolver.hpp"

// Which rule of this host's packet filter stops a port. Pure: the listings come from
// firewall_listing.hpp.
namespace diagnose {

// What the tools printed; "" when a tool is not there or has nothing.
struct FirewallListing {
    std::string nft_json;        // nft -j list ruleset
    std::string nft_text;        // nft -a list ruleset: the words to quote, found by handle
    std::string iptables_save;   // iptables-save -c
    std::string ip6tables_save;  // ip6tables-save -c
};

// An error when a listing is not what the tool is known to print.
[[nodiscard]] base::Result<FirewallRules> parse_firewall(const FirewallListing& listing);

// "A first packet to this port": out of this host to a remote one, or into it.
struct RuleQuestion {
    bool inbound = false;
    std::uint16_t port = 25;
    std::string transport = "tcp";           // or "udp"
    net::Family family = net::Family::ipv4;  // ipv4 or ipv6
    std::string remote;                      // an address; "": any public one
    std::string local;                       // an address of ours, ""
    std::string interface;                   // that leads to the outside, "" when not known
    std::optional<std::uint32_t> user;       // whose connection; none: any user's
};

enum class RuleVerdict : std::uint8_t { drop, reject, redirect, queue };

struct RuleMatch {
    RuleVerdict verdict = RuleVerdict::drop;
    std::string tool;                  // "nftables", "iptables", "ip6tables"
    std::string family, table, chain;  // "inet", "filter", "output"
    std::string hook, base_chain;      // where the packet entered: "output", "OUTPUT"
    std::string rule;                  // as the tool lists it; "policy drop" when none matched
    std::string with;                  // "tcp reset", "icmp port-unreachable", "to :2525"
    std::optional<std::uint64_t> packets;
    // In words, what else must hold: "only if meta skuid 1000", "unless limit rate 5/minute".
    std::vector<std::string> conditions;
    std::string remove;         // the command that takes the rule away, "" for a policy
    bool names_port = false;    // it, or the way to it, asks for this very port
    bool spares_asker = false;  // among the possible ones: it stops other users only
    std::string manager;  // "ufw", "firewalld", "docker" or "": the program that wrote the rules
};

struct RuleAnswer {
    // The rule at which the packet surely ends (its conditions may name who is spared).
    std::optional<RuleMatch> stops;
    // Rules about this port, user, program or interface that stop some such packets, perhaps ours.
    std::vector<RuleMatch> possible;
};

[[nodiscard]] RuleAnswer find_rule(const FirewallRules& rules, const RuleQuestion& question);

struct UserMatch {
    std::uint32_t user = 0;
    RuleMatch rule;
};

// The rule that surely stops another user than the question's: the first of `users`, and then of
// those that the rules name, for whom there is one.
[[nodiscard]] std::optional<UserMatch> find_rule_for_others(
    const FirewallRules& rules, const RuleQuestion& question,
    const std::vector<std::uint32_t>& users);

// "nftables rule in table inet filter, chain output: tcp dport 25 drop"
[[nodiscard]] std::string rule_text(const RuleMatch& match);

// Shell commands that let the port through, for this rule and the program that manages it.
[[nodiscard]] std::vector<std::string> commands_to_allow(const RuleMatch& match,
                                                         const RuleQuestion& question);

}  // namespace diagnose
