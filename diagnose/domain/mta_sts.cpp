#include "diagnose/domain/mta_sts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "diagnose/domain/checks.hpp"
#include "diagnose/domain/tags.hpp"
#include "net/http_client.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;

struct StsRecord {
    StsRecord() = default;
    net::DnsStatus status = net::DnsStatus::ok;
    std::string problem, text;
    std::size_t count = 0;
};

asio::awaitable<StsRecord> find_record(net::Resolver& resolver, std::string name,
                                       std::string version) {
    StsRecord record;
    const auto answer = co_await resolver.txt(name);
    record.status = answer.status;
    record.problem = answer.problem;
    for (const std::string& text : answer.records) {
        const Tags tags = parse_tags(text);
        const bool fits = !tags.empty() && tags.front().first == "v" &&
                          base::equals_ignoring_case(tags.front().second, version);
        if (!fits) continue;
        ++record.count;
        record.text = text;
    }
    co_return record;
}

// Each MX that the policy does not name would get no mail from senders that enforce it.
asio::awaitable<void> compare_with_mx(DomainContext& context, const StsPolicy& policy,
                                      CheckOutcome& result) {
    const auto answer = co_await context.resolver.mx(context.ask.domain);
    std::vector<std::string> missing;
    for (const net::MxRecord& record : answer.records) {
        if (!sts_allows(policy, record.host)) missing.push_back(record.host);
    }
    const bool binding = policy.mode == "enforce";
    if (missing.empty()) {
        conclude(result, binding ? CheckStatus::ok : CheckStatus::warn,
                 binding
                     ? "MTA-STS is enforced, and its policy names every mail server."
                     : fmt::format("MTA-STS is in mode {}: it protects nothing yet.", policy.mode));
        co_return;
    }
    conclude(
        result, binding ? CheckStatus::fail : CheckStatus::warn,
        fmt::format("The MTA-STS policy does not name {}: senders that obey it will not deliver "
                    "there.",
                    base::join(missing, ", ")));
    result.fixes.push_back(make_fix(
        "Name every mail server in the MTA-STS policy",
        {fmt::format("Add a line \"mx: {}\" to https://mta-sts.{}/.well-known/mta-sts.txt.",
                     missing.front(), context.ask.domain),
         fmt::format("Then change id= in the TXT record of _mta-sts.{}.", context.ask.domain)}));
}

asio::awaitable<void> fetch_policy(DomainContext& context, CheckOutcome& result) {
    const std::string url =
        fmt::format("https://mta-sts.{}/.well-known/mta-sts.txt", context.ask.domain);
    net::HttpRequest request{"GET", url};
    request.timeout = context.ask.timeout / 2;
    const auto response = co_await net::http_request(context.executor, context.resolver, request);
    const bool fetched = response.has_value() && response->status == 200;
    if (!fetched) {
        const std::string why = response.has_value()
                                    ? fmt::format("HTTP status {}", response->status)
                                    : response.error().message;
        result.check.evidence.push_back(record_evidence(url, "no-policy", why));
        // A web server that cannot be reached from here may be reachable for others.
        conclude(result, response.has_value() ? CheckStatus::fail : CheckStatus::skip,
                 fmt::format("The MTA-STS policy could not be fetched: {}.", why));
        if (response.has_value()) {
            result.fixes.push_back(make_fix("Publish the MTA-STS policy",
                                            {fmt::format("Let {} answer with status 200 and the "
                                                         "policy, without a redirect.",
                                                         url)}));
        }
        co_return;
    }
    const StsPolicy policy = parse_sts_policy(response->body);
    result.check.evidence.push_back(
        record_evidence(url, policy.valid ? policy.mode : "invalid",
                        policy.valid ? base::join(policy.mx, ", ") : policy.problem));
    if (policy.valid) {
        co_await compare_with_mx(context, policy, result);
    } else {
        conclude(result, CheckStatus::fail,
                 fmt::format("The MTA-STS policy is not valid: {}.", policy.problem));
    }
}

