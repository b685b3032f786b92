#include "diagnose/connect.hpp"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

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
    if (net::is_prohibition(icmp)) return ConnectResult::prohibited;
    const bool nobody = icmp.code == ICMP_PROT_UNREACH || icmp.code == ICMP_PORT_UNREACH;
    const bool refused = icmp.type == ICMP_DEST_UNREACH && nobody;
    return refused ? ConnectResult::refused : ConnectResult::unreachable;
}

// RFC 4443 section 3.1
ConnectResult classify_v6(const IcmpError& icmp) {
    if (icmp.type == ICMP6_TIME_EXCEEDED) return ConnectResult::expired;
    if (net::is_prohibition(icmp)) return ConnectResult::prohibited;
    const bool refused = icmp.type == ICMP6_DST_UNREACH && icmp.code == ICMP6_DST_UNREACH_NOPORT;
    return refused ? ConnectResult::refused : ConnectResult::unreachable;
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
    net::keep_icmp_errors(attempt.handle(), ask.address.is_v6());
    if (ask.address.is_v4()) {
        if (ask.ttl > 0) attempt.set(IPPROTO_IP, IP_TTL, ask.ttl);
        if (ask.min_ttl > 0) attempt.set(IPPROTO_IP, IP_MINTTL, ask.min_ttl);
        return;
    }
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

// Reading the queue clears SO_ERROR, so the errno is taken from there.
bool read_error_queue(Attempt& attempt) {
    const std::optional<net::ConnectError> error = net::take_connect_error(attempt.handle());
    if (!error) return false;
    attempt.outcome.error_number = error->error_number;
    if (error->icmp) attempt.outcome.icmp = error->icmp;
    return true;
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
