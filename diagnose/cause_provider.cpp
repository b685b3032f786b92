#include "diagnose/cause_provider.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"

namespace diagnose {
namespace {

std::string lift_words(const CloudPolicy& cloud) {
    if (cloud.lift == "never") return "the provider never lifts this";
    if (cloud.lift == "none-documented") return "no way to have it lifted is documented";
    if (cloud.lift == "unknown") return "whether it can be lifted is not known";
    static const std::map<std::string_view, std::string_view> ways{
        {"form", "it is lifted on request, by a form"},
        {"ticket", "it is lifted on request, by a support ticket"},
        {"plan", "another plan lifts it"},
        {"subscription", "another kind of subscription lifts it"},
        {"self-service", "you can lift it yourself, in its console"}};
    const auto way = ways.find(cloud.lift);
    return std::string{way == ways.end() ? "it can be lifted" : way->second};
}

std::string policy_of(const CloudPolicy& cloud) {
    if (cloud.blocked.empty()) return "No default block of mail ports is documented.";
    std::vector<std::string> ports;
    for (const std::uint16_t port : cloud.blocked) ports.push_back(std::to_string(port));
    std::vector<std::string> open;
    for (const std::uint16_t port : cloud.open) {
        if (port != 443) open.push_back(std::to_string(port));
    }
    return fmt::format(
        "{} outbound {} {} by default{}{}; {}.",
        cloud.documented ? "Blocks" : "Is reported to block", ports.size() == 1 ? "port" : "ports",
        base::join(ports, ", "),
        cloud.blocked_scope.empty() ? "" : " (" + cloud.blocked_scope + ")",
        open.empty() ? "" : fmt::format(", and leaves {} open", base::join(open, ", ")),
        lift_words(cloud));
}

// The catalogue's classes, for people.
std::string_view class_words(std::string_view policy) {
    static const std::map<std::string_view, std::string_view> classes{
        {"block", "Blocks outbound port 25"},
        {"block-on-abuse", "Blocks outbound port 25 of a line after abuse was seen"},
        {"allow-own-only", "Lets port 25 out to its own servers only"},
        {"router-whitelist", "Its router lets mail out to a list of well-known servers only"},
        {"transparent-proxy", "Redirects outbound port 25 through a mail filter of its own"},
        {"starttls-strip", "Is reported to remove STARTTLS from port 25"}};
    const auto found = classes.find(policy);
    return found == classes.end() ? "Is reported to restrict port 25" : found->second;
}

std::string policy_of(const IspPolicy& isp) {
    std::string text{class_words(isp.policy)};
    if (!isp.scope.empty()) text += fmt::format(" ({})", isp.scope);
    if (!isp.lift.empty()) text += fmt::format("; the way out: {}", isp.lift);
    return text + ".";
}

}  // namespace

bool cloud_blocks(const HostIdentity& host, std::uint16_t port) {
    if (host.cloud == nullptr) return false;
    const auto& blocked = host.cloud->blocked;
    return std::find(blocked.begin(), blocked.end(), port) != blocked.end();
}

void blame_cloud(const HostIdentity& host, Cause& cause) {
    cause.kind = CauseKind::cloud;
    cause.name = host.cloud->name;
    cause.policy = policy_of(*host.cloud);
}

void blame_access_network(const HostIdentity& host, Cause& cause) {
    cause.kind = CauseKind::isp;
    if (host.isp != nullptr) {
        cause.name = host.isp->name;
        cause.policy = policy_of(*host.isp);
    } else {
        cause.name = fmt::format("the access network of {}", host.ptr);
        cause.policy = "Access networks commonly close port 25 to end users.";
    }
}

}  // namespace diagnose
