#include <fmt/format.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <cerrno>
#include <utility>

#include "tls/stream_state.hpp"

namespace tls {
namespace {

constexpr std::size_t record_header = 5;  // RFC 8446 section 5.1

int write_socket(BIO* bio, const char* data, std::size_t size, std::size_t* written) {
    auto* session = static_cast<Session*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    const ssize_t count = ::send(session->descriptor, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
        *written = static_cast<std::size_t>(count);
        return 1;
    }
    if (errno == EAGAIN || errno == EINTR) {
        BIO_set_retry_write(bio);
    } else {
        session->last_errno = errno;
    }
    return 0;
}

void remember_first_bytes(Session& session, const char* data, std::size_t size) {
    if (session.established || session.first_bytes.size() >= record_header) return;
    session.first_bytes.append(data, std::min(size, record_header - session.first_bytes.size()));
}

int read_socket(BIO* bio, char* data, std::size_t size, std::size_t* read) {
    auto* session = static_cast<Session*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    const ssize_t count = session->incoming->take(session->descriptor, {data, size});
    if (count > 0) {
        *read = static_cast<std::size_t>(count);
        remember_first_bytes(*session, data, *read);
        return 1;
    }
    if (count == 0) {
        session->end_of_file = true;
    } else if (errno == EAGAIN || errno == EINTR) {
        BIO_set_retry_read(bio);
    } else {
        session->last_errno = errno;
    }
    return 0;
}

long control_socket(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_FLUSH) return 1;
    // Asked for by SSL_OP_IGNORE_UNEXPECTED_EOF.
    if (command == BIO_CTRL_EOF) return static_cast<Session*>(BIO_get_data(bio))->end_of_file;
    return 0;
}

const BIO_METHOD* socket_method() {
    // Never freed: streams may outlive static objects.
    static const BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "relay");
        BIO_meth_set_write_ex(made, write_socket);
        BIO_meth_set_read_ex(made, read_socket);
        BIO_meth_set_ctrl(made, control_socket);
        return made;
    }();
    return method;
}

CloseReason reason_of(int number) {
    if (number == ECONNRESET || number == EPIPE || number == ECONNABORTED) {
        return CloseReason::reset;
    }
    return number == ETIMEDOUT ? CloseReason::timeout : CloseReason::other;
}

Step advanced(std::size_t count) {
    Step step;
    step.count = count;
    return step;
}

Step needs(Progress direction) {
    Step step;
    step.progress = direction;
    return step;
}

}  // namespace

void Incoming::arrived(const boost::system::error_code& error, std::size_t count) {
    taken_ = 0;
    end_ = count;
    drained_ = count > 0 && count < first_.size();
    if (!error || error == boost::asio::error::operation_aborted) return;
    over_ = true;
    if (error.category() == boost::system::system_category()) failure_ = error.value();
}

ssize_t Incoming::take(int descriptor, std::span<char> buffer) {
    const std::size_t kept = std::min(buffer.size(), end_ - taken_);
    std::copy_n(first_.data() + taken_, kept, buffer.data());
    taken_ += kept;
    buffer = buffer.subspan(kept);
    const auto count = static_cast<ssize_t>(kept);
    if (buffer.empty() || (kept > 0 && (drained_ || failure_ != 0))) return count;

    if (drained_ || failure_ != 0) {
        errno = drained_ ? EAGAIN : std::exchange(failure_, 0);
        return -1;
    }
    const ssize_t more = ::recv(descriptor, buffer.data(), buffer.size(), MSG_DONTWAIT);
    drained_ =
        more > 0 ? static_cast<std::size_t>(more) < buffer.size() : more < 0 && errno == EAGAIN;
    if (more > 0) return count + more;
    if (kept == 0) return more;
    if (more < 0 && errno != EAGAIN && errno != EINTR) failure_ = errno;
    return count;
}

std::string_view Incoming::waiting() const { return {first_.data() + taken_, end_ - taken_}; }

BIO* new_socket_bio(Session* session) {
    BIO* bio = BIO_new(socket_method());
    if (bio == nullptr) return nullptr;
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    return bio;
}

Step Stream::State::fail(CloseReason why, std::string message) {
    reason = why;
    Step step;
    step.progress = Progress::failed;
    step.error = base::error(std::move(message));
    return step;
}

Step Stream::State::fail_errno(int number) {
    if (number == EPIPE) return fail(CloseReason::reset, "the peer closed the connection");
    return fail(reason_of(number), base::errno_text(number));
}

Step Stream::State::judge(int result) {
    switch (SSL_get_error(session->ssl.get(), result)) {
        case SSL_ERROR_WANT_READ:
            return needs(Progress::needs_read);
        case SSL_ERROR_WANT_WRITE:
            return needs(Progress::needs_write);
        case SSL_ERROR_ZERO_RETURN:
            return fail(CloseReason::end_of_file, "the peer closed the connection");
        case SSL_ERROR_SYSCALL:
            session->established = false;
            ERR_clear_error();
            if (session->last_errno != 0) return fail_errno(session->last_errno);
            return fail(CloseReason::end_of_file, "the peer closed the connection");
        default:
            session->established = false;
            return fail(CloseReason::other, explain_tls_failure());
    }
}

Step Stream::State::read_plain(std::span<char> buffer) {
    for (;;) {
        const ssize_t count = incoming.take(socket.native_handle(), buffer);
        if (count > 0) {
            used = true;
            return advanced(static_cast<std::size_t>(count));
        }
        if (count == 0) return fail(CloseReason::end_of_file, "the peer closed the connection");
        if (errno == EAGAIN) return needs(Progress::needs_read);
        if (errno != EINTR) return fail_errno(errno);
    }
}

Step Stream::State::write_plain(std::string_view bytes) {
    for (;;) {
        const ssize_t count =
            ::send(socket.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count >= 0) return advanced(static_cast<std::size_t>(count));
        if (errno == EAGAIN) return needs(Progress::needs_write);
        if (errno != EINTR) return fail_errno(errno);
    }
}

Step Stream::State::read(std::span<char> buffer) {
    if (buffer.empty()) return {};
    if (!session) return read_plain(buffer);
    if (!session->established) return fail(CloseReason::other, "TLS has failed before");
    ERR_clear_error();
    std::size_t count = 0;
    const int result = SSL_read_ex(session->ssl.get(), buffer.data(), buffer.size(), &count);
    return result == 1 ? advanced(count) : judge(result);
}

Step Stream::State::write(std::string_view bytes) {
    if (bytes.empty()) return {};
    if (!session) return write_plain(bytes);
    if (!session->established) return fail(CloseReason::other, "TLS has failed before");
    if (session->unwritable) return fail(CloseReason::reset, "the peer closed the connection");
    ERR_clear_error();
    std::size_t count = 0;
    const int result = SSL_write_ex(session->ssl.get(), bytes.data(), bytes.size(), &count);
    if (result == 1) return advanced(count);
    if (SSL_get_error(session->ssl.get(), result) == SSL_ERROR_SYSCALL) {
        session->unwritable = true;
        ERR_clear_error();
        return fail_errno(std::exchange(session->last_errno, 0));
    }
    return judge(result);
}

}  // namespace tls
