#include "relay/listen_socket.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "base/text.hpp"
#include "config/syntax.hpp"
#include "relay/systemd.hpp"

namespace relay {
namespace {

using Sockets = base::Result<std::vector<ListenSocket>, ListenError>;

constexpr int backlog = 4096;  // the kernel cuts it to net.core.somaxconn

// What is to be listened on, and the setting that says so.
struct Wish {
    std::string address;
    std::string_view setting;
};

std::string unix_remedy(const Wish& wish, int number) {
    const std::filesystem::path path = wish.address.substr(std::string_view{"unix:"}.size());
    const std::filesystem::path parent = path.parent_path();
    const std::string folder = parent.empty() ? "." : parent.string();
    switch (number) {
        case EADDRINUSE: {
            std::error_code ignored;
            if (!std::filesystem::is_socket(path, ignored)) {
                return fmt::format(
                    "; a file that is no socket is there: remove it, or write another path in {}",
                    wish.setting);
            }
            return fmt::format(
                "; another program (another relay?) listens there (\"ss -lxp\" shows which): stop "
                "it "
                "or write another path in {}",
                wish.setting);
        }
        case ENOENT:
            return fmt::format(
                "; the folder {} is not there: make it, writable for the user that relay runs as, "
                "or write another path in {}",
                folder, wish.setting);
        case ENOTDIR:
            return fmt::format("; {} is no folder: write another path in {}", folder, wish.setting);
        case EACCES:
        case EPERM:
            return fmt::format(
                "; relay (user id {}) may not make a file in the folder {}: let it write there, or "
                "write another path in {}",
                ::geteuid(), folder, wish.setting);
        case EROFS:
            return fmt::format(
                "; the folder {} can only be read: write a path in {} that can be written to",
                folder, wish.setting);
        default:
            return "";
    }
}

std::string tcp_remedy(const Wish& wish, int number) {
    switch (number) {
        case EADDRINUSE:
            if (!passed_sockets().empty()) {
                return "; systemd handed over sockets, probably this one: write listen = "
                       "[\"systemd\"] in [server], or disable the .socket unit";
            }
            return fmt::format(
                "; another program (another relay?) listens there (\"ss -ltnp\" shows which): stop "
                "it or choose another address in {}",
                wish.setting);
        case EACCES:
            return fmt::format(
                "; ports below 1024 need privileges: choose a port such as 2525 in {}{}",
                wish.setting,
                wish.setting.starts_with("server.") ? ", or use systemd socket activation" : "");
        case EADDRNOTAVAIL:
            return "; this host has no such address";
        default:
            return "";
    }
}

ListenError fail(const Wish& wish, int number) {
    ListenError error;
    error.absent = number == EADDRNOTAVAIL || number == EAFNOSUPPORT;
    const bool unix_socket = wish.address.starts_with("unix:");
    error.message = fmt::format("cannot listen on {}: {}{}", wish.address, base::errno_text(number),
                                unix_socket ? unix_remedy(wish, number) : tcp_remedy(wish, number));
    return error;
}

std::string address_text(const sockaddr* address, socklen_t length) {
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    if (::getnameinfo(address, length, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return "unknown";
    }
    return address->sa_family == AF_INET6 ? fmt::format("[{}]:{}", host, port)
                                          : fmt::format("{}:{}", host, port);
}

std::string bound_address(int descriptor) {
    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&bound), &length) != 0)
        return "unknown";
    if (bound.ss_family == AF_UNIX) {
        return fmt::format("unix:{}", reinterpret_cast<const sockaddr_un*>(&bound)->sun_path);
    }
    return address_text(reinterpret_cast<const sockaddr*>(&bound), length);
}

base::Result<ListenSocket, ListenError> listen_on(const Wish& wish, const sockaddr* address,
                                                  socklen_t length) {
    const int descriptor =
        ::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return fail(wish, errno);
    const int on = 1;
    ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->sa_family == AF_INET6)
        ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(descriptor, address, length) != 0 || ::listen(descriptor, backlog) != 0) {
        const int number = errno;
        ::close(descriptor);
        return fail(wish, number);
    }
    return ListenSocket{descriptor, address->sa_family, bound_address(descriptor), ""};
}

// A socket file that nobody listens on is left over from a crash and in the way.
bool is_stale(const sockaddr_un& address) {
    struct stat found{};
    if (::lstat(address.sun_path, &found) != 0 || !S_ISSOCK(found.st_mode)) return false;
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0) return false;
    const int result =
        ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const bool stale = result != 0 && errno == ECONNREFUSED;
    ::close(probe);
    return stale;
}

ListenError too_long(const Wish& wish) {
    return ListenError{
        fmt::format("cannot listen on {}: a socket's path may have at most {} bytes: write a "
                    "shorter one in {}",
                    wish.address, sizeof sockaddr_un{}.sun_path - 1, wish.setting)};
}

