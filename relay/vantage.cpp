#include "relay/vantage.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <set>

#include "admin/access.hpp"
#include "base/bug.hpp"
#include "base/errno_name.hpp"
#include "base/text.hpp"
#include "diagnose/connect.hpp"
#include "relay/listen_socket.hpp"
#include "relay/vantage_rules.hpp"
#include "smtp/tls_ports.hpp"
#include "tls/stream.hpp"

namespace relay {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace json = boost::json;
using Parser = http::request_parser<http::string_body>;
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t most_connections = 64;
constexpr std::size_t longest_banner = 512;
constexpr std::chrono::seconds request_limit{10};
constexpr std::chrono::milliseconds accept_pause{100};
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

struct Answer {
    unsigned status = 200;
    std::string body, extra_header;
};

Answer refusal(unsigned status, std::string_view code, std::string_view message) {
    json::object error;
    error["code"] = code;
    error["message"] = message;
    json::object body;
    body["error"] = std::move(error);
    Answer answer;
    answer.status = status;
    answer.body = json::serialize(body);
    return answer;
}

std::string_view reason_of(unsigned status) {
    const auto reason = http::obsolete_reason(static_cast<http::status>(status));
    return {reason.data(), reason.size()};
}

std::string response_text(const Answer& answer) {
    return fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{}Connection: close\r\n\r\n"
        "{}\n",
        answer.status, reason_of(answer.status), answer.body.size() + 1, answer.extra_header,
        answer.body);
}

// What one port of the asker showed.
struct PortView {
    std::uint16_t port = 0;
    std::string result, banner;
    int error_number = 0;
    std::int64_t ms = 0;
};

// The first line a server says, printable; "" when it stays silent.
asio::awaitable<std::string> read_banner(tls::Stream& stream, base::Duration timeout) {
    std::string text;
    std::array<char, longest_banner> buffer{};
    stream.expires_after(timeout);
    while (text.find('\n') == text.npos && text.size() < longest_banner) {
        const base::Result<std::size_t> count = co_await stream.read_some(buffer);
        if (!count.has_value()) break;
        text.append(buffer.data(), *count);
    }
    const std::size_t end = text.find('\n');
    co_return base::printable(base::trim(std::string_view{text}.substr(0, end)), longest_banner);
}

// A port of implicit TLS waits for a TLS hello: nothing is to be read there.
asio::awaitable<PortView> look_at_port(asio::any_io_executor executor, asio::ip::address address,
                                       std::uint16_t port, base::Duration connect_timeout,
                                       base::Duration banner_timeout) {
    PortView view;
    view.port = port;
    const diagnose::ConnectAsk ask{address, port, connect_timeout};
    diagnose::ConnectOutcome outcome = co_await diagnose::connect_once(executor, ask);
    view.result = diagnose::connect_result_name(outcome.result);
    view.error_number = outcome.error_number;
    view.ms = outcome.took.count();
    if (!outcome.stream || smtp::implicit_tls(port)) co_return view;
    tls::Stream& stream = *outcome.stream;
    view.banner = co_await read_banner(stream, banner_timeout);
    if (view.banner.starts_with("220")) {
        const base::Result<> written = co_await stream.write("QUIT\r\n");
        static_cast<void>(written);
    }
    stream.close();
    co_return view;
}

json::object json_of(const PortView& view) {
    json::object object;
    object["port"] = view.port;
    object["result"] = view.result;
    object["banner"] = view.banner.empty() ? json::value(nullptr) : json::value(view.banner);
    object["errno"] = view.error_number == 0 ? json::value(nullptr)
                                             : json::value(base::errno_name(view.error_number));
    object["ms"] = view.ms;
    return object;
}

struct Gathered {
    Gathered(asio::any_io_executor executor, std::size_t count)
        : views(count), left(count), all_done(executor, asio::steady_timer::time_point::max()) {}
    std::vector<PortView> views;
    std::size_t left;
    asio::steady_timer all_done;
};

struct Door {
    explicit Door(asio::any_io_executor executor) : acceptor(executor), pause(executor) {}
    asio::ip::tcp::acceptor acceptor;
    asio::steady_timer pause;
    std::string address;
};

}  // namespace

