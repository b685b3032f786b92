#include "relay/listener.hpp"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "base/bug.hpp"
#include "base/log.hpp"
#include "relay/client_share.hpp"
#include "relay/gateway.hpp"
#include "relay/reply_for.hpp"

namespace relay {
namespace asio = boost::asio;
namespace {

constexpr std::uint32_t most_per_foreign_client = 100;

std::vector<net::Cidr> parse_blocks(const std::vector<std::string>& texts) {
    std::vector<net::Cidr> blocks;
    for (const std::string& text : texts) {
        // The configuration has checked the syntax.
        if (base::Result<net::Cidr> block = net::Cidr::parse(text)) blocks.push_back(*block);
    }
    return blocks;
}

bool is_local(const std::string& client) {
    return client == "unix" || net::is_loopback_address(client);
}

bool holds_systemd(const std::vector<std::string>& addresses) {
    return std::find(addresses.begin(), addresses.end(), "systemd") != addresses.end();
}

Caller caller_at(std::string address) {
    Caller caller;
    caller.local = is_local(address);
    caller.address = std::move(address);
    return caller;
}

std::string_view setting_of(bool implicit_tls) {
    return implicit_tls ? "server.tls_listen" : "server.listen";
}

constexpr const char* client_broken = "a client connection ended by an internal error";

}  // namespace

Listener::Listener(asio::any_io_executor executor, ListenerOptions options,
                   std::shared_ptr<const ConnectionServices> services, ListenerCounters& counters)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      allowed_(parse_blocks(options_.allow_clients)),
      proxies_(parse_blocks(options_.proxies)),
      services_(std::move(services)),
      counters_(counters),
      refusals_(executor_),
      all_ended_(executor_) {}

base::Result<> Listener::start() {
    both_from_systemd_ = holds_systemd(options_.listen) && holds_systemd(options_.tls_listen);
    if (base::Result<> opened = open_all(options_.listen, false); !opened) return opened;
    return open_all(options_.tls_listen, true);
}

base::Result<> Listener::open_all(const std::vector<std::string>& addresses, bool implicit_tls) {
    const std::size_t before = acceptors_.size();
    for (const std::string& address : addresses) {
        base::Result<> opened = open(address, implicit_tls, addresses.size() > 1);
        if (!opened) return opened;
    }
    if (addresses.empty() || acceptors_.size() > before) return {};
    return base::error(
        fmt::format("none of the addresses in {} exists on this host", setting_of(implicit_tls)));
}

base::Result<> Listener::open(const std::string& address, bool implicit_tls, bool has_others) {
    SystemdSockets wanted = SystemdSockets::all;
    if (both_from_systemd_) wanted = implicit_tls ? SystemdSockets::tls : SystemdSockets::plain;
    base::Result<std::vector<ListenSocket>, ListenError> sockets =
        open_listen_sockets(address, setting_of(implicit_tls), wanted);
    if (!sockets && sockets.error().absent && has_others) {
        base::log_warning("address skipped", {{"problem", sockets.error().message}});
        return {};
    }
    if (!sockets) return base::error(sockets.error().message);
    for (const ListenSocket& socket : *sockets) {
        auto acceptor = std::make_shared<Acceptor>(executor_);
        acceptor->assign(asio::generic::stream_protocol{socket.family, 0}, socket.descriptor);
        acceptor->non_blocking(true);
        acceptors_.push_back(acceptor);
        addresses_.push_back(socket.address);
        if (implicit_tls) tls_addresses_.push_back(socket.address);
        if (!socket.unix_path.empty()) unix_paths_.push_back(socket.unix_path);
        const char* plain = services_->tls ? "starttls or none" : "none";
        base::log_info("listening",
                       {{"address", socket.address}, {"tls", implicit_tls ? "implicit" : plain}});
        asio::co_spawn(executor_, accept_loop(std::move(acceptor), implicit_tls),
                       base::bug_logger("an address takes no more connections: an internal error"));
    }
    return {};
}

void Listener::reload(ListenerOptions options, std::shared_ptr<const ConnectionServices> services) {
    options.listen = options_.listen;
    options.tls_listen = options_.tls_listen;
    options_ = std::move(options);
    allowed_ = parse_blocks(options_.allow_clients);
    proxies_ = parse_blocks(options_.proxies);
    services_ = std::move(services);
}

asio::awaitable<void> Listener::accept_loop(std::shared_ptr<Acceptor> acceptor, bool implicit_tls) {
    bool failing = false;
    while (acceptor->is_open()) {
        boost::system::error_code ec;
        tls::Socket socket{executor_};
        co_await acceptor->async_accept(socket, asio::redirect_error(asio::use_awaitable, ec));
        if (!acceptor->is_open()) co_return;
        if (!ec) {
            failing = false;
            take(std::move(socket), implicit_tls);
            continue;
        }
        if (ec == asio::error::connection_aborted) continue;
        // Out of file descriptors or memory: those that end make room.
        if (!failing) {
            base::log_error("connections cannot be accepted",
                            {{"problem", base::errno_text(ec.value())}});
        }
        failing = true;
        asio::steady_timer pause{executor_, std::chrono::milliseconds{100}};
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    }
}

void Listener::take(tls::Socket socket, bool implicit_tls) {
    const int on = 1;
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on,
                 sizeof on);  // no effect on a unix socket
    tls::Stream stream{std::move(socket)};
    ++counters_.connections_total;
    std::string peer = stream.remote_address();
    if (!is_proxy(peer)) return admit(std::move(stream), caller_at(std::move(peer)), implicit_tls);
    if (full()) return refuse(std::move(stream), peer, too_many());
    auto introduction = std::make_shared<Introduction>(std::move(stream), implicit_tls);
    introductions_.insert(introduction);
    asio::co_spawn(executor_, introduce(introduction),
                   [this, introduction](const std::exception_ptr& problem) {
                       base::log_bug(client_broken, problem);
                       introductions_.erase(introduction);
                   });
}

