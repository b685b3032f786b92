#pragma once

#include <string>

namespace smtp {

// What RFC 5321 section 4.4 wants told about a message that came in. Nothing of it is trusted.
struct ReceivedTrace {
    std::string client_name;     // as said in EHLO; "" becomes "unknown"
    std::string client_address;  // "192.0.2.1" or "2001:db8::1"; "": no address (unix socket)
    std::string hostname;
    std::string protocol;  // ServerSession::protocol()
    std::string id;
    std::string recipient;  // only when there is exactly one, else ""
    std::string date;       // base::format_rfc5322()
};

// The whole field, folded, with CRLF.
[[nodiscard]] std::string received_field(const ReceivedTrace& trace);

}  // namespace smtp
