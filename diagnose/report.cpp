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

}  // namespace diagnose