bool Listener::is_proxy(const std::string& peer) const {
    if (peer == "unix") return options_.unix_proxies;
    return !proxies_.empty() && net::any_contains(proxies_, peer);
}

// From here on the address that the proxy names is the client's, for every rule and limit. What is
// wrong with the header costs the connection: the peer's own address must not stand in for it.
asio::awaitable<void> Listener::introduce(std::shared_ptr<Introduction> introduction) {
    const base::Result<smtp::ProxyHeader> header = co_await read_proxy_header(*introduction);
    introductions_.erase(introduction);
    std::string peer = introduction->stream.remote_address();
    tls::Stream stream = std::move(introduction->stream);
    if (stopping_) {
        if (connections_.empty() && introductions_.empty()) all_ended_.cancel();
        co_return stream.close();
    }
    if (header) {
        Caller caller = caller_named_by(*header, std::move(peer));
        co_return admit(std::move(stream), std::move(caller), introduction->implicit_tls);
    }
    // A load balancer's look whether the port is open sends nothing and closes.
    const bool look =
        !introduction->reader.begun() && stream.close_reason() == tls::CloseReason::end_of_file;
    if (!look) ++counters_.connections_refused;
    const char* said = "no PROXY header from a peer that server.proxy_protocol takes for a proxy";
    if (look) {
        base::log_debug(said, {{"peer", peer}, {"problem", header.error().message}});
        co_return stream.close();
    }
    refusals_.warning("no PROXY header", said,
                      {{"peer", peer}, {"problem", header.error().message}});
    const smtp::Reply reply = proxy_header_missing();
    co_await turn_away(std::move(stream), reply);
}

// A client that the proxy does not name may be anybody, and a proxy elsewhere cannot know who is on
// this host. Such a connection keeps the proxy's address and may send only when it signs in.
Caller Listener::caller_named_by(const smtp::ProxyHeader& header, std::string peer) const {
    const bool named = header.origin == smtp::ProxyHeader::Origin::client;
    if (named && (is_local(peer) || !net::is_loopback_address(header.address))) {
        return caller_at(header.address);
    }
    Caller caller;
    const bool allowed = peer == "unix" || net::any_contains(allowed_, peer);
    if (!allowed || services_->smtp.auth != smtp::AuthPolicy::required) {
        caller.unknown = named ? "the proxy, on another host, names a loopback address"
                               : "the proxy's header names no client";
    }
    caller.address = std::move(peer);
    return caller;
}

