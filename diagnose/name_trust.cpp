#include "diagnose/name_trust.hpp"

#include <fmt/format.h>

#include <random>

#include "diagnose/probe_targets.hpp"

namespace diagnose {

boost::asio::awaitable<NameTrust> test_name_servers(net::Resolver& resolver) {
    constexpr std::size_t most_asked = 2;
    NameTrust trust = NameTrust::unknown;
    std::size_t asked = 0;
    for (const ProbeTarget& target : built_in_targets().quorum) {
        if (target.mx_domain.empty() || asked == most_asked) continue;
        ++asked;
        const auto answer = co_await resolver.mx(target.mx_domain);
        if (answer.status == net::DnsStatus::ok) co_return NameTrust::good;
        // A second silence would not end before the diagnosis does.
        if (answer.status == net::DnsStatus::timeout) co_return NameTrust::silent;
        const bool denied = answer.status == net::DnsStatus::no_such_name ||
                            answer.status == net::DnsStatus::no_data;
        trust = denied || trust == NameTrust::knows_nothing ? NameTrust::knows_nothing
                                                            : NameTrust::silent;
    }
    co_return trust;
}

boost::asio::awaitable<std::string> find_search_page(net::Resolver& resolver) {
    // Random, for a name that was asked for before may be answered from a cache.
    std::random_device random;
    const std::string name = fmt::format("relay-{:08x}.invalid", random());
    const auto answer = co_await resolver.query(name, net::RecordType::a);
    if (answer.status != net::DnsStatus::ok || answer.records.addresses.empty()) {
        co_return std::string{};
    }
    co_return answer.records.addresses.front().to_string();
}

bool blame_name_servers(NameTrust trust, const std::string& asked_about, Report& report) {
    if (trust != NameTrust::silent && trust != NameTrust::knows_nothing) return false;
    const bool silent = trust == NameTrust::silent;
    report.verdict.code = VerdictCode::dns_broken;
    report.verdict.confidence = Confidence::likely;
    report.verdict.summary =
        silent ? fmt::format(
                     "The name servers of this host do not answer about well-known domains either: "
                     "nothing is known of {}.",
                     asked_about)
               : fmt::format(
                     "The name servers of this host do not know well-known domains either: what "
                     "they say of {} proves nothing.",
                     asked_about);
    report.cause = {};
    report.cause.kind = CauseKind::config;
    report.cause.name = "name servers of this host";
    Fix fix;
    fix.title = "Mend name resolution";
    fix.steps = {
        "See whom this host asks: `cat /etc/resolv.conf`, and with systemd-resolved "
        "`resolvectl status`",
        "Try `getent hosts gmail.com`; `relay diagnose` tells whether the network works.",
        "Run this again when names resolve, or on a host where they do."};
    report.fixes = {fix};
    report.findings.clear();
    report.good = false;
    return true;
}

}  // namespace diagnose
