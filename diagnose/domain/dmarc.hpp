#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "net/resolver.hpp"

namespace diagnose {

// A DMARC record (RFC 9989).
struct DmarcRecord {
    bool valid = false;
    std::string policy,
        subdomain_policy;  // "none", "quarantine", "reject"; subdomain's "" if unset
    bool strict_dkim = false, strict_spf = false;
    char public_suffix = 'u';  // psd: 'y', 'n', or 'u' for undefined
    bool testing = false;      // t=y
    bool reports = false;      // rua= is there
    std::string problem;
};

[[nodiscard]] bool is_dmarc(std::string_view text);  // begins with v=DMARC1
[[nodiscard]] DmarcRecord parse_dmarc(std::string_view text);

// The names to ask below "_dmarc.", the domain first: RFC 9989 section 4.10, at most eight.
[[nodiscard]] std::vector<std::string> dmarc_walk(std::string_view domain);

struct DmarcStep {
    std::string domain;
    DmarcRecord record;
    bool found = false;
};

// What the steps of a walk, the domain's own first, say together.
struct DmarcFound {
    DmarcRecord record;
    std::string at;            // the domain whose record applies; "" when there is none
    std::string organisation;  // the organisational domain
    std::string policy;        // what applies to the domain asked for
    net::DnsStatus status = net::DnsStatus::ok;  // of a question that failed
    std::string problem;
    std::vector<std::string> texts;  // as published, for evidence
};

[[nodiscard]] DmarcFound judge_dmarc(const std::vector<DmarcStep>& steps);

[[nodiscard]] boost::asio::awaitable<DmarcFound> find_dmarc(net::Resolver& resolver,
                                                            std::string domain);

}  // namespace diagnose
