#include "diagnose/domain/checks.hpp"

#include <fmt/format.h>

namespace diagnose {

const ProviderFacts* facts_of(const DomainSmarthost& smarthost) {
    const ProviderFacts* named = find_provider(smarthost.provider);
    return named != nullptr ? named : provider_of_smarthost(smarthost.host);
}

bool could_not_ask(net::DnsStatus status) {
    return status != net::DnsStatus::ok && status != net::DnsStatus::no_data &&
           status != net::DnsStatus::no_such_name;
}

CheckOutcome outcome(const CheckName& name) {
    CheckOutcome result;
    result.check.id = name.id;
    result.check.title = name.title;
    return result;
}

Evidence record_evidence(std::string target, std::string result, std::string detail) {
    Evidence row;
    row.target = std::move(target);
    row.result = std::move(result);
    row.detail = std::move(detail);
    return row;
}

Fix make_fix(std::string title, std::vector<std::string> steps) {
    Fix fix;
    fix.title = std::move(title);
    fix.steps = std::move(steps);
    return fix;
}

void conclude(CheckOutcome& result, CheckStatus status, std::string summary) {
    result.check.status = status;
    result.check.summary = std::move(summary);
}

std::string txt_line(const std::string& name, const std::string& value) {
    return fmt::format("{}. IN TXT \"{}\"", name, value);
}

}  // namespace diagnose
