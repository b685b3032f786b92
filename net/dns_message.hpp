#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/resolver.hpp"

namespace net {

// The part of a DNS answer (RFC 1035 section 4) that says whether there is one.
struct DnsMessage {
    unsigned response_code = 0;
    std::vector<MxRecord> mx;      // by preference; the null MX (RFC 7505) has the host "."
    std::vector<std::string> txt;  // the strings of one record joined (RFC 7208 section 3.3)
    std::vector<std::string> ptr;
    DnsRecords records;  // of the other types; aliases whatever was asked
};

// Reads the records of one type and the CNAMEs from the answer section, and the SOA of a negative
// answer from the authority section (RFC 2308); all others are passed over. Any bytes may come:
// what is no message is an error.
[[nodiscard]] base::Result<DnsMessage> parse_dns_message(std::string_view bytes, RecordType type);

}  // namespace net
