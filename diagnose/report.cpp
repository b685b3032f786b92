#include "diagnose/report.hpp"

namespace diagnose {

std::string_view status_name(CheckStatus status) {
    switch (status) {
        case CheckStatus::ok:
            return "ok";
        case CheckStatus::fail:
            return "fail";
        case CheckStatus::warn:
            return "warn";
        case CheckStatus::skip:
            return "skip";
    }
    return "skip";
}

std::string_view cause_name(CauseKind kind) {
    switch (kind) {
        case CauseKind::cloud:
            return "cloud";
        case CauseKind::isp:
            return "isp";
        case CauseKind::local_firewall:
            return "local-firewall";
        case CauseKind::container:
            return "container";
        case CauseKind::gateway:
            return "gateway";
        case CauseKind::remote:
            return "remote";
        case CauseKind::config:
            return "config";
        case CauseKind::unknown:
            return "unknown";
    }
    return "unknown";
}

bool said_in_headline(const Report& report, const Finding& finding) {
    return report.verdict.summary.find(finding.summary) != std::string::npos;
}

void drop_repetitions(Report& report) {
    std::erase_if(report.findings, [&](const Finding& finding) {
        return finding.code == verdict_name(report.verdict.code) &&
               said_in_headline(report, finding);
    });
}

}  // namespace diagnose
