#include "relay/sink.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <filesystem>
#include <utility>

#include "base/bug.hpp"
#include "base/text.hpp"
#include "base/units.hpp"
#include "relay/listen_socket.hpp"
#include "relay/sink_certificate.hpp"
#include "relay/sink_mailbox.hpp"
#include "relay/sink_session.hpp"
#include "smtp/password_hash.hpp"

namespace relay {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

// Out of descriptors: the next try comes after this, instead of at once for ever.
constexpr std::chrono::milliseconds accept_pause{100};
constexpr std::chrono::seconds farewell_limit{1};

// The one user of --user, or none at all when every sign-in is to fail.
class SinkCredentials final : public smtp::CredentialStore {
 public:
    SinkCredentials() = default;
    SinkCredentials(std::string user, smtp::ScramSecret secret)
        : user_(std::move(user)), secret_(std::move(secret)) {}

    [[nodiscard]] std::optional<smtp::ScramSecret> find(std::string_view user) const override {
        return user == user_ ? secret_ : std::nullopt;
    }
    [[nodiscard]] smtp::ScramSecret decoy(std::string_view user) const override {
        return smtp::Decoys{}.make(user);
    }

 private:
    std::string user_;
    std::optional<smtp::ScramSecret> secret_;
};

}  // namespace

struct Sink::Door {
    Door(asio::any_io_executor executor, bool implicit)
        : acceptor(executor), pause(executor), implicit_tls(implicit) {}
    asio::ip::tcp::acceptor acceptor;
    asio::steady_timer pause;
    bool implicit_tls;
    bool closed = false;  // the sink may be gone
};

Sink::Sink(asio::any_io_executor executor, SinkOptions options, Say say)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      say_(std::move(say)),
      farewell_(executor_) {
    smtp_.hostname = options_.hostname;
    smtp_.max_message_size = options_.max_message_size;
}

Sink::~Sink() { close_doors(); }

void Sink::close_doors() {
    for (const auto& door : doors_) {
        door->closed = true;
        boost::system::error_code ignored;
        door->acceptor.close(ignored);
        door->pause.cancel();
    }
}

base::Result<std::unique_ptr<Sink>> Sink::open(asio::any_io_executor executor, SinkOptions options,
                                               Say say) {
    std::unique_ptr<Sink> sink{new Sink(executor, std::move(options), std::move(say))};
    base::Result<> done = sink->prepare_sign_in();
    if (done.has_value() && sink->options_.tls) done = sink->prepare_tls();
    if (done.has_value()) done = sink->listen(sink->options_.listen, false);
    if (done.has_value() && sink->options_.tls) {
        done = sink->listen(sink->options_.tls_listen, true);
    }
    if (done.has_value()) done = sink->announce();
    if (done.has_error()) return done.error();
    return sink;
}

base::Result<> Sink::prepare_tls() {
    std::vector<std::string> names{options_.hostname, "localhost", "127.0.0.1", "::1"};
    for (const std::string& address : {options_.listen, options_.tls_listen}) {
        std::string host = address.substr(0, address.rfind(':'));
        if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
        const bool known = std::find(names.begin(), names.end(), host) != names.end();
        if (!host.empty() && !known) names.push_back(std::move(host));
    }
    base::Result<SinkCertificate> made = make_sink_certificate(std::move(names));
    if (made.has_error()) return made.error();
    tls_ = std::move(made->context);
    ca_pem_ = std::move(made->authority);
    return {};
}

base::Result<> Sink::prepare_sign_in() {
    smtp_.auth = smtp::AuthPolicy::accept_any;
    if (options_.faults.auth_reply) {
        // Nobody is let in, and the session's 535 is replaced on its way out.
        smtp_.auth = smtp::AuthPolicy::required;
        credentials_ = std::make_shared<SinkCredentials>();
    } else if (!options_.user.empty()) {
        smtp_.auth = smtp::AuthPolicy::required;
        credentials_ = std::make_shared<SinkCredentials>(
            options_.user, smtp::make_scram_secret(options_.password));
    }
    return {};
}

base::Result<> Sink::listen(const std::string& address, bool implicit_tls) {
    if (address.empty()) return {};
    if (address.starts_with("unix:") || address == "systemd") {
        return base::error(fmt::format("{}: a sink listens on HOST:PORT only", address));
    }
    base::Result<std::vector<ListenSocket>, ListenError> sockets =
        open_listen_sockets(address, implicit_tls ? "--tls-listen" : "--listen");
    if (sockets.has_error()) return base::error(sockets.error().message);
    for (const ListenSocket& socket : *sockets) {
        const auto door = std::make_shared<Door>(executor_, implicit_tls);
        if (const auto taken = take_over(door->acceptor, socket); !taken) return taken.error();
        doors_.push_back(door);
        (implicit_tls ? addresses_.smtps : addresses_.smtp) = socket.address;
    }
    return {};
}

