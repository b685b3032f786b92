#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "diagnose/check_names.hpp"
#include "diagnose/domain/domain.hpp"
#include "diagnose/provider_catalogue.hpp"
#include "diagnose/report.hpp"
#include "net/resolver.hpp"

// The checks that domain.cpp runs side by side, a file each. Their names are those of its table.
namespace diagnose {

// What the checks share; outlives them.
struct DomainContext {
    DomainContext(boost::asio::any_io_executor loop, net::Resolver& names, DomainAsk asked)
        : executor(std::move(loop)), resolver(names), ask(std::move(asked)) {}
    boost::asio::any_io_executor executor;
    net::Resolver& resolver;
    DomainAsk ask;
};

struct CheckOutcome {
    Check check;
    std::vector<Fix> fixes;
    std::vector<Finding> findings;
};

using CheckTask = boost::asio::awaitable<CheckOutcome>;

[[nodiscard]] CheckTask check_mx(DomainContext& context);
[[nodiscard]] CheckTask check_spf_record(DomainContext& context);
[[nodiscard]] CheckTask check_dkim(DomainContext& context);
[[nodiscard]] CheckTask check_dmarc(DomainContext& context);
[[nodiscard]] CheckTask check_free_mail(DomainContext& context);
[[nodiscard]] CheckTask check_mta_sts(DomainContext& context);
[[nodiscard]] CheckTask check_tls_rpt(DomainContext& context);
[[nodiscard]] CheckTask check_dane(DomainContext& context);
[[nodiscard]] CheckTask check_ptr(DomainContext& context);
[[nodiscard]] CheckTask check_dnsbl(DomainContext& context);
[[nodiscard]] CheckTask check_domain_list(DomainContext& context);

// The preset behind a smarthost; nullptr when it is not known.
[[nodiscard]] const ProviderFacts* facts_of(const DomainSmarthost& smarthost);

// No answer at all, as against the answer that there is nothing.
[[nodiscard]] bool could_not_ask(net::DnsStatus status);

[[nodiscard]] CheckOutcome outcome(const CheckName& name);
[[nodiscard]] Evidence record_evidence(std::string target, std::string result, std::string detail);
[[nodiscard]] Fix make_fix(std::string title, std::vector<std::string> steps);
void conclude(CheckOutcome& result, CheckStatus status, std::string summary);

// "name  IN TXT  "v=spf1 ..."", to be published as it stands.
[[nodiscard]] std::string txt_line(const std::string& name, const std::string& value);

}  // namespace diagnose
