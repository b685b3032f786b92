#include "tls/stream.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "base/units.hpp"
#include "tls/stream_state.hpp"

namespace tls {
namespace {

namespace asio = boost::asio;
using SharedState = std::shared_ptr<Stream::State>;

struct PeerName {
    asio::ip::address address;
    unsigned short port = 0;
    bool unix_socket = false;
};

PeerName name_of_peer(int descriptor) {
    PeerName name;
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return name;
    name.unix_socket = storage.ss_family == AF_UNIX;
    if (storage.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
        name.address = asio::ip::address_v4{ntohl(v4.sin_addr.s_addr)};
        name.port = ntohs(v4.sin_port);
    }
    if (storage.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
        asio::ip::address_v6::bytes_type bytes;
        std::copy_n(v6.sin6_addr.s6_addr, bytes.size(), bytes.begin());
        const asio::ip::address_v6 address{bytes, v6.sin6_scope_id};
        name.address = address;
        if (address.is_v4_mapped()) name.address = make_address_v4(asio::ip::v4_mapped, address);
        name.port = ntohs(v6.sin6_port);
    }
    return name;
}

// Parameters of coroutines are copies, for the stream may move once they are suspended.
Awaitable<std::size_t> read_in(SharedState state, std::span<char> buffer) {
    Operation operation{std::move(state)};
    for (;;) {
        Step step = operation.check();
        if (step.progress == Progress::done) step = operation.state().read(buffer);
        if (step.progress == Progress::done) co_return step.count;
        if (step.progress == Progress::failed) co_return step.error;
        if (step.progress == Progress::needs_read) {
            operation.arrived(co_await operation.receive());
        } else {
            co_await operation.wait(step.progress);
        }
    }
}

Awaitable<> write_in(SharedState state, std::string_view bytes) {
    Operation operation{std::move(state)};
    while (!bytes.empty()) {
        Step step = operation.check();
        if (step.progress == Progress::done) step = operation.state().write(bytes);
        if (step.progress == Progress::failed) co_return step.error;
        if (step.progress == Progress::done) {
            bytes.remove_prefix(step.count);
            continue;
        }
        co_await operation.wait(step.progress);
    }
    co_return base::Result<>{};
}

// Thousands of idle connections wait here, so the frame holds nothing but the operation.
Awaitable<> wait_in(SharedState state) {
    Operation operation{std::move(state)};
    if (operation.must_wait_to_read()) operation.arrived(co_await operation.receive());
    co_return operation.outcome();
}

}  // namespace

Stream::State::State(Socket connected)
    : socket(std::move(connected)), timer(socket.get_executor()) {
    PeerName peer = name_of_peer(socket.native_handle());
    peer_address = peer.address;
    peer_port = peer.port;
    peer_is_unix = peer.unix_socket;
}

Stream::State::Waited Stream::State::wait(Progress direction) {
    arm_timer();
    incoming.forget_drained();
    const auto type = direction == Progress::needs_write ? Socket::wait_write : Socket::wait_read;
    return socket.async_wait(type, asio::as_tuple(asio::use_awaitable));
}

Stream::State::Received Stream::State::receive() {
    arm_timer();
    return socket.async_receive(incoming.room(), asio::as_tuple(asio::use_awaitable));
}

// The deadline moves with every command, the timer rarely: it is left to fire, and then looks.
void Stream::State::arm_timer() {
    if (armed_for <= deadline) return;
    armed_for = deadline;
    timer.expires_at(deadline);
    timer.async_wait([self = shared_from_this()](boost::system::error_code cancelled) {
        if (!cancelled) self->on_timer();
    });
}

void Stream::State::on_timer() {
    armed_for = never;
    if (operations == 0 || !socket.is_open()) return;
    if (std::chrono::steady_clock::now() < deadline) return arm_timer();
    boost::system::error_code ignored;
    socket.cancel(ignored);
}

void Stream::State::close(bool politely) {
    if (session && session->established) {
        // Without this OpenSSL takes the session for broken and never resumes it.
        if (!politely) SSL_set_shutdown(session->ssl.get(), SSL_SENT_SHUTDOWN);
        ERR_clear_error();
        if (politely && !session->unwritable) SSL_shutdown(session->ssl.get());
        ERR_clear_error();
        session->established = false;
    }
    if (session) session->descriptor = -1;
    timer.cancel();
    boost::system::error_code ignored;
    socket.close(ignored);
}

Step Operation::check() {
    if (!state_->socket.is_open()) {
        return state_->fail(CloseReason::other, "the connection is closed");
    }
    if (cancellations_ != state_->cancellations) {
        return state_->fail(CloseReason::other, "cancelled");
    }
    if (state_->deadline != Stream::State::never &&
        std::chrono::steady_clock::now() >= state_->deadline) {
        return state_->fail(CloseReason::timeout,
                            fmt::format("timed out after {}", base::human_duration(state_->limit)));
    }
    return {};
}

bool Operation::must_wait_to_read() {
    const auto& session = state_->session;
    if (session && SSL_pending(session->ssl.get()) > 0) return false;
    if (!state_->incoming.waiting().empty() || state_->incoming.over()) return false;
    return check().progress != Progress::failed;
}

base::Result<> Operation::outcome() {
    const Step step = check();
    if (step.progress == Progress::failed) return step.error;
    return {};
}

Stream::Stream(Socket socket) : state_(std::make_shared<State>(std::move(socket))) {}

Stream::Stream(Stream&&) noexcept = default;

Stream& Stream::operator=(Stream&& other) noexcept {
    if (this != &other) {
        if (state_) state_->close(false);
        state_ = std::move(other.state_);
    }
    return *this;
}

Stream::~Stream() {
    if (state_) state_->close(false);
}

void Stream::expires_after(base::Duration duration) {
    state_->limit = duration;
    state_->deadline = std::chrono::steady_clock::now() + duration;
}

Awaitable<> Stream::wait_readable() { return wait_in(state_); }

Awaitable<std::size_t> Stream::read_some(std::span<char> buffer) { return read_in(state_, buffer); }

Awaitable<> Stream::write(std::string_view bytes) { return write_in(state_, bytes); }

void Stream::close() {
    if (state_) state_->close(true);
}

void Stream::cancel() {
    if (!state_) return;
    ++state_->cancellations;
    boost::system::error_code ignored;
    state_->socket.cancel(ignored);
}

bool Stream::is_open() const { return state_ && state_->socket.is_open(); }

bool Stream::encrypted() const {
    return state_->session && SSL_is_init_finished(state_->session->ssl.get()) == 1;
}

CloseReason Stream::close_reason() const { return state_->reason; }

std::string Stream::channel_binding() const {
    const auto& session = state_->session;
    if (!session || SSL_version(session->ssl.get()) < TLS1_3_VERSION) return {};
    constexpr std::string_view label = "EXPORTER-Channel-Binding";
    std::array<unsigned char, 32> value{};
    // RFC 9266 section 2: 32 bytes, with an empty context.
    if (SSL_export_keying_material(session->ssl.get(), value.data(), value.size(), label.data(),
                                   label.size(), nullptr, 0, 1) != 1) {
        ERR_clear_error();
        return {};
    }
    return {reinterpret_cast<const char*>(value.data()), value.size()};
}

std::string Stream::remote_address() const {
    return state_->peer_is_unix ? "unix" : state_->peer_address.to_string();
}

unsigned short Stream::remote_port() const { return state_->peer_port; }

Socket& Stream::socket() { return state_->socket; }

}  // namespace tls