struct Vantage::State : std::enable_shared_from_this<Vantage::State> {
    State(asio::any_io_executor the_executor, VantageOptions the_options,
          std::function<void(std::string_view)> speak)
        : executor(std::move(the_executor)),
          options(std::move(the_options)),
          say(std::move(speak)),
          limits(options.per_address, options.in_all) {}

    base::Result<> listen(const std::string& address);
    asio::awaitable<void> accept(std::shared_ptr<State> self, std::shared_ptr<Door> door);
    asio::awaitable<void> serve(std::shared_ptr<State> self, std::shared_ptr<tls::Stream> stream);
    asio::awaitable<base::Result<>> read_request(tls::Stream& stream, Parser& parser);
    asio::awaitable<Answer> answer(const Parser& parser, std::string peer);
    asio::awaitable<Answer> probe(std::string address, std::vector<std::uint16_t> ports);

    asio::any_io_executor executor;
    VantageOptions options;
    std::function<void(std::string_view)> say;
    VantageLimits limits;
    std::vector<std::shared_ptr<Door>> doors;
    std::set<std::shared_ptr<tls::Stream>> streams;
    bool stopped = false;
};

base::Result<> Vantage::State::listen(const std::string& address) {
    if (address.starts_with("unix:") || address == "systemd") {
        return base::error(fmt::format("{}: a vantage listens on HOST:PORT only", address));
    }
    base::Result<std::vector<ListenSocket>, ListenError> sockets =
        open_listen_sockets(address, "--listen");
    if (sockets.has_error()) return base::error(sockets.error().message);
    for (const ListenSocket& socket : *sockets) {
        const auto door = std::make_shared<Door>(executor);
        if (const auto taken = take_over(door->acceptor, socket); !taken) return taken.error();
        door->address = socket.address;
        doors.push_back(door);
    }
    return {};
}

asio::awaitable<void> Vantage::State::accept(std::shared_ptr<State> self,
                                             std::shared_ptr<Door> door) {
    while (!stopped) {
        auto [failure, socket] = co_await door->acceptor.async_accept(as_result);
        if (stopped) co_return;
        if (failure) {
            door->pause.expires_after(accept_pause);
            co_await door->pause.async_wait(as_result);
            continue;
        }
        if (streams.size() >= most_connections) continue;  // closes it
        auto stream = std::make_shared<tls::Stream>(std::move(socket));
        streams.insert(stream);
        asio::co_spawn(executor, serve(self, stream), [self, stream](std::exception_ptr broken) {
            base::log_bug("a request ended by a fault of the vantage", broken);
            stream->close();
            self->streams.erase(stream);
        });
    }
}

asio::awaitable<base::Result<>> Vantage::State::read_request(tls::Stream& stream, Parser& parser) {
    parser.header_limit(8 * 1024);
    parser.body_limit(std::uint64_t{0});
    parser.eager(true);
    std::string unread;
    std::array<char, 4096> buffer{};
    while (!parser.is_done()) {
        const base::Result<std::size_t> count = co_await stream.read_some(buffer);
        if (!count.has_value()) co_return count.error();
        unread.append(buffer.data(), *count);
        boost::system::error_code failure;
        const std::size_t used = parser.put(asio::buffer(unread), failure);
        unread.erase(0, used);
        if (failure == http::error::need_more) continue;
        if (failure) co_return base::error("the request is no HTTP that is understood here");
    }
    co_return base::Result<>{};
}

asio::awaitable<void> Vantage::State::serve(std::shared_ptr<State> self,
                                            std::shared_ptr<tls::Stream> connection) {
    tls::Stream& stream = *connection;
    const std::string peer = stream.remote_address();
    stream.expires_after(request_limit);
    if (options.certificate) {
        const tls::Handshake shaken = co_await stream.handshake_server(*options.certificate);
        if (!shaken.has_value()) co_return;
    }
    Parser parser;
    const base::Result<> read = co_await read_request(stream, parser);
    Answer reply;
    if (read.has_value()) {
        reply = co_await answer(parser, peer);
    } else if (stream.close_reason() == tls::CloseReason::none) {
        reply = refusal(400, "bad_request", read.error().message);
    } else {
        co_return;
    }
    if (self->stopped) co_return;
    const std::string text = response_text(reply);
    stream.expires_after(request_limit);
    const base::Result<> written = co_await stream.write(text);
    static_cast<void>(written);
    stream.close();
}

