#include "diagnose/connect.hpp"

#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

namespace diagnose {
namespace {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;

constexpr int ipv6_min_hop_count = 73;  // IPV6_MINHOPCOUNT: absent from glibc's headers

ConnectResult classify_v4(const IcmpError& icmp) {
    if (icmp.type == ICMP_TIME_EXCEEDED) return ConnectResult::expired;
    if (icmp.type != ICMP_DEST_UNREACH) return ConnectResult::unreachable;
    switch (icmp.code) {
        case ICMP_PROT_UNREACH:
        case ICMP_PORT_UNREACH:
            return ConnectResult::refused;
        case ICMP_NET_ANO:
        case ICMP_HOST_ANO:
        case ICMP_PKT_FILTERED:
            return ConnectResult::prohibited;
        default:
            return ConnectResult::unreachable;
    }
}

// RFC 4443 section 3.1: 1 prohibited, 4 port, 5 source policy, 6 reject route.
ConnectResult classify_v6(const IcmpError& icmp) {
    if (icmp.type == ICMP6_TIME_EXCEEDED) return ConnectResult::expired;
    if (icmp.type != ICMP6_DST_UNREACH) return ConnectResult::unreachable;
    if (icmp.code == ICMP6_DST_UNREACH_NOPORT) return ConnectResult::refused;
    const bool policy = icmp.code == ICMP6_DST_UNREACH_ADMIN || icmp.code == 5 || icmp.code == 6;
    return policy ? ConnectResult::prohibited : ConnectResult::unreachable;
}

// The offender stands behind the extended error in the control message.
std::string offender_of(const sock_extended_err* error) {
    const sockaddr* from = SO_EE_OFFENDER(error);
    if (from->sa_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(from);
        return asio::ip::address_v4{ntohl(v4->sin_addr.s_addr)}.to_string();
    }
    if (from->sa_family == AF_INET6) {
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(from);
        asio::ip::address_v6::bytes_type bytes;
        std::memcpy(bytes.data(), &v6->sin6_addr, bytes.size());
        const asio::ip::address_v6 address{bytes};
        return address.to_string();
    }
    return {};
}

// A socket under way. Shared, so that the timer may come late.
struct Attempt {
    Attempt(asio::any_io_executor executor, const ConnectAsk& what)
        : ask(what), socket(executor), timer(executor) {}
    ConnectAsk ask;
    tls::Socket socket;
    asio::steady_timer timer;
    SteadyClock::time_point began = SteadyClock::now();
    bool expired = false;
    ConnectOutcome outcome;