// Last of all, so that whoever waits for the ready file finds everything else in place.
base::Result<> Sink::announce() const {
    if (!options_.ca_file.empty() && options_.tls) {
        base::Result<> written = write_whole_file(options_.ca_file, ca_pem_);
        if (written.has_error()) return written;
    }
    if (!options_.directory.empty()) {
        std::error_code failure;
        std::filesystem::create_directories(options_.directory, failure);
        if (failure) {
            return base::error(fmt::format("{}: cannot be made: {}", options_.directory,
                                           base::errno_text(failure.value())));
        }
    }
    if (options_.ready_file.empty()) return {};
    const auto text_or_null = [](const std::string& text) {
        return text.empty() ? json::value(nullptr) : json::value(text);
    };
    json::object object;
    object["smtp"] = text_or_null(addresses_.smtp);
    object["smtps"] = text_or_null(addresses_.smtps);
    const bool has_ca = options_.tls && !options_.ca_file.empty();
    object["ca"] = text_or_null(has_ca ? std::filesystem::absolute(options_.ca_file).string() : "");
    return write_whole_file(options_.ready_file, json::serialize(object) + "\n");
}

void Sink::start() {
    for (const auto& door : doors_) {
        asio::co_spawn(executor_, accept(door),
                       base::bug_logger(
                           "an address of the sink takes no more connections: an internal error"));
    }
}

asio::awaitable<void> Sink::accept(std::shared_ptr<Door> door) {
    while (!door->closed) {
        auto [failure, socket] =
            co_await door->acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
        if (door->closed) co_return;
        if (!failure) {
            boost::system::error_code ignored;
            socket.set_option(asio::ip::tcp::no_delay(true), ignored);
            admit(std::move(socket), door->implicit_tls);
            continue;
        }
        door->pause.expires_after(accept_pause);
        co_await door->pause.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

void Sink::admit(asio::generic::stream_protocol::socket socket, bool implicit_tls) {
    ++counters_.connections;
    auto session =
        std::make_shared<SinkSession>(*this, tls::Stream{std::move(socket)}, implicit_tls);
    sessions_.emplace(session.get(), session);
    asio::co_spawn(executor_, session->run(), [this, session](std::exception_ptr failure) {
        base::log_bug("a session ended by a fault of the sink", failure);
        session_ended(session.get());
    });
}

void Sink::session_ended(const SinkSession* session) {
    sessions_.erase(session);
    if (finishing_ && sessions_.empty()) stop();
    report_if_stopped();
}

void Sink::report_if_stopped() {
    if (stopping_ && sessions_.empty() && stopped_) {
        asio::post(executor_, std::exchange(stopped_, nullptr));
    }
}

void Sink::stop() {
    if (stopping_) return;
    stopping_ = true;
    farewell_.cancel();
    close_doors();
    for (const auto& [pointer, session] : sessions_) session->cancel();
    report_if_stopped();
}

base::Result<> Sink::keep(const SinkMessage& message) {
    if (!options_.directory.empty()) {
        base::Result<> stored = store(message, options_.directory);
        if (stored.has_error()) return stored;
    }
    ++counters_.messages;
    counters_.recipients += message.envelope.recipients.size();
    counters_.bytes += message.size;
    if (!options_.quiet) say_(describe(message));
    if (options_.print) say_(message.content);
    return {};
}

void Sink::message_answered() {
    if (options_.count != 0 && counters_.messages >= options_.count) finish();
}

void Sink::finish() {
    if (finishing_) return;
    finishing_ = true;
    close_doors();
    farewell_.expires_after(farewell_limit);
    // The timer ends with the sink, which is gone when this says that it was cancelled.
    farewell_.async_wait([this](boost::system::error_code cancelled) {
        if (!cancelled) stop();
    });
}

void Sink::say(const std::string& line) const {
    if (!options_.quiet) say_(base::printable(line, 1000));
}

std::string Sink::summary() const {
    const auto plural = [](std::uint64_t count, std::string_view one) {
        return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
    };
    std::string text =
        fmt::format("{} for {} ({}) over {}", plural(counters_.messages, "message"),
                    plural(counters_.recipients, "recipient"), base::human_size(counters_.bytes),
                    plural(counters_.connections, "connection"));
    if (counters_.refused > 0) text += ", " + plural(counters_.refused, "refusal");
    if (counters_.dropped > 0) text += ", " + plural(counters_.dropped, "connection") + " dropped";
    return text;
}

}  // namespace relay