asio::awaitable<Answer> Vantage::State::answer(const Parser& parser, std::string peer) {
    const auto view = [](boost::beast::string_view text) {
        return std::string_view{text.data(), text.size()};
    };
    const auto& request = parser.get();
    const base::Result<std::string> address =
        asking_address(peer, view(request["X-Forwarded-For"]), options.trusted_proxies);
    if (!address.has_value()) co_return refusal(400, "no_address", address.error().message);
    // Counted before the token is looked at, so that guessing is slow.
    if (const unsigned wait = limits.admit(*address, SteadyClock::now()); wait > 0) {
        Answer busy =
            refusal(429, "too_many", fmt::format("too many requests; try again in {} s", wait));
        busy.extra_header = fmt::format("Retry-After: {}\r\n", wait);
        co_return busy;
    }
    if (!admin::bears_token(view(request[http::field::authorization]), options.token)) {
        Answer unknown = refusal(401, "unauthorized", "the token is missing or wrong");
        unknown.extra_header = "WWW-Authenticate: Bearer\r\n";
        say(fmt::format("{} refused: no or wrong token", *address));
        co_return unknown;
    }
    if (request.method() != http::verb::get) {
        Answer wrong = refusal(405, "method_not_allowed", "ask with GET /probe");
        wrong.extra_header = "Allow: GET\r\n";
        co_return wrong;
    }
    const base::Result<std::vector<std::uint16_t>> ports = requested_ports(view(request.target()));
    if (!ports.has_value()) {
        co_return refusal(404, "not_found", ports.error().message);
    }
    Answer seen = co_await probe(*address, *ports);
    co_return seen;
}

asio::awaitable<Answer> Vantage::State::probe(std::string text, std::vector<std::uint16_t> ports) {
    const asio::ip::address address = asio::ip::make_address(text);
    // Side by side: the slowest decides how long the asker waits.
    const auto gathered = std::make_shared<Gathered>(executor, ports.size());
    for (std::size_t i = 0; i < ports.size(); ++i) {
        asio::co_spawn(executor,
                       look_at_port(executor, address, ports[i], options.connect_timeout,
                                    options.banner_timeout),
                       [gathered, i](std::exception_ptr broken, PortView view) {
                           base::log_bug("a port was not looked at: an internal error", broken);
                           if (!broken) gathered->views[i] = std::move(view);
                           if (--gathered->left == 0) gathered->all_done.cancel();
                       });
    }
    while (gathered->left > 0) co_await gathered->all_done.async_wait(as_result);
    json::array list;
    std::string summary;
    for (const PortView& view : gathered->views) {
        list.push_back(json_of(view));
        summary += fmt::format(" {} {}", view.port, view.result);
    }
    say(text + summary);
    json::object body;
    body["schema"] = 1;
    body["address"] = text;
    body["family"] = address.is_v4() ? "ipv4" : "ipv6";
    body["ports"] = std::move(list);
    Answer answer;
    answer.body = json::serialize(body);
    co_return answer;
}

base::Result<std::unique_ptr<Vantage>> Vantage::open(asio::any_io_executor executor,
                                                     VantageOptions options,
                                                     std::function<void(std::string_view)> say) {
    auto state = std::make_shared<State>(executor, std::move(options), std::move(say));
    for (const std::string& address : state->options.listen) {
        base::Result<> done = state->listen(address);
        if (done.has_error()) return done.error();
    }
    return std::unique_ptr<Vantage>{new Vantage(std::move(state))};
}

Vantage::~Vantage() { stop(); }

std::vector<std::string> Vantage::addresses() const {
    std::vector<std::string> texts;
    for (const auto& door : state_->doors) texts.push_back(door->address);
    return texts;
}

void Vantage::start() {
    for (const auto& door : state_->doors) {
        asio::co_spawn(
            state_->executor, state_->accept(state_, door),
            base::bug_logger(
                "an address of the vantage takes no more connections: an internal error"));
    }
}

void Vantage::stop() {
    if (state_->stopped) return;
    state_->stopped = true;
    boost::system::error_code ignored;
    for (const auto& door : state_->doors) {
        door->acceptor.close(ignored);
        door->pause.cancel();
    }
    for (const auto& stream : state_->streams) stream->close();
}

}  // namespace relay
