#include "diagnose/firewall_match.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "net/address_scope.hpp"

namespace diagnose {
namespace {

namespace ip = boost::asio::ip;
using About = Condition::About;
using Octets = std::array<std::uint8_t, 16>;

std::optional<Octets> octets_of(std::string_view text, bool& v6) {
    boost::system::error_code failure;
    const ip::address address = ip::make_address(std::string{text}, failure);
    if (failure) return std::nullopt;
    v6 = address.is_v6();
    if (v6) return address.to_v6().to_bytes();
    return ip::make_address_v6(ip::v4_mapped, address.to_v4()).to_bytes();
}

bool is_v4(const Octets& octets) {
    constexpr Octets prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::equal(octets.begin(), octets.begin() + 12, prefix.begin());
}

bool within(const Octets& address, const AddressInterval& interval) {
    return interval.low <= address && address <= interval.high;
}

bool within(const AddressInterval& inner, const AddressInterval& outer) {
    return outer.low <= inner.low && inner.high <= outer.high;
}

// The first special block that holds all of it decides, as net::scope_of() does for one address.
bool never_public(const AddressInterval& interval) {
    static const auto blocks = [] {
        std::vector<std::pair<AddressInterval, net::AddressScope>> made;
        for (const net::SpecialBlock& item : net::special_blocks) {
            made.emplace_back(*parse_address_interval(item.block), item.scope);
        }
        return made;
    }();
    for (const auto& [block, scope] : blocks) {
        const bool same_family = is_v4(interval.low) == is_v4(block.low);
        if (same_family && within(interval, block)) return scope != net::AddressScope::global;
    }
    return false;
}

bool covers_family(const AddressInterval& interval) {
    static const AddressInterval all4 = *parse_address_interval("0.0.0.0/0");
    static const AddressInterval all6 = *parse_address_interval("::/0");
    return within(is_v4(interval.low) ? all4 : all6, interval);
}

bool in_family(const AddressInterval& interval, net::Family family) {
    return is_v4(interval.low) == (family == net::Family::ipv4);
}

Truth address_truth(const Condition& condition, const std::string& address,
                    const RuleQuestion& question) {
    bool v6 = false;
    const std::optional<Octets> octets = octets_of(address, v6);
    Truth truth = Truth::no;
    bool comparable = condition.addresses.empty();
    for (const AddressInterval& interval : condition.addresses) {
        if (!in_family(interval, question.family)) continue;
        comparable = true;
        const bool inside = octets ? within(*octets, interval) : covers_family(interval);
        if (inside) return condition.negated ? Truth::no : Truth::yes;
        if (!octets && !never_public(interval)) truth = Truth::maybe;
    }
    // An IPv4 header is asked about and the packet has none: no, and "!=" holds no more.
    if (!comparable) return Truth::no;
    return condition.negated ? negate(truth) : truth;
}

// Links that lead to containers and virtual machines of this host, or nowhere.
bool leads_inside(std::string_view name) {
    for (const std::string_view prefix : {"lo", "docker", "br-", "veth", "virbr", "cni", "podman",
                                          "lxcbr", "lxdbr", "flannel", "cali", "vnet", "tap"}) {
        if (prefix == "lo" ? name == prefix : name.starts_with(prefix)) return true;
    }
    return false;
}

Truth interface_truth(const Condition& condition, bool applies, const RuleQuestion& question) {
    if (!applies) return Truth::no;
    Truth truth = Truth::no;
    for (const std::string& name : condition.names) {
        const bool known = !question.interface.empty();
        if (known && base::glob_match(name, question.interface)) truth = Truth::yes;
        if (!known && !leads_inside(name)) truth = std::max(truth, Truth::maybe);
    }
    return condition.negated ? negate(truth) : truth;
}

Truth number_truth(const Condition& condition, std::uint64_t number) {
    const auto holds = [&](const Interval& interval) {
        return interval.low <= number && number <= interval.high;
    };
    const bool any = std::any_of(condition.numbers.begin(), condition.numbers.end(), holds);
    return any != condition.negated ? Truth::yes : Truth::no;
}

// Listings name a protocol or give its number.
Truth transport_truth(const Condition& condition, const RuleQuestion& question) {
    const std::string_view number = question.transport == "udp" ? "17" : "6";
    const bool named = std::any_of(
        condition.names.begin(), condition.names.end(),
        [&](const std::string& name) { return name == question.transport || name == number; });
    return named != condition.negated ? Truth::yes : Truth::no;
}

// A client's port is any of the upper ones.
Truth source_port_truth(const Condition& condition) {
    Truth truth = Truth::no;
    for (const Interval& interval : condition.numbers) {
        if (interval.low <= 1024 && interval.high >= 65535) truth = Truth::yes;
        if (truth == Truth::no && interval.high >= 1024) truth = Truth::maybe;
    }
    return condition.negated ? negate(truth) : truth;
}

Truth rows_truth(const Condition& condition, const RuleQuestion& question, bool marked) {
    Truth truth = Truth::no;
    for (const std::vector<Condition>& row : condition.rows) {
        Truth whole = Truth::yes;
        for (const Condition& part : row) {
            whole = std::min(whole, evaluate(part, question, marked));
        }
        truth = std::max(truth, whole);
    }
    return condition.negated ? negate(truth) : truth;
}

std::optional<AddressInterval> interval_of(const std::string& first, const std::string& last) {
    bool v6 = false;
    const auto low = octets_of(first, v6), high = octets_of(last, v6);
    if (!low || !high) return std::nullopt;
    return AddressInterval{*low, *high};
}

}  // namespace

std::optional<AddressInterval> parse_address_interval(const std::string& text) {
    const std::size_t dash = text.find('-');
    if (dash != text.npos) return interval_of(text.substr(0, dash), text.substr(dash + 1));
    const std::size_t slash = text.find('/');
    auto interval = interval_of(text.substr(0, slash), text.substr(0, slash));
    if (!interval || slash == text.npos) return interval;
    const bool v4 = is_v4(interval->low);
    unsigned prefix = 0;
    bool v6 = false;
    const std::string length = text.substr(slash + 1);
    const auto [end, failure] =
        std::from_chars(length.data(), length.data() + length.size(), prefix);
    if (failure != std::errc{} || end != length.data() + length.size()) {
        // iptables may print a mask: 255.255.255.0
        const auto mask = octets_of(length, v6);
        if (!mask || v6 == v4) return std::nullopt;
        prefix = 0;
        for (std::size_t i = v4 ? 12 : 0; i < 16; ++i) {
            prefix += static_cast<unsigned>(__builtin_popcount((*mask)[i]));
        }
    }
    if (prefix > (v4 ? 32u : 128u)) return std::nullopt;
    for (unsigned bit = prefix + (v4 ? 96 : 0); bit < 128; ++bit) {
        const auto mask = static_cast<std::uint8_t>(0x80u >> (bit % 8));
        interval->low[bit / 8] = static_cast<std::uint8_t>(interval->low[bit / 8] & ~mask);
        interval->high[bit / 8] = static_cast<std::uint8_t>(interval->high[bit / 8] | mask);
    }
    return interval;
}

Truth evaluate(const Condition& condition, const RuleQuestion& question, bool marked) {
    const bool in = question.inbound;
    if (!condition.header.empty() && condition.header != question.transport) return Truth::no;
    switch (condition.about) {
        case About::fixed:
            return condition.negated ? negate(condition.truth) : condition.truth;
        case About::destination_port:
            return number_truth(condition, question.port);
        case About::source_port:
            return source_port_truth(condition);
        case About::ip_version:
            return number_truth(condition, question.family == net::Family::ipv4 ? 4 : 6);
        case About::transport:
            return transport_truth(condition, question);
        case About::interface_in:
            return interface_truth(condition, in, question);
        case About::interface_out:
            return interface_truth(condition, !in, question);
        case About::source:
            return address_truth(condition, in ? question.remote : question.local, question);
        case About::destination:
            return address_truth(condition, in ? question.local : question.remote, question);
        case About::user:
            if (!question.user || in) return Truth::maybe;
            return number_truth(condition, *question.user);
        case About::local_destination:
            return in != condition.negated ? Truth::yes : Truth::no;
        case About::mark:
            return marked ? Truth::maybe : number_truth(condition, 0);
        case About::program:
            return Truth::maybe;
        case About::alternatives:
            return rows_truth(condition, question, marked);
    }
    return Truth::maybe;
}

}  // namespace diagnose
