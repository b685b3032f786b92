#include "diagnose/inbound/listeners.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>

#include "base/text.hpp"
#include "net/address_scope.hpp"

namespace diagnose {
namespace {

namespace ip = boost::asio::ip;
namespace fs = std::filesystem;
constexpr std::string_view listening = "0A";  // TCP_LISTEN

std::optional<std::uint64_t> number_of(std::string_view text, int base) {
    std::uint64_t number = 0;
    const auto [end, failure] =
        std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// Words of 32 bits in the machine's order, each in hex.
std::string address_of(std::string_view hex, bool v6) {
    std::array<std::uint32_t, 4> words{};
    if (hex.size() != (v6 ? 32u : 8u)) return {};
    for (std::size_t i = 0; i < hex.size() / 8; ++i) {
        const auto word = number_of(hex.substr(i * 8, 8), 16);
        if (!word) return {};
        words[i] = static_cast<std::uint32_t>(*word);
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (!::inet_ntop(v6 ? AF_INET6 : AF_INET, words.data(), text.data(), text.size())) return {};
    return text.data();
}

std::string file_text(const fs::path& path) {
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

// "socket:[12345]" -> 12345
std::optional<std::uint64_t> socket_inode(const fs::path& link) {
    std::error_code failure;
    const std::string target = fs::read_symlink(link, failure).string();
    if (failure || !target.starts_with("socket:[") || !target.ends_with(']')) return std::nullopt;
    return number_of(std::string_view{target}.substr(8, target.size() - 9), 10);
}

void name_owner(const fs::path& process, std::vector<TcpListener>& listeners) {
    const auto pid = number_of(process.filename().string(), 10);
    if (!pid) return;
    std::error_code failure;
    for (fs::directory_iterator entry{process / "fd", failure}, end; !failure && entry != end;
         entry.increment(failure)) {
        const auto inode = socket_inode(entry->path());
        if (!inode) continue;
        for (TcpListener& listener : listeners) {
            if (listener.inode != *inode || listener.pid != 0) continue;
            listener.pid = static_cast<std::int64_t>(*pid);
            listener.process = base::printable(base::trim(file_text(process / "comm")), 64);
        }
    }
}

}  // namespace

std::vector<TcpListener> parse_listeners(std::string_view table, bool v6) {
    std::vector<TcpListener> listeners;
    for (const std::string_view line : base::split(table, '\n')) {
        std::istringstream words{std::string{line}};
        std::string index, local, remote, state, queues, timer, retransmits, user, timeout, inode;
        words >> index >> local >> remote >> state >> queues >> timer >> retransmits >> user >>
            timeout >> inode;
        const std::size_t colon = local.find(':');
        if (state != listening || colon == local.npos) continue;
        const auto port = number_of(std::string_view{local}.substr(colon + 1), 16);
        TcpListener listener;
        listener.address = address_of(std::string_view{local}.substr(0, colon), v6);
        if (!port || listener.address.empty()) continue;
        listener.port = static_cast<std::uint16_t>(*port);
        listener.v6 = v6;
        listener.user = static_cast<std::uint32_t>(number_of(user, 10).value_or(0));
        listener.inode = number_of(inode, 10).value_or(0);
        listeners.push_back(std::move(listener));
    }
    return listeners;
}

std::vector<TcpListener> listeners_on(std::uint16_t port) {
    std::vector<TcpListener> listeners;
    for (const bool v6 : {false, true}) {
        const std::string table = file_text(v6 ? "/proc/self/net/tcp6" : "/proc/self/net/tcp");
        for (TcpListener& listener : parse_listeners(table, v6)) {
            if (listener.port == port) listeners.push_back(std::move(listener));
        }
    }
    std::error_code failure;
    for (fs::directory_iterator entry{"/proc", failure}, end;
         !listeners.empty() && !failure && entry != end; entry.increment(failure)) {
        name_owner(entry->path(), listeners);
    }
    return listeners;
}

std::vector<HostAddress> host_addresses() {
    std::vector<HostAddress> addresses;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return addresses;
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner{list, &::freeifaddrs};
    for (const ifaddrs* item = list; item != nullptr; item = item->ifa_next) {
        if (item->ifa_addr == nullptr || (item->ifa_flags & IFF_UP) == 0) continue;
        const int family = item->ifa_addr->sa_family;
        if (family != AF_INET && family != AF_INET6) continue;
        const void* bits =
            family == AF_INET ? static_cast<const void*>(
                                    &reinterpret_cast<const sockaddr_in*>(item->ifa_addr)->sin_addr)
                              : &reinterpret_cast<const sockaddr_in6*>(item->ifa_addr)->sin6_addr;
        std::array<char, INET6_ADDRSTRLEN> text{};
        if (!::inet_ntop(family, bits, text.data(), text.size())) continue;
        if (net::scope_of(text.data()) == net::AddressScope::loopback) continue;
        addresses.push_back({text.data(), item->ifa_name});
    }
    return addresses;
}

}  // namespace diagnose
