#pragma once

#include <cstdint>
#include <string_view>

namespace diagnose {

// What a diagnosis can come to. Scripts rest on the codes: docs/diagnosis.md lists them.
enum class VerdictCode : std::uint8_t {
    no_network,
    dns_broken,
    local_firewall,
    outbound_25_dropped,
    outbound_25_rejected,
    outbound_25_intercepted,
    submission_blocked,
    smtp_hopeless,
    smarthost_unreachable,
    smarthost_dns,
    smarthost_tls,
    smarthost_no_starttls,
    smarthost_auth,
    smarthost_sender,
    smarthost_rejected,
    recipient_mx,
    inbound_not_listening,
    inbound_loopback_only,
    inbound_firewalled,
    inbound_mx_elsewhere,
    reputation,
    ok_direct,
    ok_smarthost,
    inconclusive
};

// "outbound-25-dropped"
[[nodiscard]] std::string_view verdict_name(VerdictCode code);

// It keeps all mail from leaving, whatever is said of single ports and servers.
[[nodiscard]] constexpr bool host_wide(VerdictCode code) {
    return code == VerdictCode::no_network || code == VerdictCode::dns_broken;
}

// Never better than the evidence: certain rests on proof of the very thing, likely on a quorum or
// on a mark that fits, unclear on evidence that disagrees or is missing.
enum class Confidence : std::uint8_t { certain, likely, unclear };

[[nodiscard]] std::string_view confidence_name(Confidence confidence);

}  // namespace diagnose
