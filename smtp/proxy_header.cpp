#include "smtp/proxy_header.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "base/text.hpp"

namespace smtp {
namespace {

using namespace std::string_view_literals;
using Progress = ProxyHeaderReader::Progress;

constexpr std::string_view line_start = "PROXY ";
constexpr std::string_view shortest_line = "PROXY UNKNOWN\r\n";
constexpr std::size_t longest_line = 107;  // with CRLF, as the specification counts
constexpr std::string_view signature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t fixed_part = 16;
// What real proxies add (names, certificates' subjects) takes some hundred bytes; the length field
// alone would allow 64 KiB.
constexpr std::size_t longest_binary = 4096;
constexpr std::size_t most_kept = fixed_part + 36;  // two addresses of IPv6 with their ports

constexpr unsigned char version_2 = 0x20;
constexpr unsigned char command_local = 0, command_proxy = 1;
constexpr unsigned char unspecified = 0x00, tcp4 = 0x11, udp4 = 0x12, tcp6 = 0x21, udp6 = 0x22,
                        unix_stream = 0x31, unix_datagram = 0x32;

unsigned octet_at(std::string_view text, std::size_t index) {
    return static_cast<unsigned char>(text[index]);
}

std::string text_of_ipv4(const void* bytes) {
    std::array<char, INET_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET, bytes, text.data(), text.size());
    return text.data();
}

// IPv4 in the clothes of IPv6 is IPv4, as it is for a socket's own peer.
std::string text_of_ipv6(const in6_addr& address) {
    if (IN6_IS_ADDR_V4MAPPED(&address)) return text_of_ipv4(&address.s6_addr[12]);
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET6, &address, text.data(), text.size());
    return text.data();
}

std::optional<std::string> address_of(std::string_view text, bool ipv6) {
    const std::string terminated{text};
    if (terminated.find('\0') != std::string::npos) return std::nullopt;
    if (!ipv6) {
        in_addr four{};
        if (::inet_pton(AF_INET, terminated.c_str(), &four) != 1) return std::nullopt;
        return text_of_ipv4(&four);
    }
    in6_addr six{};
    if (::inet_pton(AF_INET6, terminated.c_str(), &six) != 1) return std::nullopt;
    return text_of_ipv6(six);
}

bool is_port(std::string_view text) {
    if (text.empty() || (text.size() > 1 && text[0] == '0')) return false;
    std::uint16_t port = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc{} && stop == text.data() + text.size();
}

// Of the two addresses and ports behind the fixed part; nothing for combinations that do not exist.
std::optional<std::size_t> addresses_size(unsigned family) {
    switch (family) {
        case unspecified:
            return 0;
        case tcp4:
        case udp4:
            return 12;
        case tcp6:
        case udp6:
            return 36;
        case unix_stream:
        case unix_datagram:
            return 216;
        default:
            return std::nullopt;
    }
}

}  // namespace

std::size_t ProxyHeaderReader::wanted() const {
    if (progress_ != Progress::needs_more) return 0;
    if (length_ > 0) return length_ - received_;
    if (seen_.starts_with('\r')) return fixed_part - seen_.size();
    if (seen_.size() < shortest_line.size()) return shortest_line.size() - seen_.size();
    return seen_.back() == '\r' ? 1 : 2;
}

Progress ProxyHeaderReader::receive(std::string_view bytes) {
    while (!bytes.empty() && progress_ == Progress::needs_more) {
        progress_ = take(bytes.front());
        bytes.remove_prefix(1);
    }
    if (progress_ == Progress::malformed) seen_.append(bytes);  // for fault()
    return progress_;
}

Progress ProxyHeaderReader::take(char octet) {
    if (seen_.empty()) {
        seen_ = octet;
        if (octet == line_start[0] || octet == signature[0]) return Progress::needs_more;
        return malformed("it does not begin with a PROXY header");
    }
    return seen_[0] == signature[0] ? take_binary(octet) : take_of_line(octet);
}

Progress ProxyHeaderReader::take_of_line(char octet) {
    const std::size_t at = seen_.size();
    const bool after_cr = seen_.back() == '\r';
    seen_ += octet;
    if (at < line_start.size() && octet != line_start[at]) {
        return malformed("it does not begin with a PROXY header");
    }
    if (after_cr != (octet == '\n')) return malformed("the PROXY line does not end with CRLF");
    if (after_cr) return read_line();
    // Room for the rest of CRLF.
    const std::size_t room = longest_line - (octet == '\r' ? 1 : 2);
    return seen_.size() <= room ? Progress::needs_more
                                : malformed("the PROXY line has more than 107 bytes");
}

