#include "diagnose/report_json.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "base/errno_name.hpp"

namespace diagnose {
namespace {

namespace json = boost::json;

json::value or_null(const std::string& text) {
    if (text.empty()) return nullptr;
    return json::value(text);
}

json::value or_null(std::optional<int> number) {
    if (!number) return nullptr;
    return *number;
}

json::value code_or_null(const std::optional<VerdictCode>& code) {
    if (!code) return nullptr;
    return json::value(verdict_name(*code));
}

json::array strings(const std::vector<std::string>& texts) {
    json::array array;
    for (const std::string& text : texts) array.emplace_back(text);
    return array;
}

json::value errno_json(int number) {
    if (number == 0) return nullptr;
    return json::value(base::errno_name(number));
}

json::value family_json(net::Family family) {
    if (family == net::Family::ipv4) return "ipv4";
    if (family == net::Family::ipv6) return "ipv6";
    return nullptr;
}

json::object evidence_json(const Evidence& item) {
    json::object object;
    object["target"] = item.target;
    object["address"] = or_null(item.address);
    object["port"] = item.port == 0 ? json::value(nullptr) : json::value(item.port);
    object["family"] = family_json(item.family);
    object["result"] = item.result;
    object["errno"] = errno_json(item.error_number);
    object["banner"] = or_null(item.banner);
    object["ms"] = item.took ? json::value(item.took->count()) : json::value(nullptr);
    if (item.icmp) {
        object["icmp"] = {{"type", item.icmp->type},
                          {"code", item.icmp->code},
                          {"from", item.icmp->from},
                          {"version", item.icmp->v6 ? 6 : 4}};
    }
    if (!item.ehlo.empty()) object["ehlo"] = strings(item.ehlo);
    if (!item.certificate.empty()) object["certificate"] = item.certificate;
    if (!item.detail.empty()) object["detail"] = item.detail;
    return object;
}

json::object check_json(const Check& check) {
    json::array evidence;
    for (const Evidence& item : check.evidence) evidence.emplace_back(evidence_json(item));
    return {{"id", check.id},
            {"title", check.title},
            {"status", status_name(check.status)},
            {"summary", check.summary},
            {"evidence", std::move(evidence)},
            {"ms", check.took.count()}};
}

json::object smarthost_json(const SmarthostReport& smarthost) {
    json::object ports;
    for (const PortResult& port : smarthost.ports) ports[std::to_string(port.port)] = port.result;
    json::object object;
    object["name"] = smarthost.name;
    object["code"] = verdict_name(smarthost.code);
    object["host"] = smarthost.host;
    object["port"] = smarthost.port == 0 ? json::value(nullptr) : json::value(smarthost.port);
    object["tls"] = or_null(smarthost.tls);
    object["auth"] = or_null(smarthost.auth);
    object["reply"] = or_null(smarthost.reply);
    object["explained"] = or_null(smarthost.explained);
    object["ports"] = std::move(ports);
    object["sender"] = or_null(smarthost.sender);
    return object;
}

json::object cause_json(const Cause& cause) {
    return {{"kind", cause_name(cause.kind)},
            {"name", or_null(cause.name)},
            {"policy", or_null(cause.policy)},
            {"hop", or_null(cause.hop)},
            {"hop_address", or_null(cause.hop_address)},
            {"hops", or_null(cause.hops)}};
}

json::object verdict_json(const Verdict& verdict) {
    return {{"code", verdict_name(verdict.code)},
            {"direction", verdict.inbound ? "inbound" : "outbound"},
            {"confidence", confidence_name(verdict.confidence)},
            {"summary", verdict.summary}};
}

json::object direct_json(const DirectReport& direct) {
    json::object families;
    families["ipv4"] = code_or_null(direct.ipv4);
    families["ipv6"] = code_or_null(direct.ipv6);
    return {{"code", verdict_name(direct.code)},
            {"summary", direct.summary},
            {"families", std::move(families)}};
}

json::array fixes_json(const std::vector<Fix>& fixes) {
    json::array array;
    for (const Fix& fix : fixes) {
        array.push_back(
            {{"title", fix.title}, {"steps", strings(fix.steps)}, {"config", or_null(fix.config)}});
    }
    return array;
}

}  // namespace

json::object report_json(const Report& report) {
    json::array smarthosts;
    for (const auto& smarthost : report.smarthosts)
        smarthosts.emplace_back(smarthost_json(smarthost));
    json::array findings;
    for (const Finding& finding : report.findings) {
        findings.push_back({{"code", finding.code}, {"summary", finding.summary}});
    }
    json::array checks;
    for (const Check& check : report.checks) checks.emplace_back(check_json(check));

    json::object object;
    object["schema"] = 1;
    object["mail_leaves"] = report.mail_leaves;
    object["via"] = or_null(report.via);
    object["verdict"] = verdict_json(report.verdict);
    object["direct"] = direct_json(report.direct);
    object["smarthosts"] = std::move(smarthosts);
    object["cause"] = cause_json(report.cause);
    object["fixes"] = fixes_json(report.fixes);
    object["findings"] = std::move(findings);
    object["checks"] = std::move(checks);
    object["host"] = {{"hostname", report.host.hostname},
                      {"platform", or_null(report.host.platform)},
                      {"public_addresses", strings(report.host.public_addresses)}};
    object["started"] = base::format_iso8601(report.started);
    object["ms"] = report.took.count();
    return object;
}

}  // namespace diagnose
