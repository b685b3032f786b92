#include "diagnose/dialogue.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/asio/ip/address.hpp>

#include "base/text.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;

constexpr std::size_t raw_limit = 1024;
constexpr std::size_t line_limit = 200;

bool offers(const std::vector<std::string>& lines, std::string_view keyword) {
    for (const std::string& line : lines) {
        const std::string_view word = std::string_view{line}.substr(0, line.find(' '));
        if (base::equals_ignoring_case(word, keyword)) return true;
    }
    return false;
}

std::vector<std::string> lines_of(const smtp::Reply& reply) {
    std::vector<std::string> lines;
    for (const std::string_view line : base::split(reply.text, '\n')) {
        lines.push_back(base::printable(line, line_limit));
    }
    return lines;
}

asio::awaitable<void> shake_hands(tls::Stream& stream, const GreetingAsk& ask, Greeting& result) {
    const tls::Peer peer{ask.host, ask.port};
    const tls::Handshake shaken = co_await stream.handshake_client(*ask.observer, peer);
    result.certificate = certificate_view(shaken);
}

asio::awaitable<void> upgrade(tls::Stream& stream, Dialogue& dialogue, const GreetingAsk& ask,
                              Greeting& result) {
    base::Result<smtp::Reply> reply = co_await dialogue.command("STARTTLS");
    if (!reply.has_value()) {
        result.problem = reply.error().message;
        co_return;
    }
    result.starttls = std::move(*reply);
    if (result.starttls.code != 220) co_return;
    dialogue.forget_unread();
    co_await shake_hands(stream, ask, result);
}

}  // namespace

CertificateView certificate_view(const tls::Handshake& shaken) {
    CertificateView view;
    if (!shaken.has_value()) {
        view.problem = shaken.error().message;
        view.timed_out = shaken.error().timed_out;
        return view;
    }
    view.version = shaken->version;
    view.subject = shaken->peer_subject;
    view.issuer = shaken->peer_issuer;
    view.names = shaken->peer_names;
    view.not_after = shaken->peer_not_after;
    view.problem = shaken->problem;
    view.faults = shaken->faults;
    return view;
}

asio::awaitable<base::Result<smtp::Reply>> Dialogue::read() {
    std::array<char, 2048> buffer;
    for (;;) {
        std::optional<smtp::Reply> reply = parser_.next();
        if (reply) co_return std::move(*reply);
        if (parser_.failed()) co_return base::error(parser_.problem());
        const base::Result<std::size_t> count = co_await stream_.read_some(buffer);
        if (!count.has_value()) co_return count.error();
        const std::string_view bytes{buffer.data(), *count};
        raw_.append(bytes.substr(0, raw_limit - std::min(raw_limit, raw_.size())));
        parser_.receive(bytes);
    }
}

asio::awaitable<base::Result<smtp::Reply>> Dialogue::command(std::string line) {
    line += "\r\n";
    const base::Result<> written = co_await stream_.write(line);
    if (!written.has_value()) co_return written.error();
    base::Result<smtp::Reply> reply = co_await read();
    co_return reply;
}

asio::awaitable<void> Dialogue::quit() {
    [[maybe_unused]] const base::Result<> said = co_await stream_.write("QUIT\r\n");
}

std::string CertificateView::text() const {
    if (!shown()) return problem;
    const std::string what = fmt::format("{}: {}, issued by {}, until {}", version, names, issuer,
                                         base::format_iso8601(not_after).substr(0, 10));
    return problem.empty() ? what : what + "; " + problem;
}

asio::awaitable<Greeting> look_at_server(tls::Stream& stream, const GreetingAsk& ask) {
    Greeting result;
    Dialogue dialogue{stream};
    stream.expires_after(ask.timeout);
    if (ask.implicit_tls) {
        co_await shake_hands(stream, ask, result);
        if (!result.certificate.shown()) co_return result;
    }
    base::Result<smtp::Reply> banner = co_await dialogue.read();
    result.raw = base::printable(dialogue.raw().substr(0, dialogue.raw().find_first_of("\r\n")));
    result.silent = dialogue.silent();
    if (!banner.has_value()) {
        result.problem = banner.error().message;
        result.timed_out = stream.close_reason() == tls::CloseReason::timeout;
        co_return result;
    }
    result.banner = std::move(*banner);
    if (result.banner.code == 220 && ask.ehlo) {
        base::Result<smtp::Reply> ehlo = co_await dialogue.command("EHLO " + ask.helo);
        if (!ehlo.has_value()) {
            result.problem = ehlo.error().message;
            co_return result;
        }
        result.ehlo = std::move(*ehlo);
        result.ehlo_lines = lines_of(result.ehlo);
        result.starttls_offered = result.ehlo.positive() && offers(result.ehlo_lines, "STARTTLS");
        const bool upgrades = ask.starttls && !ask.implicit_tls && ask.observer != nullptr;
        if (upgrades && result.starttls_offered) {
            co_await upgrade(stream, dialogue, ask, result);
        }
    }
    co_await dialogue.quit();
    co_return result;
}

std::string echoed_address(const std::vector<std::string>& ehlo_lines) {
    if (ehlo_lines.empty()) return {};
    const std::string& first = ehlo_lines.front();
    const std::size_t open = first.rfind('[');
    const std::size_t close = first.find(']', open == first.npos ? 0 : open);
    if (open == first.npos || close == first.npos) return {};
    std::string inner = first.substr(open + 1, close - open - 1);
    if (base::starts_with_ignoring_case(inner, "IPv6:")) inner.erase(0, 5);
    boost::system::error_code failure;
    const auto address = asio::ip::make_address(inner, failure);
    return failure ? std::string{} : address.to_string();
}

}  // namespace diagnose