Progress ProxyHeaderReader::read_line() {
    const std::string_view line = std::string_view{seen_}.substr(0, seen_.size() - 2);
    const std::vector<std::string_view> words = base::split(line, ' ');
    // Whatever stands behind this word is to be ignored.
    if (words[1] == "UNKNOWN") return Progress::complete;
    const bool ipv6 = words[1] == "TCP6";
    if (!ipv6 && words[1] != "TCP4") return malformed("the PROXY line names no known protocol");
    if (words.size() != 6) return malformed("the PROXY line has not six words");
    auto source = address_of(words[2], ipv6);
    if (!source || !address_of(words[3], ipv6) || !is_port(words[4]) || !is_port(words[5])) {
        return malformed("the PROXY line has a faulty address or port");
    }
    header_.origin = ProxyHeader::Origin::client;
    header_.address = std::move(*source);
    return Progress::complete;
}

Progress ProxyHeaderReader::take_binary(char octet) {
    const std::size_t at = length_ > 0 ? received_ : seen_.size();
    if (at < most_kept) seen_ += octet;
    if (at < signature.size() && octet != signature[at]) {
        return malformed("it does not begin with a PROXY header");
    }
    received_ = at + 1;
    if (received_ == fixed_part) {
        const Progress judged = read_fixed_part();
        if (judged == Progress::malformed || received_ < length_) return judged;
    }
    return length_ > 0 && received_ == length_ ? read_addresses() : Progress::needs_more;
}

Progress ProxyHeaderReader::read_fixed_part() {
    length_ = fixed_part + (octet_at(seen_, 14) << 8U) + octet_at(seen_, 15);
    const unsigned command = octet_at(seen_, 12) & 0x0fU;
    if ((octet_at(seen_, 12) & 0xf0U) != version_2) {
        return malformed("the binary PROXY header is not of version 2");
    }
    if (command != command_local && command != command_proxy) {
        return malformed("the PROXY header has an unknown command");
    }
    if (length_ > longest_binary) return malformed("the PROXY header has more than 4096 bytes");
    if (command == command_local) return Progress::needs_more;  // the rest is to be ignored
    const auto size = addresses_size(octet_at(seen_, 13));
    if (!size) return malformed("the PROXY header names no known protocol");
    if (length_ - fixed_part < *size) return malformed("the PROXY header is too short");
    return Progress::needs_more;
}

// What the specification knows and mail has no use for, as datagrams, counts as unknown.
Progress ProxyHeaderReader::read_addresses() {
    const bool local = (octet_at(seen_, 12) & 0x0fU) == command_local;
    const unsigned family = octet_at(seen_, 13);
    if (local) {
        header_.origin = ProxyHeader::Origin::local;
    } else if (family == tcp4) {
        header_.origin = ProxyHeader::Origin::client;
        header_.address = text_of_ipv4(seen_.data() + fixed_part);
    } else if (family == tcp6) {
        in6_addr address{};
        std::copy_n(seen_.data() + fixed_part, sizeof address.s6_addr,
                    reinterpret_cast<char*>(address.s6_addr));
        header_.origin = ProxyHeader::Origin::client;
        header_.address = text_of_ipv6(address);
    }
    return Progress::complete;
}

Progress ProxyHeaderReader::malformed(std::string_view why) {
    fault_ = why;
    return Progress::malformed;
}

std::string ProxyHeaderReader::fault() const {
    constexpr std::size_t shown = 60;
    std::string text{fault_.empty() ? "the PROXY header has no end"sv : fault_};
    if (!begun()) return "nothing was sent";
    return text + ": \"" + base::printable(seen_, shown) + "\"";
}

std::string misplaced_proxy_header() {
    return "a PROXY header from a peer that is none of the proxies in server.proxy_protocol, or a "
           "second one: nothing in it was believed";
}

std::string proxy_line(std::string_view address) {
    const bool ipv6 = address.find(':') != std::string_view::npos;
    std::string line = ipv6 ? "PROXY TCP6" : "PROXY TCP4";
    for (int end = 0; end < 2; ++end) line.append(" ").append(address);
    return line + " 25 25\r\n";
}

}  // namespace smtp
