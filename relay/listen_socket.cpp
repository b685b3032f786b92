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
#include <memory>

#include "relay/systemd.hpp"

namespace relay {
namespace {

using Sockets = base::Result<std::vector<ListenSocket>, ListenError>;

constexpr int backlog = 4096;  // the kernel cuts it to net.core.somaxconn

ListenError fail(const std::string& address, int number) {
    ListenError error;
    error.absent = number == EADDRNOTAVAIL || number == EAFNOSUPPORT;
    std::string remedy;
    if (number == EADDRINUSE && !passed_sockets().empty()) {
        remedy =
            "; systemd handed over sockets, probably this one: write listen = [\"systemd\"] in "
            "[server], or disable the .socket unit";
    } else if (number == EADDRINUSE) {
        remedy =
            "; another program (another relay?) listens there (\"ss -ltnp\" shows which): stop it "
            "or choose another address in server.listen";
    } else if (number == EACCES) {
        remedy =
            "; ports below 1024 need privileges: choose a port such as 2525 or use systemd socket "
            "activation";
    } else if (number == EADDRNOTAVAIL) {
        remedy = "; this host has no such address";
    }
    error.message =
        fmt::format("cannot listen on {}: {}{}", address, base::errno_text(number), remedy);
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

base::Result<ListenSocket, ListenError> listen_on(const std::string& name, const sockaddr* address,
                                                  socklen_t length) {
    const int descriptor =
        ::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return fail(name, errno);
    const int on = 1;
    ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->sa_family == AF_INET6)
        ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(descriptor, address, length) != 0 || ::listen(descriptor, backlog) != 0) {
        const int number = errno;
        ::close(descriptor);
        return fail(name, number);
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

Sockets open_unix(const std::string& name, const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return ListenError{
            fmt::format("cannot listen on {}: a socket's path may have at most {} bytes", name,
                        sizeof address.sun_path - 1)};
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (is_stale(address)) ::unlink(path.c_str());
    base::Result<ListenSocket, ListenError> socket =
        listen_on(name, reinterpret_cast<const sockaddr*>(&address), sizeof address);
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

Sockets open_tcp(const std::string& name) {
    const std::size_t colon = name.rfind(':');
    std::string host = name.substr(0, colon);
    const std::string port = colon == std::string::npos ? "" : name.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (port.empty()) {
        return ListenError{
            fmt::format("cannot listen on {}: write it as \"127.0.0.1:2525\"", name)};
    }

    addrinfo hints{};
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int result =
        ::getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found);
    if (result != 0) {
        return ListenError{
            fmt::format("cannot listen on {}: {} is not an address of this host", name, host)};
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> guard{found, ::freeaddrinfo};

    std::vector<ListenSocket> sockets;
    ListenError error;
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
        base::Result<ListenSocket, ListenError> socket =
            listen_on(name, each->ai_addr, each->ai_addrlen);
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

Sockets open_listen_sockets(const std::string& address, SystemdSockets wanted) {
    if (address.starts_with("unix:")) return open_unix(address, address.substr(5));
    if (address == "systemd") return open_systemd(address, wanted);
    return open_tcp(address);
}

}  // namespace relay
