#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <string>
#include <vector>

#include "diagnose/report.hpp"
#include "net/resolver.hpp"

namespace diagnose {

// One mail server of a domain, as the DNS shows it.
struct MxHost {
    MxHost() = default;
    std::string name;
    unsigned preference = 0;
    bool implicit = false;  // the domain itself, for want of an MX (RFC 5321 section 5.1)
    std::vector<std::string> aliases;  // CNAMEs passed; none are allowed (RFC 2181 section 10.3)
    net::DnsStatus status = net::DnsStatus::ok;  // of its addresses
    std::string problem;
    std::vector<boost::asio::ip::address> addresses;
};

struct MxFacts {
    MxFacts() = default;
    std::string domain;
    net::DnsStatus status = net::DnsStatus::ok;  // of the MX question
    std::string problem;
    bool null_mx = false;       // one of the records is "0 ."
    std::vector<MxHost> hosts;  // by preference; without the null MX
};

struct MxJudgement {
    MxJudgement() = default;
    CheckStatus status = CheckStatus::skip;
    bool deliverable = false;  // at least one host may be tried; always true when status is skip
    std::string summary;
    std::vector<Evidence> evidence;
    std::vector<MxHost> usable;  // in the order to try, unusable addresses left out
};

[[nodiscard]] boost::asio::awaitable<MxFacts> look_up_mx(net::Resolver& resolver,
                                                         std::string domain);

// Fills in aliases and addresses of the host by its name. A literal has none.
[[nodiscard]] boost::asio::awaitable<void> look_up_mx_host(net::Resolver& resolver, MxHost& host);

// What the facts mean for mail to the domain: null MX, no MX, CNAME, literals, dead, loopback and
// private targets. Pure.
[[nodiscard]] MxJudgement judge_mx(const MxFacts& facts);

// Of a domain in brackets, "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3): mail
// goes to that address, and DNS is not asked. None for any other domain.
[[nodiscard]] std::optional<MxJudgement> judge_literal(const std::string& domain);

// What the domain's owner, or whoever mistyped it, must do; empty steps when all is well.
[[nodiscard]] Fix mx_fix(const MxFacts& facts, const MxJudgement& judgement);

}  // namespace diagnose
