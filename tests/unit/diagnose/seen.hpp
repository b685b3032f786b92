#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "diagnose/host_catalogue.hpp"
#include "diagnose/observations.hpp"

// What a diagnosis may have seen, made without any network.
namespace seen {

using namespace diagnose;

inline constexpr std::array<std::string_view, 5> operators{"Apple", "Fastmail", "Google",
                                                           "Microsoft", "Yahoo"};

inline PortEvidence port(ProbeRole role, std::string_view name, std::uint16_t number,
                         std::string_view result) {
    PortEvidence item;
    item.role = role;
    item.operator_name = name;
    item.host = "mx." + std::string{name} + ".example";
    item.address = "192.0.2." + std::to_string(name.front());  // one address for all is a lie
    item.port = number;
    item.result = result == "genuine" || result == "refusing" ? "open" : result;
    item.genuine = result == "genuine" || result == "refusing";
    item.identity = result == "refusing"  ? Identity::refusing
                    : result == "genuine" ? Identity::genuine
                                          : Identity::unknown;
    item.connect = item.result == "open"       ? ConnectResult::open
                   : item.result == "rejected" ? ConnectResult::refused
                                               : ConnectResult::dropped;
    if (item.connect == ConnectResult::dropped) item.took = base::Duration{5000};
    return item;
}

// All operators alike: port 25 as direct says, the others as control and web say.
inline Observations network(std::string_view direct, std::string_view control,
                            std::string_view web = "open") {
    Observations all;
    all.route_v4 = true;
    all.hostname = "box.example";
    all.name_servers = "192.0.2.53";
    for (const std::string_view name : operators) {
        all.ports.push_back(port(ProbeRole::direct, name, 25, direct));
        all.ports.push_back(port(ProbeRole::control, name, 587, control));
        all.ports.push_back(port(ProbeRole::control, name, 465, control));
        all.ports.push_back(port(ProbeRole::control, name, 443, web));
    }
    all.direct_path = true;
    return all;
}

inline void add_smarthost(Observations& all, smtp::Stage stage, int code, std::string text,
                          std::string problem = "") {
    SmarthostStages stages;
    stages.name = stages.host = "smtp.example.com";
    stages.configured = {587};
    stages.port = 587;
    stages.ok = code >= 200 && code < 300;
    stages.stage = stage;
    stages.reply.code = code;
    stages.reply.text = std::move(text);
    stages.problem = std::move(problem);
    stages.tls = "TLSv1.3";
    if (stages.ok) stages.auth = "PLAIN";
    stages.sender_asked = stages.ok;
    stages.auth_offered = stages.signing_in = true;
    all.smarthosts.push_back(std::move(stages));
    all.direct_path = false;
}

inline RuleMatch rule_of(std::string_view text) {
    RuleMatch rule;
    rule.tool = "nftables";
    rule.family = "inet";
    rule.table = "filter";
    rule.chain = rule.base_chain = rule.hook = "output";
    rule.rule = text;
    rule.names_port = true;
    rule.remove = "nft delete rule inet filter output handle 7";
    return rule;
}

inline const CloudPolicy* cloud(std::string_view id) {
    for (const CloudMarks& marks : host_catalogue().clouds) {
        if (marks.policy->id == id) return marks.policy;
    }
    return nullptr;
}

inline PortEvidence over_ipv6(PortEvidence item) {
    item.family = net::Family::ipv6;
    item.address = "2001:db8::" + std::to_string(item.operator_name.front());
    return item;
}

// All that is advised, as one text.
inline std::string advice_of(const Report& report) {
    std::string text;
    for (const Fix& fix : report.fixes) {
        text += fix.title + "\n";
        for (const std::string& step : fix.steps) text += step + "\n";
        text += fix.config + "\n";
    }
    return text;
}

inline bool finds(const Report& report, std::string_view words) {
    for (const Finding& finding : report.findings) {
        if (finding.summary.find(words) != std::string::npos) return true;
    }
    return false;
}

// skip where there is no such check.
inline CheckStatus status_of(const Report& report, std::string_view id) {
    for (const Check& check : report.checks) {
        if (check.id == id) return check.status;
    }
    return CheckStatus::skip;
}

// One smarthost, whose port 587 came to this result.
inline Observations smarthost_on_587(std::string_view result, std::string_view others) {
    Observations all = network("genuine", others);
    add_smarthost(all, smtp::Stage::connect, 0, "", "no connection");
    all.smarthosts.front().port = 0;
    PortEvidence item = port(ProbeRole::smarthost, "smtp.example.com", 587, result);
    all.ports.push_back(item);
    item = port(ProbeRole::smarthost, "smtp.example.com", 465, "open");
    all.ports.push_back(item);
    all.smarthost_ports = {
        {"smtp.example.com", "smtp.example.com", {{587, std::string{result}}, {465, "open"}}}};
    all.smarthost_signs.resize(1);
    return all;
}

// A port beside the configured ones, on which a mail server speaks, or lacks STARTTLS.
inline OtherPort spoken_port(std::uint16_t port, bool speaks = true) {
    Greeting greeting;
    greeting.banner.code = 220;
    greeting.ehlo.code = 250;
    greeting.starttls_offered = speaks;
    if (speaks) greeting.certificate.version = "TLSv1.3";
    return judge_other_port(port, greeting);
}

}  // namespace seen
