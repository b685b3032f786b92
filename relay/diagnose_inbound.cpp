#include "relay/diagnose_inbound.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <utility>

#include "base/text.hpp"
#include "diagnose/host.hpp"
#include "diagnose/inbound/inbound.hpp"
#include "relay/diagnose_domain.hpp"
#include "relay/local_file.hpp"

namespace relay {
namespace {

namespace asio = boost::asio;

base::Result<diagnose::VantageAsk> vantage_ask(const InboundFlags& flags) {
    diagnose::VantageAsk ask;
    ask.url = flags.vantage;
    if (!flags.token_file.empty()) {
        const base::Result<std::string> line = read_first_line(flags.token_file);
        if (!line) return line.error();
        ask.token = base::Secret{std::string{base::trim(*line)}};
    }
    if (!flags.ca_file.empty()) {
        tls::ClientOptions options;
        options.ca_file = flags.ca_file;
        base::Result<tls::ClientContext> trust = tls::ClientContext::load(options);
        if (!trust.has_value()) return trust.error();
        ask.trust = std::move(*trust);
    }
    return diagnose::split_vantage_url(std::move(ask));
}

asio::awaitable<diagnose::Report> diagnose_here(asio::any_io_executor executor,
                                                net::Resolver& resolver, diagnose::InboundAsk ask) {
    const auto began = std::chrono::steady_clock::now();
    ask.host = co_await diagnose::identify_host(executor, resolver);
    ask.timeout = time_left(ask.timeout, began);
    diagnose::Report report =
        co_await diagnose::diagnose_inbound(executor, resolver, std::move(ask));
    co_return report;
}

}  // namespace

bool InboundFlags::asked() const { return option != nullptr && option->count() > 0; }

void add_inbound_options(CLI::App& command, InboundFlags& flags) {
    flags.option = command
                       .add_option("--inbound", flags.domain,
                                   "Receiving mail for DOMAIN (that of server.hostname) instead")
                       ->expected(0, 1)
                       ->type_name("[DOMAIN]");
    command
        .add_option("--vantage", flags.vantage,
                    "With --inbound: the outside helper, as relay vantage prints it")
        ->type_name("URL")
        ->needs(flags.option);
    command
        .add_option("--vantage-token-file", flags.token_file,
                    "Its token, when the URL does not end with it")
        ->type_name("FILE")
        ->needs(flags.option);
    command.add_option("--vantage-ca-file", flags.ca_file, "PEM: trust this for its certificate")
        ->type_name("FILE")
        ->needs(flags.option);
}

base::Result<Diagnosis> inbound_diagnosis(const InboundFlags& flags, const std::string& hostname,
                                          base::Duration timeout) {
    if (!flags.domain.empty()) {
        if (const auto checked = check_domain("--inbound", flags.domain); !checked) {
            return checked.error();
        }
    }
    diagnose::InboundAsk ask;
    ask.domain = flags.domain;
    ask.hostname = hostname;
    ask.timeout = timeout;
    if (!flags.vantage.empty()) {
        base::Result<diagnose::VantageAsk> vantage = vantage_ask(flags);
        if (!vantage.has_value()) return base::error("--vantage: " + vantage.error().message);
        ask.vantage = std::move(*vantage);
    }
    return Diagnosis{[ask](asio::any_io_executor executor, net::Resolver& resolver,
                           diagnose::Progress progress) {
        diagnose::InboundAsk with_progress = ask;
        with_progress.progress = std::move(progress);
        return diagnose_here(std::move(executor), resolver, std::move(with_progress));
    }};
}

}  // namespace relay
