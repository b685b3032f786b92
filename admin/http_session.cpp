#include "admin/http_session.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <memory>

#include "admin/peer_user.hpp"
#include "admin/routes.hpp"
#include "base/at_end.hpp"
#include "delivery/body_source.hpp"
#include "net/await.hpp"

// The one file that knows Beast's HTTP: it takes long to compile.

namespace admin {

namespace http = beast::http;
namespace json = boost::json;
using Request = http::request<http::string_body>;
using Parser = http::request_parser<http::string_body>;

namespace {

constexpr std::pair<const char*, const char*> security_headers[] = {
    {"Cache-Control", "no-store"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Referrer-Policy", "no-referrer"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
};

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

std::string_view path_of(const Request& request) {
    const std::string_view target = view(request.target());
    return target.substr(0, target.find('?'));
}

// How a parse or read failure is answered; nothing when the peer went away or was too slow (the
// stream closes itself then).
std::optional<ApiResponse> read_failure_response(const beast::error_code& error) {
    if (error == http::error::header_limit) {
        return error_response(431, "header_too_large", "the request's header is too large");
    }
    if (error == http::error::body_limit) {
        return error_response(413, "too_large", "the request's body is too large");
    }
    // The rest of http::error means bytes that are no HTTP/1 request, but for a peer that left.
    const bool left = error == http::error::end_of_stream || error == http::error::partial_message;
    if (left || error.category() != make_error_code(http::error::bad_method).category()) {
        return std::nullopt;
    }
    return error_response(400, "bad_request", "this is not an HTTP/1.1 request");
}

// Sets what every answer has. Content-Length is set here so that HEAD can say it, too.
template <class Body>
void fill_header(http::response<Body>& message, const ApiResponse& response, std::uint64_t length,
                 unsigned version, bool keep_alive) {
    message.version(version);
    message.result(response.status);
    message.set(http::field::content_type, response.content_type);
    for (const auto& [name, value] : security_headers) message.set(name, value);
    for (const auto& [name, value] : response.headers) message.set(name, value);
    if (response.status == 401) message.set(http::field::www_authenticate, "Bearer");
    message.keep_alive(keep_alive);
    message.content_length(length);
}

// The API's callback as something to wait for.
asio::awaitable<ApiResponse> ask(SharedPointer shared, ApiRequest request) {
    auto handle = [api = shared->api, request = std::move(request)](auto answer) mutable {
        api->handle(std::move(request), std::move(answer));
    };
    return net::await_callback<ApiResponse>(std::move(handle));
}

// One connection, request after request.
class Session : public std::enable_shared_from_this<Session> {
 public:
    Session(SharedPointer shared, Stream stream, std::optional<TcpSide> listen)
        : shared_(std::move(shared)),
          stream_(std::move(stream)),
          listen_(std::move(listen)),
          connection_(listen_ ? shared_->tcp_connections : shared_->control_connections,
                      [this] { close(); }),
          pause_(shared_->executor) {}

    asio::awaitable<void> run() {
        // g++ 12.2 miscompiles co_await in the condition of a loop.
        bool more = true;
        while (more) more = co_await serve_request();
        co_await finish();
    }

 private:
    asio::awaitable<bool> serve_request();
    asio::awaitable<bool> read_body(Parser& parser);
    asio::awaitable<ApiResponse> answer(ApiRequest request);
    asio::awaitable<bool> respond(ApiResponse response, bool keep_alive);
    asio::awaitable<bool> respond_with_file(const ApiResponse& response, bool keep_alive);
    asio::awaitable<bool> send(std::string_view piece);
    asio::awaitable<void> send_events();
    asio::awaitable<bool> send_event(std::string text);
    void begin_telling();
    void watch();
    asio::awaitable<void> finish();
    asio::awaitable<bool> write_header(http::response<http::empty_body>& header);
    template <class Body>
    asio::awaitable<bool> write(http::response<Body>& message);
    std::optional<ApiResponse> refuse(const Request& request);
    std::optional<uid_t> user();
    void begin_request();
    void begin_step() { stream_.expires_after(shared_->limits.timeout); }
    void begin_reading();
    // Whether a token that let this connection's request in still does.
    [[nodiscard]] bool token_holds() const { return !listen_ || tokens_ == shared_->tokens; }
    void close() {
        beast::error_code ignored;
        stream_.socket().close(ignored);
        pause_.cancel();
    }

    SharedPointer shared_;
    Stream stream_;
    std::optional<TcpSide> listen_;  // none on control.sock
    std::optional<uid_t> user_;      // at the far end, once it was asked for
    Connection connection_;
    std::chrono::steady_clock::time_point heard_by_;  // while it is unheard
    std::uint64_t tokens_ = 0;                        // how many there were at the last request
    beast::flat_buffer buffer_;
    asio::steady_timer pause_;        // between two events
    std::array<char, 512> unheeded_;  // what a client says while events are told
    unsigned version_ = 11;
    bool head_ = false;
};

// A transfer coding that is not undone would leave the body to be taken for the next request, and
// of two answers to one question a parser elsewhere may read the other one.
std::optional<ApiResponse> unclear(const Request& request) {
    const bool codings = request.count(http::field::transfer_encoding) > 0;
    const bool chunked = request.count(http::field::transfer_encoding) == 1 &&
                         beast::iequals(request[http::field::transfer_encoding], "chunked");
    if (codings && !chunked) {
        return error_response(501, "not_implemented",
                              "the only Transfer-Encoding taken here is chunked");
    }
    // RFC 9112 section 3.2: more than one Host is an attack on somebody's parser.
    for (const http::field field :
         {http::field::host, http::field::origin, http::field::sec_fetch_site}) {
        if (request.count(field) < 2) continue;
        return error_response(
            400, "bad_request",
            "the request has more than one " + std::string(view(http::to_string(field))));
    }
    return std::nullopt;
}

// Looked up where it decides, as that reads a table of all connections.
std::optional<uid_t> Session::user() {
    if (user_) return user_;
    const PeerEnds ends{listen_->there, listen_->here};
    return user_ = peer_user(ends);
}

void Session::begin_request() {
    if (connection_.phase() != Connection::Phase::unheard) {
        connection_.enter(Connection::Phase::idle);
    }
    const base::Duration most = std::min(shared_->limits.first_request, shared_->limits.timeout);
    heard_by_ = std::chrono::steady_clock::now() + most;
}

// A client that was not heard yet gets no more time by sending a byte now and then.
void Session::begin_reading() {
    if (connection_.phase() == Connection::Phase::unheard) {
        stream_.expires_at(heard_by_);
    } else {
        begin_step();
    }
}

std::optional<ApiResponse> Session::refuse(const Request& request) {
    if (!listen_) return std::nullopt;
    listen_->token = shared_->token;  // a reload may have changed it since the last request
    tokens_ = shared_->tokens;
    RequestFacts facts;
    facts.method = view(request.method_string());
    facts.path = path_of(request);
    facts.host = view(request[http::field::host]);
    facts.origin = view(request[http::field::origin]);
    facts.fetch_site = view(request[http::field::sec_fetch_site]);
    facts.authorization = view(request[http::field::authorization]);
    std::optional<Refusal> refusal = check_access(facts, *listen_);
    if (!refusal && listen_->token.empty() && !open_to_every_user(facts.path)) {
        refusal = check_user(user(), ::geteuid());
    }
    if (!refusal) return std::nullopt;
    return error_response(refusal->status, refusal->code, refusal->message);
}

asio::awaitable<bool> Session::serve_request() {
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(shared_->limits.header_bytes));
    parser.body_limit(shared_->limits.body_bytes);
    version_ = 11;
    head_ = false;
    begin_request();
    begin_reading();
    const auto [error, count] =
        co_await http::async_read_header(stream_, buffer_, parser, as_result);
    if (error) {
        std::optional<ApiResponse> response = read_failure_response(error);
        if (response) co_await respond(std::move(*response), false);
        co_return false;
    }
    version_ = parser.get().version();
    head_ = parser.get().method() == http::verb::head;
    std::optional<ApiResponse> unclear_request = unclear(parser.get());
    if (unclear_request) co_return co_await respond(std::move(*unclear_request), false);
    std::optional<ApiResponse> refused = refuse(parser.get());
    if (refused) {
        const bool keep = parser.keep_alive() && parser.is_done();
        co_return co_await respond(std::move(*refused), keep);
    }
    const bool whole = co_await read_body(parser);
    if (!whole || shared_->stopped) co_return false;
    connection_.enter(Connection::Phase::busy);
    if (!listen_ || for_owner(path_of(parser.get()), *listen_)) connection_.own();

    const bool keep = parser.keep_alive();
    ApiRequest request;
    request.method = std::string(view(parser.get().method_string()));
    request.target = std::string(view(parser.get().target()));
    request.body = std::move(parser.get().body());
    ApiResponse response = co_await answer(std::move(request));
    if (shared_->stopped) co_return false;
    if (response.events) {
        co_await send_events();
        co_return false;
    }
    const bool more = co_await respond(std::move(response), keep && token_holds());
    if (!token_holds()) co_return false;
    co_return more;
}

// A question to the spool is asked to its end, also when its connection has given way to another
// one: without a limit on them strangers could pile them up while the disk is slow.
asio::awaitable<ApiResponse> Session::answer(ApiRequest request) {
    const bool bounded = connection_.is_owners() || request.target == "/healthz";
    if (bounded) co_return co_await ask(shared_, std::move(request));
    if (shared_->strangers_waiting >= shared_->limits.connections) {
        ApiResponse busy = error_response(503, "busy", "too many requests wait for the spool");
        busy.headers.emplace_back("Retry-After", "1");
        co_return busy;
    }
    ++shared_->strangers_waiting;
    const base::AtEnd answered{[shared = shared_] { --shared->strangers_waiting; }};
    co_return co_await ask(shared_, std::move(request));
}

asio::awaitable<bool> Session::read_body(Parser& parser) {
    if (parser.is_done()) co_return true;
    if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
        http::response<http::empty_body> go_on{http::status::continue_, version_};
        begin_step();
        const auto [error, count] = co_await http::async_write(stream_, go_on, as_result);
        if (error) co_return false;
    }
    begin_reading();
    const auto [error, count] = co_await http::async_read(stream_, buffer_, parser, as_result);
    if (!error) co_return true;
    std::optional<ApiResponse> response = read_failure_response(error);
    if (response) co_await respond(std::move(*response), false);
    co_return false;
}

asio::awaitable<bool> Session::write_header(http::response<http::empty_body>& header) {
    http::response_serializer<http::empty_body> serializer{header};
    begin_step();
    const auto [error, count] = co_await http::async_write_header(stream_, serializer, as_result);
    co_return !error;
}

template <class Body>
asio::awaitable<bool> Session::write(http::response<Body>& message) {
    http::response_serializer<Body> serializer{message};
    if (head_) {
        begin_step();
        const auto [error, count] =
            co_await http::async_write_header(stream_, serializer, as_result);
        co_return !error && message.keep_alive();
    }
    // Piece by piece, so that the time limit is for one piece and not for a large message.
    while (!serializer.is_done()) {
        begin_step();
        const auto [error, count] = co_await http::async_write_some(stream_, serializer, as_result);
        if (error) co_return false;
    }
    co_return message.keep_alive();
}

asio::awaitable<bool> Session::respond_with_file(const ApiResponse& response, bool keep_alive) {
    spool::Body content;
    content.file = response.file;
    content.size = response.file_size;
    delivery::BodySource source{shared_->files, std::move(content)};
    base::Result<std::string_view> piece = co_await source.next();
    if (!piece) {
        // Delivered or deleted since the spool named it.
        ApiResponse gone = error_response(404, "not_found", "the message's content is gone");
        co_return co_await respond(std::move(gone), keep_alive);
    }
    http::response<http::empty_body> header;
    fill_header(header, response, response.file_size, version_, keep_alive);
    bool going = co_await write_header(header);
    while (going && !head_ && piece && !piece->empty()) {
        going = co_await send(*piece);
        if (going) piece = co_await source.next();
    }
    if (!going || !piece) co_return false;
    co_return keep_alive;
}

// The time limit is for what the peer takes at a time, not for all of it.
asio::awaitable<bool> Session::send(std::string_view piece) {
    while (!piece.empty()) {
        begin_step();
        const auto buffer = asio::buffer(piece.data(), piece.size());
        const auto [error, count] = co_await stream_.async_write_some(buffer, as_result);
        if (error) co_return false;
        piece.remove_prefix(count);
    }
    co_return true;
}

asio::awaitable<bool> Session::respond(ApiResponse response, bool keep_alive) {
    if (!response.file.empty()) co_return co_await respond_with_file(response, keep_alive);
    http::response<http::string_body> message;
    fill_header(message, response, response.body.size(), version_, keep_alive);
    message.body() = std::move(response.body);
    co_return co_await write(message);
}

// The status without what changes while nothing happens: the time that passes, and the room that
// other programs take and leave.
std::string without_drift(const std::string& status) {
    boost::system::error_code error;
    json::value value = json::parse(status, error);
    if (error || !value.is_object()) return status;
    json::object& object = value.get_object();
    object.erase("uptime_seconds");
    if (json::value* queue = object.if_contains("queue"); queue != nullptr && queue->is_object()) {
        queue->get_object().erase("free_bytes");
    }
    return json::serialize(value);
}

// Server-sent events (the HTML standard, section 9.2): the status as soon as it has changed.
// Without a length, so the connection's end is theirs.
asio::awaitable<void> Session::send_events() {
    constexpr std::chrono::seconds between{1};
    constexpr unsigned quiet_rounds = 15;  // a proxy may take silence for the end
    http::response<http::empty_body> header{http::status::ok, version_};
    ApiResponse kind;
    kind.content_type = "text/event-stream";
    fill_header(header, kind, 0, version_, false);
    header.content_length(boost::none);
    if (!head_) begin_telling();
    const bool begun = co_await write_header(header);
    if (!begun || head_) co_return;
    watch();
    bool going = true;
    std::string last;
    for (unsigned quiet = 0; going && !shared_->stopped && token_holds(); ++quiet) {
        ApiRequest question;
        question.method = "GET";
        question.target = "/api/v1/status";
        ApiResponse status = co_await ask(shared_, std::move(question));
        if (shared_->stopped || !token_holds()) co_return;
        std::string lasting = status.status == 200 ? without_drift(status.body) : last;
        const bool changed = lasting != last;
        if (changed) {
            last = std::move(lasting);
            std::string event = "event: status\ndata: " + status.body + "\n";  // it ends in LF
            going = co_await send_event(std::move(event));
        } else if (quiet >= quiet_rounds) {
            going = co_await send_event(":\n\n");
        }
        if (changed || quiet >= quiet_rounds) quiet = 0;
        pause_.expires_after(between);
        co_await pause_.async_wait(as_result);
        going = going && stream_.socket().is_open();
    }
}

void Session::begin_telling() {
    Connections& all = listen_ ? shared_->tcp_connections : shared_->control_connections;
    const std::size_t most = std::max<std::size_t>(shared_->limits.connections / 2, 1);
    if (all.make_room_to_tell(most) == Connections::Room::made) {
        shared_->warnings.warning(
            "events", "admin events ended for a newer client: too many listen", {{"limit", most}});
    }
    connection_.enter(Connection::Phase::telling);
}

// Nothing is read for an answer any more, so that only this learns at once of a client that leaves.
void Session::watch() {
    stream_.socket().async_read_some(
        asio::buffer(unheeded_),
        [self = shared_from_this()](const boost::system::error_code& gone, std::size_t) {
            if (gone) return self->close();
            self->watch();
        });
}

asio::awaitable<bool> Session::send_event(std::string text) {
    begin_step();
    const auto [error, count] = co_await asio::async_write(stream_, asio::buffer(text), as_result);
    co_return !error;
}

// Closing with unread bytes would reset the connection, and the peer might never see the answer
// (RFC 9112 section 9.6): say that we are done, then read on for a moment.
asio::awaitable<void> Session::finish() {
    constexpr std::size_t drain_limit = 4 * 1024 * 1024;
    beast::error_code ignored;
    if (!stream_.socket().is_open()) co_return;
    stream_.socket().shutdown(asio::socket_base::shutdown_send, ignored);
    stream_.expires_after(std::chrono::seconds{2});
    std::array<char, 4096> scratch;
    for (std::size_t drained = 0; drained < drain_limit;) {
        const auto buffer = asio::buffer(scratch);
        const auto [error, count] = co_await stream_.async_read_some(buffer, as_result);
        if (error) break;
        drained += count;
    }
    stream_.socket().close(ignored);
}

}  // namespace

asio::awaitable<void> run_session(SharedPointer shared,
                                  asio::generic::stream_protocol::socket socket,
                                  std::optional<TcpSide> listen) {
    const auto session =
        std::make_shared<Session>(std::move(shared), Stream{std::move(socket)}, std::move(listen));
    co_await session->run();
}

}  // namespace admin