void Listener::refuse(tls::Stream stream, const std::string& client, const Refusal& refusal) {
    ++counters_.connections_refused;
    refusals_.warning(
        refusal.reason, "connection refused",
        {{"client", client}, {"reply", refusal.reply.one_line()}, {"reason", refusal.reason}});
    asio::co_spawn(executor_, turn_away(std::move(stream), refusal.reply),
                   base::bug_logger(client_broken));
}

const Listener::Refusal& Listener::too_many() const {
    static const Refusal configured{too_many_connections(),
                                    "as many as server.max_connections allows are open"};
    static const Refusal by_files{too_many_connections(),
                                  "as many are open as the limit of open files has room for, which "
                                  "is less than server.max_connections: raise it with LimitNOFILE= "
                                  "in the systemd unit, ulimit -n in a shell"};
    return short_of_files_ ? by_files : configured;
}

void Listener::admit(tls::Stream stream, Caller caller, bool implicit_tls) {
    if (const Refusal* refusal = refusal_for(caller)) {
        return refuse(std::move(stream), caller.address, *refusal);
    }
    if (!is_local(caller.address)) notice_gateway(caller.address);
    ++per_client_[share_of(caller.address)];
    auto connection = std::make_shared<ClientConnection>(std::move(stream), std::move(caller),
                                                         services_, implicit_tls);
    connections_.insert(connection);
    ++counters_.connections;
    asio::co_spawn(executor_, serve(std::move(connection)), base::bug_logger(client_broken));
}

bool Listener::full() const {
    return connections_.size() + introductions_.size() >= options_.max_connections;
}

const Listener::Refusal* Listener::refusal_for(const Caller& caller) {
    static const Refusal not_allowed{client_not_allowed(),
                                     "not among the addresses in server.allow_clients"};
    static const Refusal too_many_of_one{
        too_many_connections(),
        "as many as server.max_connections_per_client allows are open from this client (of an IPv6 "
        "address: from its /64)"};
    const bool allowed = caller.address == "unix" || net::any_contains(allowed_, caller.address);
    // Who may not send anyway can be told when it tries: a proxy's health check never does.
    if (!allowed && caller.may_send()) return &not_allowed;
    if (full()) return &too_many();
    const bool limited =
        options_.max_connections_per_client.has_value() || !is_local(caller.address);
    if (!limited) return nullptr;
    const std::uint32_t most =
        options_.max_connections_per_client.value_or(most_per_foreign_client);
    const auto found = per_client_.find(share_of(caller.address));
    return found != per_client_.end() && found->second >= most ? &too_many_of_one : nullptr;
}

void Listener::notice_gateway(const std::string& client) {
    if (gateway_noticed_) return;
    const std::vector<std::string> gateways = default_gateways();
    if (std::find(gateways.begin(), gateways.end(), client) == gateways.end()) return;
    gateway_noticed_ = true;
    base::log_warning(
        "a client comes from this host's default gateway: behind a container or NAT gateway all "
        "clients look like "
        "this one address, and allow_clients cannot tell them apart; use auth = \"required\" if "
        "others can reach it",
        {{"client", client}});
}

asio::awaitable<void> Listener::serve(std::shared_ptr<ClientConnection> connection) {
    std::exception_ptr problem;
    try {
        co_await connection->run();
    } catch (...) {
        problem = std::current_exception();
    }
    ended(connection);
    base::log_bug(client_broken, problem);
}

void Listener::ended(const std::shared_ptr<ClientConnection>& connection) {
    connections_.erase(connection);
    --counters_.connections;
    if (const auto found = per_client_.find(share_of(connection->client()));
        found != per_client_.end()) {
        if (--found->second == 0) per_client_.erase(found);
    }
    if (connections_.empty()) all_ended_.cancel();
}

asio::awaitable<void> Listener::stop(base::Duration grace) {
    for (const auto& acceptor : acceptors_) {
        boost::system::error_code ignored;
        acceptor->close(ignored);
    }
    for (const std::string& path : unix_paths_) ::unlink(path.c_str());
    stopping_ = true;
    for (const auto& introduction : introductions_) introduction->stream.cancel();
    for (const auto& connection : connections_) connection->drain();

    boost::system::error_code ignored;
    all_ended_.expires_after(grace);
    if (!connections_.empty() || !introductions_.empty())
        co_await all_ended_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    for (const auto& connection : connections_) connection->cancel();
    all_ended_.expires_after(std::chrono::seconds{1});
    if (!connections_.empty())
        co_await all_ended_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace relay
