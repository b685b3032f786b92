#include "diagnose/verdict.hpp"

namespace diagnose {

std::string_view verdict_name(VerdictCode code) {
    switch (code) {
        case VerdictCode::no_network:
            return "no-network";
        case VerdictCode::dns_broken:
            return "dns-broken";
        case VerdictCode::local_firewall:
            return "local-firewall";
        case VerdictCode::outbound_25_dropped:
            return "outbound-25-dropped";
        case VerdictCode::outbound_25_rejected:
            return "outbound-25-rejected";
        case VerdictCode::outbound_25_intercepted:
            return "outbound-25-intercepted";
        case VerdictCode::submission_blocked:
            return "submission-blocked";
        case VerdictCode::smtp_hopeless:
            return "smtp-hopeless";
        case VerdictCode::smarthost_unreachable:
            return "smarthost-unreachable";
        case VerdictCode::smarthost_dns:
            return "smarthost-dns";
        case VerdictCode::smarthost_tls:
            return "smarthost-tls";
        case VerdictCode::smarthost_no_starttls:
            return "smarthost-no-starttls";
        case VerdictCode::smarthost_auth:
            return "smarthost-auth";
        case VerdictCode::smarthost_sender:
            return "smarthost-sender";
        case VerdictCode::smarthost_rejected:
            return "smarthost-rejected";
        case VerdictCode::recipient_mx:
            return "recipient-mx";
        case VerdictCode::inbound_not_listening:
            return "inbound-not-listening";
        case VerdictCode::inbound_loopback_only:
            return "inbound-loopback-only";
        case VerdictCode::inbound_firewalled:
            return "inbound-firewalled";
        case VerdictCode::inbound_mx_elsewhere:
            return "inbound-mx-elsewhere";
        case VerdictCode::reputation:
            return "reputation";
        case VerdictCode::ok_direct:
            return "ok-direct";
        case VerdictCode::ok_smarthost:
            return "ok-smarthost";
        case VerdictCode::inconclusive:
            return "inconclusive";
    }
    return "inconclusive";
}

std::string_view confidence_name(Confidence confidence) {
    switch (confidence) {
        case Confidence::certain:
            return "certain";
        case Confidence::likely:
            return "likely";
        case Confidence::unclear:
            return "unclear";
    }
    return "unclear";
}

}  // namespace diagnose
