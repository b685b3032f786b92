#include "relay/control_client.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <mutex>
#include <optional>
#include <sstream>

#include "relay/cli.hpp"
#include "relay/run_alone.hpp"

namespace relay {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace json = boost::json;
using local = asio::local::stream_protocol;
using Stream = beast::basic_stream<local, asio::any_io_executor>;
using base::Result;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
// A selection of a million messages takes the spool a while.
constexpr std::chrono::seconds answer_timeout{120};

asio::awaitable<Result<admin::ApiResponse>> exchange(std::string path, admin::ApiRequest request) {
    const auto executor = co_await asio::this_coro::executor;
    Stream stream{executor};
    stream.expires_after(answer_timeout);
    const local::endpoint endpoint{path};
    const auto [refused] = co_await stream.async_connect(endpoint, as_result);
    if (refused) co_return base::error(path + ": " + base::errno_text(refused.value()));

    http::request<http::string_body> message;
    message.method_string(request.method);
    message.target(request.target);
    message.version(11);
    message.set(http::field::host, "localhost");
    message.set(http::field::connection, "close");
    if (!request.body.empty()) message.set(http::field::content_type, "application/json");
    message.body() = std::move(request.body);
    message.prepare_payload();
    const auto [not_sent, sent] = co_await http::async_write(stream, message, as_result);
    if (not_sent) co_return base::error(path + ": the server closed the connection");

    http::response_parser<http::string_body> parser;
    parser.body_limit(boost::none);
    beast::flat_buffer buffer;
    const auto [not_read, read] = co_await http::async_read(stream, buffer, parser, as_result);
    if (not_read) co_return base::error(path + ": the server did not answer");
    admin::ApiResponse response;
    response.status = parser.get().result_int();
    response.content_type = std::string(parser.get()[http::field::content_type]);
    response.body = std::move(parser.get().body());
    co_return response;
}

class OnlineChannel final : public ControlChannel {
 public:
    explicit OnlineChannel(std::string path) : path_(std::move(path)) {}

    Result<admin::ApiResponse> call(admin::ApiRequest request) override {
        return run_alone(exchange(path_, std::move(request)));
    }
    bool online() const override { return true; }

 private:
    std::string path_;
};

// Brings the spool's completions to the thread that waits for them.
class Mailbox {
 public:
    void post(std::function<void()> batch) {
        const std::lock_guard lock{mutex_};
        batches_.push_back(std::move(batch));
        arrived_.notify_one();
    }
    void run_one() {
        std::unique_lock lock{mutex_};
        arrived_.wait(lock, [&] { return !batches_.empty(); });
        const std::function<void()> batch = std::move(batches_.front());
        batches_.pop_front();
        lock.unlock();
        batch();
    }

 private:
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<std::function<void()>> batches_;
};

Result<std::string> read_whole(const std::string& path) {
    const std::ifstream file{path, std::ios::binary};
    if (!file) return base::error("cannot read " + path);
    std::ostringstream content;
    content << file.rdbuf();
    return std::move(content).str();
}

class OfflineChannel final : public ControlChannel {
 public:
    OfflineChannel(std::unique_ptr<spool::Spool> spool, std::shared_ptr<Mailbox> mailbox)
        : spool_(std::move(spool)), mailbox_(std::move(mailbox)), api_(services()) {}

    Result<admin::ApiResponse> call(admin::ApiRequest request) override {
        std::optional<admin::ApiResponse> response;
        api_.handle(std::move(request),
                    [&](admin::ApiResponse answer) { response = std::move(answer); });
        while (!response) mailbox_->run_one();
        if (response->file.empty()) return *std::move(response);
        Result<std::string> content = read_whole(response->file);
        if (!content) return content.error();
        response->body = std::move(*content);
        response->file.clear();
        return *std::move(response);
    }
    bool online() const override { return false; }

    static Result<std::unique_ptr<ControlChannel>> open(const spool::Options& options,
                                                        Purpose purpose);

 private:
    admin::Services services() {
        admin::Services services;
        services.spool = spool_.get();
        services.version = version_text();
        return services;
    }

