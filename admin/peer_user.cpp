#include "admin/peer_user.hpp"

#include <array>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "admin/socket_owner.hpp"

namespace admin {

namespace ip = boost::asio::ip;
using ip::tcp;

namespace {

using Bytes = ip::address_v6::bytes_type;

template <class Number>
std::optional<Number> number(std::string_view text, int base) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// A socket of IPv6 may speak IPv4, so that the two ends of one connection stand in two tables.
Bytes bytes_of(const ip::address& address) {
    const ip::address_v6 wide =
        address.is_v4() ? ip::make_address_v6(ip::v4_mapped, address.to_v4()) : address.to_v6();
    return wide.to_bytes();
}

// "0100007F:1F90": words of 32 bits in the order of this machine, and the port.
bool is_endpoint(std::string_view text, const tcp::endpoint& endpoint) {
    const std::size_t colon = text.find(':');
    if (colon != 8 && colon != 32) return false;
    Bytes bytes{};
    if (colon == 8) bytes[10] = bytes[11] = 0xFF;
    for (std::size_t i = 0; i < colon; i += 8) {
        const auto word = number<std::uint32_t>(text.substr(i, 8), 16);
        if (!word) return false;
        std::memcpy(bytes.data() + (colon == 8 ? 12 : i / 2), &*word, sizeof *word);
    }
    return number<std::uint16_t>(text.substr(colon + 1), 16) == endpoint.port() &&
           bytes == bytes_of(endpoint.address());
}

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    for (std::size_t begin = line.find_first_not_of(' '); begin != std::string_view::npos;) {
        const std::size_t end = std::min(line.find(' ', begin), line.size());
        words.push_back(line.substr(begin, end - begin));
        begin = line.find_first_not_of(' ', end);
    }
    return words;
}

// A socket that nobody holds any more is told as root's, and has no inode; one that only asks for a
// connection is not the far end of ours.
bool is_held(std::string_view state, std::string_view inode) {
    constexpr std::string_view syn_sent = "02", syn_received = "03", time_wait = "06";
    return state != syn_sent && state != syn_received && state != time_wait && inode != "0";
}

std::optional<uid_t> user_in_file(const char* path, const PeerEnds& ends) {
    std::ostringstream text;
    text << std::ifstream{path, std::ios::binary}.rdbuf();
    return user_in_table(text.view(), ends);
}

}  // namespace

std::optional<uid_t> user_in_table(std::string_view table, const PeerEnds& ends) {
    // Columns: number, local address, remote address, state, queues, timer, retransmits, uid,
    // time-out, inode.
    constexpr std::size_t local = 1, remote = 2, state = 3, user = 7, inode = 9;
    while (!table.empty()) {
        const std::size_t end = std::min(table.find('\n'), table.size());
        const std::vector<std::string_view> words = words_of(table.substr(0, end));
        table.remove_prefix(std::min(end + 1, table.size()));
        if (words.size() <= inode || !is_endpoint(words[local], ends.own)) continue;
        if (!is_endpoint(words[remote], ends.other)) continue;
        if (is_held(words[state], words[inode])) return number<uid_t>(words[user], 10);
    }
    return std::nullopt;
}

std::optional<uid_t> peer_user(const PeerEnds& ends) {
    if (const auto owner = socket_owner(ends)) return owner->user;
    // /proc/self: where only processes are shown (ProcSubset=pid) there is no /proc/net.
    const auto user = user_in_file("/proc/self/net/tcp", ends);
    return user ? user : user_in_file("/proc/self/net/tcp6", ends);
}

}  // namespace admin