Sockets open_unix(const Wish& wish, const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return too_long(wish);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (is_stale(address)) ::unlink(path.c_str());
    base::Result<ListenSocket, ListenError> socket =
        listen_on(wish, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (!socket) return socket.error();
    // Any local user may hand in mail, as on the loopback port.
    ::chmod(path.c_str(), 0666);
    socket->unix_path = path;
    return std::vector{*socket};
}

ListenError no_socket_named_so(SystemdSockets wanted) {
    return ListenError{fmt::format(
        "server.listen and server.tls_listen both have \"systemd\", but {} of the sockets handed "
        "over is named \"tls\": write FileDescriptorName=tls in the .socket unit for TLS, and "
        "leave it out in the one without",
        wanted == SystemdSockets::tls ? "none" : "each")};
}

Sockets open_systemd(const std::string& name, SystemdSockets wanted) {
    const std::vector<PassedSocket> passed = passed_sockets();
    if (passed.empty()) {
        return ListenError{
            fmt::format("server.listen has \"{}\" but systemd handed over no socket: start relay "
                        "through its .socket unit",
                        name)};
    }
    std::vector<ListenSocket> sockets;
    for (const auto& [descriptor, socket_name] : passed) {
        const bool tls = socket_name == "tls";
        if (wanted != SystemdSockets::all && tls != (wanted == SystemdSockets::tls)) continue;
        sockaddr_storage bound{};
        socklen_t length = sizeof bound;
        ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&bound), &length);
        sockets.push_back({descriptor, bound.ss_family, bound_address(descriptor), ""});
    }
    if (sockets.empty()) return no_socket_named_so(wanted);
    return sockets;
}

struct TcpName {
    std::string host;  // without brackets; "" for every address
    std::uint16_t port = 0;
};

// The port is read here, since getaddrinfo() would take 99999 for 34463.
std::optional<TcpName> split_tcp(const std::string& name) {
    const std::size_t colon = name.rfind(':');
    if (colon == std::string::npos) return std::nullopt;
    const std::optional<std::uint16_t> port = config::parse_port(name.substr(colon + 1));
    if (!port) return std::nullopt;
    std::string host = name.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return TcpName{std::move(host), *port};
}

Sockets open_tcp(const Wish& wish) {
    const std::string& name = wish.address;
    const std::optional<TcpName> parts = split_tcp(name);
    if (!parts) {
        return ListenError{fmt::format("cannot listen on {}: write it as \"127.0.0.1:2525\" in {}",
                                       name, wish.setting)};
    }
    const std::string& host = parts->host;
    const std::string port = std::to_string(parts->port);

    addrinfo hints{};
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int result =
        ::getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found);
    if (result != 0) {
        return ListenError{
            fmt::format("cannot listen on {}: {} is not an address of this host: write one that is "
                        "in {}",
                        name, host, wish.setting)};
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> guard{found, ::freeaddrinfo};

    std::vector<ListenSocket> sockets;
    ListenError error;
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
        base::Result<ListenSocket, ListenError> socket =
            listen_on(wish, each->ai_addr, each->ai_addrlen);
        if (socket) {
            sockets.push_back(*socket);
        } else if (socket.error().absent) {
            error = socket.error();
        } else {
            for (const ListenSocket& open : sockets) ::close(open.descriptor);
            return socket.error();
        }
    }
    if (sockets.empty()) return error;
    return sockets;
}

}  // namespace

Sockets open_listen_sockets(const std::string& address, std::string_view setting,
                            SystemdSockets wanted) {
    const Wish wish{address, setting};
    if (address.starts_with("unix:")) return open_unix(wish, address.substr(5));
    if (address == "systemd") return open_systemd(address, wanted);
    return open_tcp(wish);
}

base::Result<> take_over(boost::asio::ip::tcp::acceptor& acceptor, const ListenSocket& socket) {
    using boost::asio::ip::tcp;
    boost::system::error_code failure;
    acceptor.assign(socket.family == AF_INET6 ? tcp::v6() : tcp::v4(), socket.descriptor, failure);
    if (!failure) return {};
    ::close(socket.descriptor);
    return base::error(fmt::format("{}: cannot be listened on: {}", socket.address,
                                   base::errno_text(failure.value())));
}

std::string unix_obstacle(const std::string& address, std::string_view setting) {
    const Wish wish{address, setting};
    const std::filesystem::path path = address.substr(std::string_view{"unix:"}.size());
    if (path.native().size() >= sizeof sockaddr_un{}.sun_path) return too_long(wish).message;
    struct stat found{};
    if (::lstat(path.c_str(), &found) == 0 && !S_ISSOCK(found.st_mode)) {
        return fail(wish, EADDRINUSE).message;
    }
    const std::filesystem::path folder = path.parent_path();
    if (::stat(folder.c_str(), &found) != 0) return fail(wish, errno).message;
    if (!S_ISDIR(found.st_mode)) return fail(wish, ENOTDIR).message;
    return ::access(folder.c_str(), W_OK | X_OK) == 0 ? "" : fail(wish, errno).message;
}

base::Result<> check_listen_option(const std::string& address) {
    const std::string shown = base::printable(address, 128);
    const std::size_t colon = address.rfind(':');
    if (address.starts_with("unix:") || colon == std::string::npos || colon + 1 == address.size()) {
        return base::error(fmt::format(
            "\"{}\" is not HOST:PORT: write it as \"127.0.0.1:2525\" or \"[::1]:2525\"", shown));
    }
    if (split_tcp(address)) return {};
    return base::error(fmt::format("\"{}\" has no port: it is a number from 0 to 65535", shown));
}

}  // namespace relay
