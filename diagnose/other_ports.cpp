#include "diagnose/other_ports.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "base/text.hpp"
#include "diagnose/check_names.hpp"
#include "diagnose/connect.hpp"
#include "diagnose/mail_ports.hpp"
#include "smtp/tls_ports.hpp"
#include "tls/context.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;

// "TLS with smtp.example.com:465 failed: ..." without what is said anyway.
std::string tls_trouble(const std::string& problem) {
    constexpr std::string_view failed = " failed: ";
    const std::size_t at = problem.starts_with("TLS with ") ? problem.find(failed) : problem.npos;
    return "TLS fails: " + (at == problem.npos ? problem : problem.substr(at + failed.size()));
}

// Why a port that takes connections is of no use; "" when it speaks.
std::string trouble_of(const Greeting& greeting) {
    const CertificateView& certificate = greeting.certificate;
    if (greeting.banner.code == 0) {
        if (!certificate.shown() && !certificate.problem.empty()) {
            return tls_trouble(certificate.problem);
        }
        return greeting.silent ? "nothing greets there" : "what answers there is no mail server";
    }
    if (greeting.banner.code != 220) {
        return fmt::format("it turns this host away: \"{}\"",
                           base::printable(greeting.banner.one_line()));
    }
    if (!greeting.ehlo.positive()) return "it does not answer EHLO as a mail server does";
    if (certificate.shown() && certificate.problem.empty()) return {};
    if (!certificate.problem.empty()) return tls_trouble(certificate.problem);
    return greeting.starttls_offered ? "STARTTLS is offered and then refused"
                                     : "it offers no STARTTLS";
}

std::string list_of(const OtherPorts& ports, bool speaking) {
    std::vector<std::string> words;
    for (const OtherPort& port : ports) {
        if (port.speaks == speaking) words.push_back(fmt::format("{} ({})", port.port, port.words));
    }
    return base::join(words, ", ");
}

}  // namespace

OtherPort judge_other_port(std::uint16_t port, const Greeting& greeting) {
    OtherPort result;
    result.port = port;
    const std::string trouble = trouble_of(greeting);
    result.speaks = trouble.empty();
    result.words =
        result.speaks ? greeting.certificate.version + ", certificate verified" : trouble;
    result.evidence.port = port;
    result.evidence.result = result.speaks ? "speaks" : "does not speak";
    result.evidence.banner = greeting.raw;
    result.evidence.ehlo = greeting.ehlo_lines;
    result.evidence.certificate = greeting.certificate.text();
    if (!result.speaks) result.evidence.detail = trouble;
    return result;
}

asio::awaitable<OtherPort> try_other_port(asio::any_io_executor executor, SmarthostAsk ask,
                                          std::string address, std::uint16_t port,
                                          base::Duration timeout) {
    const auto began = std::chrono::steady_clock::now();
    const auto spent = [began] {
        return std::chrono::duration_cast<base::Duration>(std::chrono::steady_clock::now() - began);
    };
    Greeting greeting;
    const ConnectAsk target{asio::ip::make_address(address), port, timeout};
    ConnectOutcome outcome = co_await connect_once(executor, target);
    const base::Result<tls::ClientContext> context = tls::ClientContext::load(ask.verification);
    if (outcome.stream && context.has_value()) {
        GreetingAsk look;
        look.host = ask.host;
        look.port = port;
        if (!ask.helo.empty()) look.helo = ask.helo;
        look.implicit_tls = smtp::implicit_tls(port);
        look.observer = &*context;
        look.timeout = std::max(timeout - spent(), base::Duration{1});
        greeting = co_await look_at_server(*outcome.stream, look);
        outcome.stream->close();
    }
    OtherPort result = judge_other_port(port, greeting);
    const bool mute = greeting.silent && greeting.certificate.problem.empty();
    if (mute)
        result.words += fmt::format(" in {:.1f} s", static_cast<double>(spent().count()) / 1000);
    if (!outcome.stream) result.words = "it took a connection once and no second one";
    if (!context.has_value()) result.words = context.error().message;
    if (!result.speaks) result.evidence.detail = result.words;
    result.evidence.target = ask.host;
    result.evidence.address = address;
    result.evidence.took = spent();
    co_return result;
}

std::vector<std::uint16_t> speaking_ports(const OtherPorts& ports) {
    std::vector<std::uint16_t> speaking;
    for (const OtherPort& port : ports) {
        if (port.speaks) speaking.push_back(port.port);
    }
    sort_by_preference(speaking);
    return speaking;
}

Check other_ports_check(const std::string& smarthost, const OtherPorts& ports) {
    Check check;
    check.id = "smarthost-ports";
    check.title = other_ports_title(smarthost);
    for (const OtherPort& port : ports) {
        check.evidence.push_back(port.evidence);
        check.took = std::max(check.took, port.evidence.took.value_or(base::Duration{}));
    }
    const std::string speak = list_of(ports, true), useless = list_of(ports, false);
    check.status = useless.empty() ? CheckStatus::ok : CheckStatus::warn;
    std::vector<std::string> words;
    if (!speak.empty()) words.push_back("Speaks: " + speak + ".");
    if (!useless.empty()) words.push_back("Open, but of no use: " + useless + ".");
    check.summary = base::join(words, " ");
    return check;
}

}  // namespace diagnose
