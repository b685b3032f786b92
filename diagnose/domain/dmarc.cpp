#include "diagnose/domain/dmarc.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/domain/checks.hpp"
#include "diagnose/domain/tags.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;

bool is_policy(std::string_view word) {
    return word == "none" || word == "quarantine" || word == "reject";
}

std::string_view parent_of(std::string_view domain) {
    const std::size_t dot = domain.find('.');
    return dot == domain.npos ? std::string_view{} : domain.substr(dot + 1);
}

// RFC 9989 section 4.10.2: psd=n marks the organisation, psd=y the level above it; otherwise it is
// the shortest name that has a record.
std::string organisation_of(const std::vector<DmarcStep>& steps) {
    const DmarcStep* shortest = nullptr;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (!steps[i].found) continue;
        if (steps[i].record.public_suffix == 'n') return steps[i].domain;
        if (steps[i].record.public_suffix == 'y' && i > 0) return steps[i - 1].domain;
        shortest = &steps[i];
    }
    return shortest == nullptr ? steps.front().domain : shortest->domain;
}

}  // namespace

bool is_dmarc(std::string_view text) {
    const Tags tags = parse_tags(text);
    return !tags.empty() && tags.front().first == "v" && tags.front().second == "DMARC1";
}

DmarcRecord parse_dmarc(std::string_view text) {
    DmarcRecord record;
    const Tags tags = parse_tags(text);
    const auto value = [&](std::string_view name) {
        const std::string* found = find_tag(tags, name);
        return found == nullptr ? std::string{} : base::to_lower(*found);
    };
    record.reports = !value("rua").empty();
    record.strict_dkim = value("adkim") == "s";
    record.strict_spf = value("aspf") == "s";
    record.testing = value("t") == "y";
    const std::string suffix = value("psd");
    if (suffix == "y" || suffix == "n") record.public_suffix = suffix[0];
    record.subdomain_policy = is_policy(value("sp")) ? value("sp") : "";
    record.policy = value("p");
    if (!is_dmarc(text)) {
        record.problem = "it does not begin with v=DMARC1";
    } else if (!is_policy(record.policy)) {
        record.problem = record.policy.empty() ? "it has no p="
                                               : fmt::format("p={} is not a policy",
                                                             base::printable(record.policy, 40));
        // RFC 9989 section 4.7: with an address for reports such a record counts as p=none.
        record.valid = record.reports;
        record.policy = "none";
    } else {
        record.valid = true;
    }
    return record;
}

std::vector<std::string> dmarc_walk(std::string_view domain) {
    constexpr long most = 8;
    std::vector<std::string> names{std::string(domain)};
    std::string_view rest = parent_of(domain);
    while (std::count(rest.begin(), rest.end(), '.') + 1 >= most) rest = parent_of(rest);
    for (; !rest.empty(); rest = parent_of(rest)) names.emplace_back(rest);
    return names;
}

DmarcFound judge_dmarc(const std::vector<DmarcStep>& steps) {
    DmarcFound found;
    found.organisation = organisation_of(steps);
    const auto at = [&](std::string_view domain) {
        return std::find_if(steps.begin(), steps.end(), [&](const DmarcStep& step) {
            return step.found && step.domain == domain;
        });
    };
    auto applies = at(steps.front().domain);
    if (applies == steps.end()) applies = at(found.organisation);
    if (applies == steps.end()) return found;
    found.record = applies->record;
    found.at = applies->domain;
    const bool inherited = applies != steps.begin();
    const bool special = inherited && !found.record.subdomain_policy.empty();
    found.policy = special ? found.record.subdomain_policy : found.record.policy;
    return found;
}

asio::awaitable<DmarcFound> find_dmarc(net::Resolver& resolver, std::string domain) {
    std::vector<DmarcStep> steps;
    DmarcFound failed;
    std::vector<std::string> texts;
    for (const std::string& name : dmarc_walk(domain)) {
        const auto answer = co_await resolver.txt("_dmarc." + name);
        if (could_not_ask(answer.status)) {
            failed.status = answer.status;
            failed.problem = answer.problem;
        }
        DmarcStep step;
        step.domain = name;
        std::vector<std::string> records;
        std::copy_if(answer.records.begin(), answer.records.end(), std::back_inserter(records),
                     is_dmarc);
        texts.insert(texts.end(), records.begin(), records.end());
        // Several records count as none.
        step.found = records.size() == 1;
        if (step.found) step.record = parse_dmarc(records.front());
        const bool ends = step.found && step.record.public_suffix != 'u';
        steps.push_back(std::move(step));
        if (ends) break;
    }
    DmarcFound found = judge_dmarc(steps);
    found.texts = std::move(texts);
    found.status = failed.status;
    found.problem = failed.problem;
    co_return found;
}

}  // namespace diagnose
