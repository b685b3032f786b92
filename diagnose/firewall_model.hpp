#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// The packet filter of this host as values: what the readers of nftables and iptables listings
// make, and what find_rule() walks. Only what matters to a connection's first packet is kept.
namespace diagnose {

// What is known of a condition before it is met: maybe when it hangs on what nobody asked about.
enum class Truth : std::uint8_t { no, maybe, yes };

[[nodiscard]] inline Truth negate(Truth truth) {
    if (truth == Truth::maybe) return truth;
    return truth == Truth::yes ? Truth::no : Truth::yes;
}

struct Interval {
    std::uint64_t low = 0, high = 0;
};

// Both ends included; IPv4 as the last four octets of ::ffff:a.b.c.d.
struct AddressInterval {
    std::array<std::uint8_t, 16> low{}, high{};
};

// "192.0.2.0/24", "2001:db8::1", "192.0.2.1-192.0.2.9"; none for what is no address.
[[nodiscard]] std::optional<AddressInterval> parse_address_interval(const std::string& text);

// One thing a rule asks of a packet. All conditions of a rule must hold.
struct Condition {
    enum class About : std::uint8_t {
        fixed,  // does not hang on the question: `truth`
        destination_port,
        source_port,
        ip_version,  // 4 or 6
        transport,   // "tcp" or "6", "udp" or "17", among `names`
        interface_in,
        interface_out,
        source,
        destination,
        user,
        local_destination,  // one of this host's own addresses
        mark,               // 0 until a rule sets one
        program,            // a control group or group of users: nobody can say for whom
        alternatives        // any row, of which all conditions must hold
    };
    About about = About::fixed;
    bool negated = false;
    Truth truth = Truth::maybe;
    std::vector<Interval> numbers;           // ports, versions, users, marks
    std::uint64_t mask = ~std::uint64_t{0};  // of a mark
    std::vector<AddressInterval> addresses;
    std::vector<std::string> names;  // interfaces; a final '*' stands for any rest
    std::string header;  // of the transport it reads: a packet of another one lacks it; "": any
    std::vector<std::vector<Condition>> rows;
    std::string text;  // "meta skuid 1000", "-s 192.0.2.0/24"
};

enum class RuleAction : std::uint8_t {
    none,  // counts, logs
    accept,
    drop,
    reject,
    redirect,  // dnat, redirect, tproxy: goes elsewhere
    queue,     // a program decides
    jump,
    go_to,  // a jump that does not come back here
    leave,  // "return"
    set_mark
};

struct FirewallRule {
    std::vector<Condition> conditions;
    RuleAction action = RuleAction::none;
    std::string target;  // of a jump; "tcp reset" of a reject; "to :2525" of a redirect
    std::string text;    // as the tool lists it
    std::string remove;  // a command that takes it away, "" when not known
    std::optional<std::uint64_t> packets;
};

// In the order in which a packet meets them.
enum class FirewallHook : std::uint8_t {
    none,
    ingress,
    prerouting,
    input,
    output,
    postrouting,
    egress
};

[[nodiscard]] std::string_view hook_name(FirewallHook hook);

struct FirewallChain {
    std::string name;
    FirewallHook hook = FirewallHook::none;  // none: only jumped to, or of no interest here
    int priority = 0;
    bool drops_by_default = false;
    std::string device;                    // of an ingress or egress chain
    std::optional<std::uint64_t> packets;  // that met the default
    std::vector<FirewallRule> rules;
};

struct FirewallTable {
    std::string tool;    // "nftables", "iptables", "ip6tables"
    std::string family;  // "ip", "ip6", "inet", "netdev"
    std::string name;
    bool opaque = false;  // some rule's matches are iptables extensions that nft cannot show
    std::map<std::string, FirewallChain> chains;
};

struct FirewallRules {
    std::vector<FirewallTable> tables;
};

}  // namespace diagnose
