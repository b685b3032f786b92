#pragma once

#include <string>

#include "diagnose/firewall_rules.hpp"

namespace test {

inline diagnose::RuleQuestion question(bool inbound, net::Family family = net::Family::ipv4) {
    diagnose::RuleQuestion asked;
    asked.inbound = inbound;
    asked.family = family;
    return asked;
}

// "drop tcp reset unless X | maybe drop only if Y"; "" when nothing stops it.
inline std::string said(const diagnose::RuleAnswer& answer) {
    std::string text;
    const auto add = [&](const diagnose::RuleMatch& match) {
        if (!text.empty()) text += " | ";
        switch (match.verdict) {
            case diagnose::RuleVerdict::drop:
                text += "drop";
                break;
            case diagnose::RuleVerdict::reject:
                text += "reject";
                break;
            case diagnose::RuleVerdict::redirect:
                text += "redirect";
                break;
            case diagnose::RuleVerdict::queue:
                text += "queue";
                break;
        }
        if (!match.with.empty()) text += " " + match.with;
        for (const std::string& condition : match.conditions) text += " " + condition;
    };
    if (answer.stops) add(*answer.stops);
    for (const diagnose::RuleMatch& match : answer.possible) {
        text += text.empty() ? "maybe" : " | maybe";
        text += " ";
        diagnose::RuleAnswer one;
        one.stops = match;
        text += said(one);
    }
    return text;
}

}  // namespace test
