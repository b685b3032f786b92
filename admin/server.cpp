#include "admin/server.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

#include "admin/http_session.hpp"
#include "admin/listen.hpp"
#include "base/bug.hpp"

namespace admin {

namespace {

std::string endpoint_text(const tcp::endpoint& endpoint) {
    const std::string address = endpoint.address().to_string();
    const std::string host = endpoint.address().is_v6() ? "[" + address + "]" : address;
    return host + ":" + std::to_string(endpoint.port());
}

void start_session(const SharedPointer& shared, asio::generic::stream_protocol::socket socket,
                   std::optional<TcpSide> listen) {
    Connections& others = listen ? shared->tcp_connections : shared->control_connections;
    const std::size_t most = shared->limits.connections;
    const Connections::Room room = others.make_room(most);
    if (room == Connections::Room::none) {
        shared->warnings.warning("refused", "admin connection refused: too many are open",
                                 {{"limit", most}});
        return;  // closes it
    }
    if (room == Connections::Room::made) {
        shared->warnings.warning("closed",
                                 "admin connection closed for a newer one: too many are open",
                                 {{"limit", most}});
    }
    asio::co_spawn(shared->executor, run_session(shared, std::move(socket), std::move(listen)),
                   base::bug_logger("admin session broke"));
}

// After an error such as "too many open files": let others finish before the next try.
asio::awaitable<void> pause_accepting(asio::any_io_executor executor) {
    asio::steady_timer timer{executor, std::chrono::milliseconds{200}};
    co_await timer.async_wait(as_result);
}

asio::awaitable<void> accept_tcp(SharedPointer shared, std::size_t index) {
    Shared::TcpListener& listener = shared->tcp_listeners[index];
    while (!shared->stopped) {
        auto [error, socket] = co_await listener.acceptor.async_accept(as_result);
        if (shared->stopped) co_return;
        boost::system::error_code ignored;
        const tcp::endpoint here = socket.local_endpoint(ignored);
        boost::system::error_code gone;
        const tcp::endpoint there = socket.remote_endpoint(gone);
        if (!error && gone) continue;  // the client left already
        if (error || ignored) {
            co_await pause_accepting(shared->executor);
            continue;
        }
        socket.set_option(tcp::no_delay(true), ignored);
        TcpSide facts;
        facts.here = here;
        facts.there = there;
        facts.configured_host = listener.configured_host;
        facts.local_address = here.address().to_string();
        facts.local_port = here.port();
        start_session(shared, asio::generic::stream_protocol::socket{std::move(socket)},
                      std::move(facts));
    }
}

asio::awaitable<void> accept_control(SharedPointer shared) {
    while (!shared->stopped) {
        auto [error, socket] = co_await shared->control->async_accept(as_result);
        if (shared->stopped) co_return;
        if (error) {
            co_await pause_accepting(shared->executor);
            continue;
        }
        start_session(shared, asio::generic::stream_protocol::socket{std::move(socket)},
                      std::nullopt);
    }
}

}  // namespace

struct Server::State : Shared {
    using Shared::Shared;
};

Server::Server(std::shared_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() { stop(); }

base::Result<std::unique_ptr<Server>> Server::start(asio::any_io_executor executor,
                                                    asio::any_io_executor files,
                                                    const Options& options,
                                                    std::string control_socket, Api& api,
                                                    ServerLimits limits) {
    auto state = std::make_shared<State>(executor, std::move(files), api, limits, options.token);
    std::unique_ptr<Server> server{new Server(state)};
    for (const std::string& address : options.listen) {
        auto acceptor = listen_tcp(executor, address, !options.token.empty());
        if (!acceptor) return acceptor.error();
        state->tcp_listeners.push_back({parse_host_port(address, 0)->host, std::move(*acceptor)});
    }
    if (!control_socket.empty()) {
        auto acceptor = listen_unix(executor, control_socket);
        if (!acceptor) return acceptor.error();
        state->control = std::move(*acceptor);
        state->control_path = std::move(control_socket);
    }
    const auto ended = base::bug_logger("the admin listener broke; restart relay to get it back");
    for (std::size_t i = 0; i < state->tcp_listeners.size(); ++i) {
        asio::co_spawn(executor, accept_tcp(state, i), ended);
    }
    if (state->control) asio::co_spawn(executor, accept_control(state), ended);
    return server;
}

std::vector<std::string> Server::addresses() const {
    std::vector<std::string> texts;
    for (const auto& listener : state_->tcp_listeners) {
        boost::system::error_code error;
        const tcp::endpoint endpoint = listener.acceptor.local_endpoint(error);
        if (!error) texts.push_back(endpoint_text(endpoint));
    }
    return texts;
}

void Server::set_token(base::Secret token) {
    const auto on_loopback = [](const Shared::TcpListener& listener) {
        boost::system::error_code failed;
        return listener.acceptor.local_endpoint(failed).address().is_loopback();
    };
    const auto& listeners = state_->tcp_listeners;
    if (token.empty() && !std::all_of(listeners.begin(), listeners.end(), on_loopback)) return;
    if (state_->token == token) return;
    state_->token = std::move(token);
    ++state_->tokens;
    state_->tcp_connections.close_between_answers();
}

void Server::stop() {
    if (state_->stopped) return;
    state_->stopped = true;
    boost::system::error_code ignored;
    for (auto& listener : state_->tcp_listeners) listener.acceptor.close(ignored);
    if (state_->control) {
        state_->control->close(ignored);
        ::unlink(state_->control_path.c_str());
    }
    state_->tcp_connections.close_all();
    state_->control_connections.close_all();
}

}  // namespace admin
