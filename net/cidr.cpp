#include "net/cidr.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <optional>

#include "base/this_host.hpp"

namespace net {
namespace {

namespace ip = boost::asio::ip;
using Bits = std::array<std::uint8_t, 16>;

constexpr unsigned mapped_prefix = 96;  // bits before the IPv4 address in ::ffff:a.b.c.d

std::optional<Bits> bits_of(std::string_view text) {
    boost::system::error_code failed;
    ip::address address = ip::make_address(std::string{text}, failed);
    if (failed) return std::nullopt;
    if (address.is_v4()) address = ip::make_address_v6(ip::v4_mapped, address.to_v4());
    return address.to_v6().to_bytes();
}

bool is_mapped(const Bits& bits) { return ip::address_v6{bits}.is_v4_mapped(); }

std::string text_of(const Bits& bits) {
    const ip::address_v6 address{bits};
    if (!address.is_v4_mapped()) return address.to_string();
    return ip::make_address_v4(ip::v4_mapped, address).to_string();
}

bool same_prefix(const Bits& a, const Bits& b, unsigned prefix) {
    const unsigned whole = prefix / 8;
    if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
    const unsigned rest = prefix % 8;
    if (rest == 0) return true;
    const auto mask = static_cast<std::uint8_t>(0xff00U >> rest);
    return ((a[whole] ^ b[whole]) & mask) == 0;
}

void clear_after(Bits& bits, unsigned prefix) {
    for (unsigned bit = prefix; bit < 128; ++bit) {
        bits[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
    }
}

std::optional<unsigned> parse_prefix(std::string_view text, unsigned most) {
    unsigned value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, failed] = std::from_chars(text.data(), end, value);
    if (text.empty() || failed != std::errc{} || stop != end || value > most) return std::nullopt;
    return value;
}

}  // namespace

base::Result<Cidr> Cidr::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::optional<Bits> bits = bits_of(text.substr(0, slash));
    if (!bits) {
        return base::error(fmt::format(
            "\"{}\" is not an address or a block of addresses such as 192.0.2.0/24", text));
    }
    // "::ffff:10.0.0.0/104" counts its bits as IPv6 does, "10.0.0.0/8" as IPv4 does.
    const bool dotted = text.substr(0, slash).find(':') == std::string_view::npos;
    const unsigned most = dotted ? 32 : 128;
    Cidr cidr;
    cidr.bits_ = *bits;
    cidr.prefix_ = 128;
    if (slash == std::string_view::npos) return cidr;
    const std::optional<unsigned> prefix = parse_prefix(text.substr(slash + 1), most);
    if (!prefix) {
        return base::error(
            fmt::format("\"{}\": the number after the slash must be 0 to {}", text, most));
    }
    cidr.prefix_ = dotted ? *prefix + mapped_prefix : *prefix;
    clear_after(cidr.bits_, cidr.prefix_);
    return cidr;
}

bool Cidr::contains(std::string_view address) const {
    const std::optional<Bits> bits = bits_of(address);
    if (!bits) return false;
    // ::/0 means every IPv6 address; that IPv4 is kept as a part of IPv6 is our own affair.
    if (is_mapped(*bits) && prefix_ < mapped_prefix) return false;
    return same_prefix(*bits, bits_, prefix_);
}

std::string Cidr::text() const {
    const bool mapped = is_mapped(bits_) && prefix_ >= mapped_prefix;
    const unsigned shown = mapped ? prefix_ - mapped_prefix : prefix_;
    return fmt::format("{}/{}", text_of(bits_), shown);
}

bool Cidr::loopback() const {
    static const Bits v4 = *bits_of("127.0.0.0");
    static const Bits v6 = *bits_of("::1");
    if (prefix_ >= mapped_prefix + 8 && same_prefix(bits_, v4, mapped_prefix + 8)) return true;
    return prefix_ == 128 && bits_ == v6;
}

bool any_contains(const std::vector<Cidr>& blocks, std::string_view address) {
    return std::any_of(blocks.begin(), blocks.end(),
                       [&](const Cidr& block) { return block.contains(address); });
}

bool is_loopback_address(std::string_view address) { return base::is_loopback_address(address); }

}  // namespace net