    std::unique_ptr<spool::Spool> spool_;
    std::shared_ptr<Mailbox> mailbox_;
    admin::Api api_;
};

enum class Listening { yes, no, denied };

Listening probe(const std::string& path) {
    asio::io_context context;
    local::socket socket{context};
    boost::system::error_code error;
    socket.connect(local::endpoint{path}, error);
    if (error == asio::error::access_denied) return Listening::denied;
    return error ? Listening::no : Listening::yes;
}

Result<std::unique_ptr<ControlChannel>> OfflineChannel::open(const spool::Options& options,
                                                             Purpose purpose) {
    auto mailbox = std::make_shared<Mailbox>();
    spool::Post post = [mailbox](std::function<void()> batch) { mailbox->post(std::move(batch)); };
    spool::Options as_command = options;
    as_command.opener = spool::Opener::command;
    auto opened = purpose == Purpose::look_once
                      ? spool::Spool::open_for_reading(std::move(as_command), std::move(post))
                      : spool::Spool::open(std::move(as_command), std::move(post));
    if (!opened) {
        return base::error("no relay answers on " +
                           control_socket_path(options.directory).string() +
                           ", and its spool cannot be opened either: " + opened.error().message);
    }
    return std::unique_ptr<ControlChannel>{
        std::make_unique<OfflineChannel>(std::move(*opened), std::move(mailbox))};
}

// Has the spool for the time of a call only: what a command prints between two calls may wait for
// its reader without end, and a relay that starts then must not wait with it.
class LookingChannel final : public ControlChannel {
 public:
    explicit LookingChannel(spool::Options options) : options_(std::move(options)) {}

    Result<admin::ApiResponse> call(admin::ApiRequest request) override {
        const auto channel = open_control(options_, Purpose::look_once);
        if (!channel) return channel.error();
        return (*channel)->call(std::move(request));
    }
    bool online() const override { return false; }

 private:
    spool::Options options_;
};

base::Error denied(const std::string& path) {
    return base::error("permission denied for " + path +
                       ": run this as the user that runs relay, or as root");
}

}  // namespace

std::filesystem::path control_socket_path(const std::filesystem::path& spool) {
    return spool / "control.sock";
}

Result<std::unique_ptr<ControlChannel>> connect_to_server(const std::filesystem::path& spool) {
    const std::string path = control_socket_path(spool).string();
    if (path.size() > 107) return base::error(path + " is too long for a socket's name");
    switch (probe(path)) {
        case Listening::yes:
            return std::unique_ptr<ControlChannel>{std::make_unique<OnlineChannel>(path)};
        case Listening::denied:
            return denied(path);
        case Listening::no:
            break;
    }
    // One whose control.sock was removed still has its spool.
    std::error_code ignored;
    if (std::filesystem::exists(spool, ignored)) {
        spool::Options options;
        options.directory = spool;
        const auto free = OfflineChannel::open(options, Purpose::look_once);
        if (!free) return free.error();
    }
    return base::error("no relay runs: nothing answers on " + path + "; start \"relay run\"");
}

Result<std::unique_ptr<ControlChannel>> open_control(const spool::Options& options,
                                                     Purpose purpose) {
    const std::string path = control_socket_path(options.directory).string();
    if (path.size() <= 107) {
        const Listening listening = probe(path);
        if (listening == Listening::denied) return denied(path);
        if (listening == Listening::yes) return connect_to_server(options.directory);
    }
    std::error_code ignored;
    if (!std::filesystem::exists(options.directory, ignored)) {
        return base::error("no relay runs, and there is no spool at " + options.directory.string() +
                           ": start \"relay run\" first, or name its configuration with --config");
    }
    if (purpose == Purpose::look) {
        return std::unique_ptr<ControlChannel>{std::make_unique<LookingChannel>(options)};
    }
    return OfflineChannel::open(options, purpose);
}

std::string error_message(const admin::ApiResponse& response) {
    boost::system::error_code error;
    const json::value value = json::parse(response.body, error);
    if (!error && value.is_object()) {
        const json::value* details = value.get_object().if_contains("error");
        if (details != nullptr && details->is_object()) {
            const json::value* message = details->get_object().if_contains("message");
            if (message != nullptr && message->is_string()) {
                return std::string(message->get_string());
            }
        }
    }
    return "the server answered with status " + std::to_string(response.status);
}

}  // namespace relay
