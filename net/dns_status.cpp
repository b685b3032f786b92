#include "net/dns_status.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace net {

DnsStatus status_of(int ares_status) {
    switch (ares_status) {
        case ARES_SUCCESS:
            return DnsStatus::ok;
        case ARES_ENOTFOUND:
            return DnsStatus::no_such_name;
        case ARES_ENODATA:
            return DnsStatus::no_data;
        case ARES_EREFUSED:
            return DnsStatus::refused;
        case ARES_ETIMEOUT:
            return DnsStatus::timeout;
        case ARES_EBADRESP:
        case ARES_EFORMERR:
        case ARES_EBADNAME:
        case ARES_EBADSTR:
            return DnsStatus::malformed;
        default:
            return DnsStatus::server_failure;
    }
}

DnsStatus status_of_code(unsigned response_code, bool has_records) {
    constexpr unsigned name_error = 3, refusal = 5;
    if (response_code == name_error) return DnsStatus::no_such_name;
    if (response_code == refusal) return DnsStatus::refused;
    if (response_code != 0) return DnsStatus::server_failure;
    return has_records ? DnsStatus::ok : DnsStatus::no_data;
}

std::string problem_of(DnsStatus status, std::string_view what, const std::string& name,
                       int ares_status) {
    const std::string shown = base::printable(name, 253);
    switch (status) {
        case DnsStatus::ok:
            return {};
        case DnsStatus::no_such_name:
            return fmt::format("the name {} does not exist", shown);
        case DnsStatus::no_data:
            return fmt::format("{} has no {}", shown, what);
        case DnsStatus::refused:
            return fmt::format("the DNS server refuses to look up {}", shown);
        case DnsStatus::timeout:
            return fmt::format("no DNS server answered for {}", shown);
        case DnsStatus::malformed:
            return ares_status == ARES_EBADNAME
                       ? fmt::format("\"{}\" is not a valid host name", shown)
                       : fmt::format("the DNS server's answer for {} is malformed", shown);
        case DnsStatus::server_failure:
            break;
    }
    if (ares_status == ARES_ECONNREFUSED) {
        return fmt::format("no DNS server could be reached to look up {}", shown);
    }
    if (ares_status == ARES_ECANCELLED || ares_status == ARES_EDESTRUCTION) {
        return fmt::format("the lookup of {} was cancelled", shown);
    }
    return fmt::format("the DNS server failed to look up {}", shown);
}

std::string_view dns_status_name(DnsStatus status) {
    switch (status) {
        case DnsStatus::ok:
            return "ok";
        case DnsStatus::no_such_name:
            return "no-such-name";
        case DnsStatus::no_data:
            return "no-data";
        case DnsStatus::server_failure:
            return "server-failure";
        case DnsStatus::refused:
            return "refused";
        case DnsStatus::timeout:
            return "timeout";
        case DnsStatus::malformed:
            return "malformed";
    }
    return "server-failure";
}

}  // namespace net