void read_line(StsPolicy& policy, std::string_view key, std::string_view value, bool& version) {
    if (key == "version") version = value == "STSv1";
    if (key == "mode") policy.mode = std::string(value);
    if (key == "mx") policy.mx.push_back(base::to_lower(value));
    if (key != "max_age") return;
    const auto [end, failed] =
        std::from_chars(value.data(), value.data() + value.size(), policy.max_age);
    if (failed != std::errc{} || end != value.data() + value.size()) policy.max_age = 0;
}

}  // namespace

StsPolicy parse_sts_policy(std::string_view text) {
    StsPolicy policy;
    bool version = false;
    for (const std::string_view line : base::split(text, '\n')) {
        const std::size_t colon = line.find(':');
        if (colon == line.npos) continue;
        read_line(policy, base::trim(line.substr(0, colon)), base::trim(line.substr(colon + 1)),
                  version);
    }
    const bool known =
        policy.mode == "enforce" || policy.mode == "testing" || policy.mode == "none";
    if (!version) {
        policy.problem = "it has no line \"version: STSv1\"";
    } else if (!known) {
        policy.problem = "its mode is not enforce, testing or none";
    } else if (policy.max_age == 0) {
        policy.problem = "it has no max_age";
    } else if (policy.mx.empty() && policy.mode != "none") {
        policy.problem = "it names no mx";
    } else {
        policy.valid = true;
    }
    return policy;
}

bool sts_allows(const StsPolicy& policy, std::string_view host) {
    return std::any_of(policy.mx.begin(), policy.mx.end(), [&](const std::string& pattern) {
        if (!pattern.starts_with("*.")) return base::equals_ignoring_case(pattern, host);
        const std::size_t dot = host.find('.');
        return dot != host.npos &&
               base::equals_ignoring_case(host.substr(dot + 1), pattern.substr(2));
    });
}

CheckTask check_mta_sts(DomainContext& context) {
    CheckOutcome result;
    const StsRecord record =
        co_await find_record(context.resolver, "_mta-sts." + context.ask.domain, "STSv1");
    if (could_not_ask(record.status)) {
        conclude(result, CheckStatus::skip,
                 fmt::format("MTA-STS could not be looked up: {}.", record.problem));
    } else if (record.count == 0) {
        conclude(result, CheckStatus::ok, "MTA-STS is not used (it is voluntary).");
    } else if (record.count > 1) {
        conclude(result, CheckStatus::fail,
                 "There are several MTA-STS records; that counts as none.");
    } else {
        result.check.evidence.push_back(record_evidence("_mta-sts", "record", record.text));
        co_await fetch_policy(context, result);
    }
    co_return result;
}

CheckTask check_tls_rpt(DomainContext& context) {
    CheckOutcome result;
    const StsRecord record =
        co_await find_record(context.resolver, "_smtp._tls." + context.ask.domain, "TLSRPTv1");
    if (could_not_ask(record.status)) {
        conclude(result, CheckStatus::skip,
                 fmt::format("TLS-RPT could not be looked up: {}.", record.problem));
        co_return result;
    }
    if (record.count == 0) {
        conclude(result, CheckStatus::ok, "TLS-RPT is not used (it is voluntary).");
        co_return result;
    }
    result.check.evidence.push_back(record_evidence("_smtp._tls", "record", record.text));
    const Tags tags = parse_tags(record.text);
    const std::string* where = find_tag(tags, "rua");
    const bool good = record.count == 1 && where != nullptr &&
                      (where->starts_with("mailto:") || where->starts_with("https:"));
    conclude(result, good ? CheckStatus::ok : CheckStatus::warn,
             good ? "Reports on failed TLS are asked for."
                  : "The TLS-RPT record is not valid: one record, with rua=mailto: or rua=https:.");
    co_return result;
}

}  // namespace diagnose
