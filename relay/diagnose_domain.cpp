#include "relay/diagnose_domain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/text.hpp"
#include "config/system_defaults.hpp"
#include "diagnose/domain/domain.hpp"
#include "diagnose/domain/recipient.hpp"
#include "diagnose/host.hpp"
#include "diagnose/inbound/listeners.hpp"
#include "net/address_scope.hpp"
#include "relay/diagnose_ask.hpp"
#include "relay/diagnose_run.hpp"
#include "smtp/address.hpp"

namespace relay {
namespace {

namespace asio = boost::asio;

std::string hostname_of(const std::optional<config::Settings>& settings) {
    return settings ? settings->server.hostname : config::system_hostname();
}

// Addresses of this host's own that the world sees as they are.
void add_own_addresses(std::vector<std::string>& addresses) {
    for (const diagnose::HostAddress& own : diagnose::host_addresses()) {
        if (net::scope_of(own.address) != net::AddressScope::global) continue;
        if (std::find(addresses.begin(), addresses.end(), own.address) != addresses.end()) continue;
        addresses.push_back(own.address);
    }
}

asio::awaitable<diagnose::Report> diagnose_domain_here(asio::any_io_executor executor,
                                                       net::Resolver& resolver,
                                                       diagnose::DomainAsk ask) {
    const auto began = std::chrono::steady_clock::now();
    const diagnose::HostIdentity host = co_await diagnose::identify_host(executor, resolver);
    ask.public_addresses = host.public_addresses;
    add_own_addresses(ask.public_addresses);
    ask.timeout = time_left(ask.timeout, began);
    diagnose::Report report =
        co_await diagnose::diagnose_domain(executor, resolver, std::move(ask));
    co_return report;
}

}  // namespace

bool is_plain_address(const std::string& text) {
    const smtp::ParsedPath path = smtp::parse_path(text);
    const bool clean = std::none_of(text.begin(), text.end(), [](unsigned char c) {
        return c <= ' ' || c == 0x7f || c == '<' || c == '>';
    });
    return clean && path.fault == smtp::PathFault::none && path.rest.empty() && path.ascii &&
           path.address.find('@') != path.address.npos;
}

base::Result<> check_domain(std::string_view option, std::string_view text) {
    const bool clean = text.find_first_of(" \t\r\n@<>/:\\\"") == text.npos;
    const bool domain = clean && text.find('.') != text.npos && text.front() != '.' &&
                        text.size() <= smtp::longest_domain;
    if (domain && base::is_ascii(text)) return {};
    return base::error(fmt::format("{}: \"{}\" is no domain; {}", option,
                                   base::printable(text, 100),
                                   domain ? "write it in ASCII (`idn2 DOMAIN` prints its A-label)"
                                          : "expected a name such as example.com"));
}

base::Result<Diagnosis> domain_diagnosis(const std::string& domain, const std::string& selector,
                                         const std::optional<config::Settings>& settings,
                                         base::Duration timeout) {
    if (const auto checked = check_domain("--domain", domain); !checked) return checked.error();
    diagnose::DomainAsk ask;
    ask.domain = domain;
    ask.selector = selector;
    ask.hostname = hostname_of(settings);
    ask.timeout = timeout;
    if (settings) {
        for (const delivery::SmarthostOptions& options : settings->delivery.smarthosts) {
            diagnose::DomainSmarthost smarthost;
            smarthost.name = options.name;
            smarthost.host = options.host;
            ask.smarthosts.push_back(std::move(smarthost));
        }
    }
    return Diagnosis{[ask](asio::any_io_executor executor, net::Resolver& resolver,
                           diagnose::Progress progress) {
        diagnose::DomainAsk with_progress = ask;
        with_progress.progress = std::move(progress);
        return diagnose_domain_here(std::move(executor), resolver, std::move(with_progress));
    }};
}

base::Result<Diagnosis> recipient_diagnosis(const std::string& address, const std::string& sender,
                                            const std::optional<config::Settings>& settings,
                                            bool secrets, base::Duration timeout) {
    if (!is_plain_address(address)) {
        const std::string domain = address.substr(std::min(address.rfind('@'), address.size()));
        return base::error(
            fmt::format("--to: \"{}\" {}", base::printable(address, 100),
                        base::is_ascii(domain)
                            ? "is no mail address; expected one such as someone@example.com"
                            : "has a domain beyond ASCII: write it in ASCII (`idn2 DOMAIN` prints "
                              "its A-label)"));
    }
    diagnose::RecipientAsk ask;
    ask.address = address;
    ask.sender = sender;
    ask.hostname = hostname_of(settings);
    ask.timeout = timeout;
    if (settings) {
        ask.ipv4 = settings->probe.ipv4;
        ask.ipv6 = settings->probe.ipv6;
    }
    if (!settings || settings->probe.enabled) {
        ask.beside = settings ? outbound_ask(*settings) : outbound_ask();
        for (diagnose::SmarthostAsk& smarthost : ask.beside->smarthosts) {
            ask.smarthosts.push_back(smarthost.name);
            if (!sender.empty()) smarthost.sender = sender;
        }
        if (!secrets) ask.beside->smarthosts.clear();
        ask.direct_path = ask.beside->direct_path;
        ask.beside->direct_path = ask.beside->about_direct = true;
        ask.beside->quick = true;
        ask.beside->timeout = timeout;
    }
    return Diagnosis{[ask](asio::any_io_executor executor, net::Resolver& resolver,
                           diagnose::Progress progress) {
        diagnose::RecipientAsk with_progress = ask;
        with_progress.progress = std::move(progress);
        return diagnose::diagnose_recipient(std::move(executor), resolver,
                                            std::move(with_progress));
    }};
}

}  // namespace relay
