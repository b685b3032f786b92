#include "relay/submission.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <functional>
#include <memory>

#include "admin/access.hpp"
#include "base/message_id.hpp"
#include "base/text.hpp"
#include "base/this_host.hpp"
#include "delivery/connection.hpp"
#include "net/resolver.hpp"
#include "relay/run_alone.hpp"
#include "smtp/proxy_header.hpp"
#include "tls/context.hpp"

namespace relay {

namespace asio = boost::asio;
using base::Result;

namespace {

using Replies = std::vector<smtp::Reply>;

// A server that says nothing for so long does not speak SMTP there, or not without TLS. The reply
// to the message itself has the time it needs.
constexpr std::chrono::seconds reply_limit{30};

// Credentials never leave this host without TLS; the local listener needs none.
delivery::TlsMode tls_mode(const SubmissionTarget& target) {
    const bool implicit =
        target.implicit_tls || delivery::tls_for_port(delivery::TlsMode::automatic, target.port) ==
                                   smtp::ClientTls::implicit;
    if (implicit) return delivery::TlsMode::implicit;
    if (base::is_this_host(target.host) || target.username.empty()) return delivery::TlsMode::none;
    return delivery::TlsMode::automatic;
}

delivery::SmarthostOptions connection_options(const SubmissionTarget& target) {
    delivery::SmarthostOptions options;
    options.name = target.host;
    options.host = target.host;
    options.ports = {target.port};
    options.tls = tls_mode(target);
    // Its certificate is for the name under which others know it.
    options.verification.verify = !base::is_this_host(target.host);
    options.command_timeout = reply_limit;
    options.username = target.username;
    options.password = target.password;
    options.auth =
        target.username.empty() ? smtp::AuthMechanism::none : smtp::AuthMechanism::automatic;
    options.helo = target.helo;
    return options;
}

Result<Replies> replies_of(const std::vector<smtp::RecipientResult>& results) {
    Replies replies;
    for (const smtp::RecipientResult& result : results) {
        if (result.reply.code == 0) return base::error(result.problem);
        replies.push_back(result.reply);
    }
    return replies;
}

// A connection advises who configures a smarthost; this command has none of its keys.
std::string in_words_of_send(const std::string& problem) {
    const auto advice = problem.find(": if this port speaks TLS from its first byte");
    if (advice == std::string::npos) return problem;
    return problem.substr(0, advice) +
           ": this port may speak TLS from its first byte, which relay send does at the ports 465, "
           "2465 and 8465 only; give a port of that server with STARTTLS or without TLS";
}

asio::awaitable<Result<Replies>> submit(const delivery::SmarthostOptions& options,
                                        tls::ClientContext context, std::string header,
                                        smtp::Transaction transaction, spool::Body body) {
    const auto executor = co_await asio::this_coro::executor;
    const std::unique_ptr<net::Resolver> resolver = net::make_resolver(executor);
    delivery::Connection connection{executor, *resolver, options, context};
    if (!header.empty()) connection.begin_with(std::move(header));
    const auto failure = co_await connection.open(options.ports.front());
    if (failure) {
        if (failure->reply.code == 0) co_return base::error(in_words_of_send(failure->problem));
        if (failure->stage == smtp::Stage::auth) {
            co_return base::error("the sign-in was refused: " + failure->reply.one_line() +
                                  "; see --user and --password-file");
        }
        Replies same(transaction.envelope.recipients.size(), failure->reply);
        co_return same;
    }
    delivery::BodySource source{executor, std::move(body)};
    const delivery::Connection::Steps steps{[] {}, nullptr};
    const std::vector<smtp::RecipientResult> results =
        co_await connection.deliver(transaction, source, steps);
    if (connection.ready()) co_await connection.quit();
    if (results.empty()) co_return base::error("the server gave no result");
    co_return replies_of(results);
}

}  // namespace

Result<SubmissionTarget> parse_submission_target(const std::string& text) {
    SubmissionTarget target;
    if (text.starts_with("unix:")) {
        target.host = text;
        return target;
    }
    const auto parts = admin::parse_host_port(text, 0);
    if (!parts || parts->port == 0) {
        return base::error("\"" + base::printable(text, 128) +
                           "\" is not a server: write HOST:PORT, [IPV6]:PORT or unix:/path");
    }
    target.host = parts->host;
    target.port = parts->port;
    if (target.host == "0.0.0.0" || target.host == "*") target.host = "127.0.0.1";
    if (target.host == "::") target.host = "::1";
    return target;
}

Result<std::vector<smtp::Reply>> submit_mail(const SubmissionTarget& target,
                                             const smtp::Envelope& envelope, std::string content) {
    const delivery::SmarthostOptions options = connection_options(target);
    auto context = tls::ClientContext::load(options.verification);
    if (!context) return context.error();
    smtp::Transaction transaction;
    transaction.envelope = envelope;
    transaction.body_size = content.size();
    spool::Body body;
    body.size = content.size();
    body.bytes = std::make_shared<const std::string>(std::move(content));

    // Who is at a unix socket is on this host.
    const bool at_unix = target.host.starts_with("unix:");
    std::string header;
    if (target.proxied) header = smtp::proxy_line(at_unix ? "127.0.0.1" : target.host);

    return run_alone(
        submit(options, *context, std::move(header), std::move(transaction), std::move(body)));
}

std::string queued_id(const smtp::Reply& reply) {
    constexpr std::string_view mark = "queued as ";
    const auto at = reply.text.find(mark);
    if (at == std::string::npos) return "";
    const std::string_view rest = std::string_view{reply.text}.substr(at + mark.size());
    const std::string_view id = rest.substr(0, rest.find_first_of(" \n"));
    return base::MessageId::parse(id) ? std::string(id) : "";
}

}  // namespace relay