    [[nodiscard]] int handle() { return socket.native_handle(); }
    void set(int level, int name, int value) {
        ::setsockopt(handle(), level, name, &value, sizeof value);
    }
};

void set_options(Attempt& attempt) {
    const ConnectAsk& ask = attempt.ask;
    attempt.set(IPPROTO_TCP, TCP_NODELAY, 1);
    if (ask.address.is_v4()) {
        attempt.set(IPPROTO_IP, IP_RECVERR, 1);
        if (ask.ttl > 0) attempt.set(IPPROTO_IP, IP_TTL, ask.ttl);
        if (ask.min_ttl > 0) attempt.set(IPPROTO_IP, IP_MINTTL, ask.min_ttl);
        return;
    }
    attempt.set(IPPROTO_IPV6, IPV6_RECVERR, 1);
    if (ask.ttl > 0) attempt.set(IPPROTO_IPV6, IPV6_UNICAST_HOPS, ask.ttl);
    if (ask.min_ttl > 0) attempt.set(IPPROTO_IPV6, ipv6_min_hop_count, ask.min_ttl);
}

// Starts the connect; 0, EINPROGRESS or the reason for an immediate end.
int start(Attempt& attempt) {
    const asio::ip::tcp::endpoint endpoint{attempt.ask.address, attempt.ask.port};
    const int family = attempt.ask.address.is_v4() ? AF_INET : AF_INET6;
    const int handle = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (handle < 0) return errno;
    boost::system::error_code failure;
    attempt.socket.assign(asio::generic::stream_protocol{endpoint.protocol()}, handle, failure);
    if (failure) {
        ::close(handle);
        return failure.value();
    }
    attempt.socket.non_blocking(true, failure);
    set_options(attempt);
    const auto size = static_cast<socklen_t>(endpoint.size());
    return ::connect(handle, endpoint.data(), size) == 0 ? 0 : errno;
}

// The first ICMP error that waits in the queue. Reading it clears SO_ERROR, so the errno is taken
// from here.
bool read_error_queue(Attempt& attempt) {
    std::array<char, 512> control{}, payload{};
    iovec piece{payload.data(), payload.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(attempt.handle(), &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return false;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
        const bool v4 = part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_RECVERR;
        const bool v6 = part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_RECVERR;
        if (!v4 && !v6) continue;
        const auto* error = reinterpret_cast<const sock_extended_err*>(CMSG_DATA(part));
        attempt.outcome.error_number = static_cast<int>(error->ee_errno);
        const bool icmp =
            error->ee_origin == SO_EE_ORIGIN_ICMP || error->ee_origin == SO_EE_ORIGIN_ICMP6;
        if (icmp) {
            attempt.outcome.icmp = IcmpError{error->ee_type, error->ee_code, offender_of(error),
                                             error->ee_origin == SO_EE_ORIGIN_ICMP6};
        }
        return true;
    }
    return false;
}

tcp_info info_of(Attempt& attempt) {
    tcp_info info{};
    socklen_t size = sizeof info;
    ::getsockopt(attempt.handle(), IPPROTO_TCP, TCP_INFO, &info, &size);
    return info;
}

// True when the attempt has ended, one way or the other.
bool settled(Attempt& attempt) {
    if (read_error_queue(attempt)) return true;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(attempt.handle(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        attempt.outcome.error_number = error;
        return true;
    }
    // A server may have said its word and closed before we look: that is a connection too.
    const auto state = info_of(attempt).tcpi_state;
    if (state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT) return false;
    attempt.outcome.result = ConnectResult::open;
    return true;
}

void note_local_address(Attempt& attempt) {
    boost::system::error_code failure;
    const auto local = attempt.socket.local_endpoint(failure);
    asio::ip::tcp::endpoint endpoint;
    if (failure || local.size() > endpoint.capacity()) return;
    std::memcpy(endpoint.data(), local.data(), local.size());
    endpoint.resize(local.size());
    if (!endpoint.address().is_unspecified()) {
        attempt.outcome.local_address = endpoint.address().to_string();
    }
}

ConnectOutcome finish(Attempt& attempt) {
    ConnectOutcome& outcome = attempt.outcome;
    attempt.timer.cancel();
    outcome.took = std::chrono::duration_cast<base::Duration>(SteadyClock::now() - attempt.began);
    if (attempt.socket.is_open()) {
        note_local_address(attempt);
        // What this host's own filter drops is counted as sent again, yet never as under way.
        const tcp_info info = info_of(attempt);
        outcome.retransmissions = info.tcpi_total_retrans;
        outcome.last_left = info.tcpi_total_retrans > 0 && info.tcpi_retrans > 0;
    }
    if (outcome.result == ConnectResult::open) {
        outcome.stream.emplace(std::move(attempt.socket));
        return std::move(outcome);
    }
    outcome.result = classify_connect(outcome.error_number, outcome.icmp);
    outcome.own_address = outcome.icmp && outcome.icmp->from == outcome.local_address;
    boost::system::error_code ignored;
    attempt.socket.close(ignored);
    return std::move(outcome);
}

// No packet left. With a route to the rest of the world that is a rule or route of this host
// against the port or the address (`ip rule ... unreachable` says ENETUNREACH, such a route
// EHOSTUNREACH); without one it is no network in this family.
void judge_at_once(const asio::any_io_executor& executor, const asio::ip::address& address,
                   ConnectOutcome& outcome) {
    if (outcome.error_number != ENETUNREACH && outcome.error_number != EHOSTUNREACH) return;
    const net::Family family = address.is_v4() ? net::Family::ipv4 : net::Family::ipv6;
    const bool connected = route_exists(executor, address) || has_route(executor, family);
    outcome.result = connected ? ConnectResult::denied : ConnectResult::no_route;
}

void arm(const std::shared_ptr<Attempt>& attempt) {
    attempt->timer.expires_after(attempt->ask.timeout);
    attempt->timer.async_wait([attempt](const boost::system::error_code& cancelled) {
        if (cancelled) return;
        attempt->expired = true;
        boost::system::error_code ignored;
        attempt->socket.cancel(ignored);
    });
}

}  // namespace

std::string_view connect_result_name(ConnectResult result) {
    switch (result) {
        case ConnectResult::open:
            return "open";
        case ConnectResult::dropped:
            return "dropped";
        case ConnectResult::refused:
        case ConnectResult::prohibited:
        case ConnectResult::denied:
            return "rejected";
        case ConnectResult::unreachable:
        case ConnectResult::no_route:
            return "unreachable";
        case ConnectResult::expired:
            return "expired";
        case ConnectResult::failed:
            return "failed";
    }
    return "failed";
}

ConnectResult classify_connect(int error_number, const std::optional<IcmpError>& icmp) {
    if (icmp) return icmp->v6 ? classify_v6(*icmp) : classify_v4(*icmp);
    switch (error_number) {
        case 0:
        case ETIMEDOUT:
            return ConnectResult::dropped;
        case ECONNREFUSED:
        case ECONNRESET:
            return ConnectResult::refused;
        case EPERM:
        case EACCES:
        case EINVAL:  // a blackhole route
            return ConnectResult::denied;
        case ENETUNREACH:
        case EADDRNOTAVAIL:
        case EAFNOSUPPORT:
            return ConnectResult::no_route;
        case EHOSTUNREACH:
            return ConnectResult::unreachable;
        default:
            return ConnectResult::failed;
    }
}

// Connecting a UDP socket asks the kernel for the route, and whatever a rule holds against port 25
// does not hold against this.
bool route_exists(asio::any_io_executor executor, const asio::ip::address& address) {
    boost::system::error_code failure;
    asio::ip::udp::socket socket{executor};
    socket.open(address.is_v4() ? asio::ip::udp::v4() : asio::ip::udp::v6(), failure);
    if (!failure) socket.connect({address, 53}, failure);
    return !failure;
}

// The addresses are those for documentation.
bool has_route(asio::any_io_executor executor, net::Family family) {
    const bool v4 = family == net::Family::ipv4;
    return route_exists(executor, asio::ip::make_address(v4 ? "192.0.2.1" : "2001:db8::1"));
}

asio::awaitable<ConnectOutcome> connect_once(asio::any_io_executor executor, ConnectAsk ask) {
    const auto attempt = std::make_shared<Attempt>(executor, ask);
    const int started = start(*attempt);
    if (started != 0 && started != EINPROGRESS) {
        attempt->outcome.error_number = started;
        if (attempt->socket.is_open()) read_error_queue(*attempt);
        ConnectOutcome ended = finish(*attempt);
        if (!ended.icmp) judge_at_once(executor, ask.address, ended);
        co_return ended;
    }
    arm(attempt);
    bool done = settled(*attempt);
    while (!done && !attempt->expired) {
        boost::system::error_code failure;
        co_await attempt->socket.async_wait(tls::Socket::wait_write,
                                            asio::redirect_error(asio::use_awaitable, failure));
        done = settled(*attempt);
    }
    co_return finish(*attempt);
}

}  // namespace diagnose
