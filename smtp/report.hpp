#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "smtp/envelope.hpp"

namespace smtp {

// RFC 3464 section 2.3.3; what relay hands on it never knows to be delivered.
enum class ReportAction : std::uint8_t { failed, delayed, relayed };

struct ReportedRecipient {
    Recipient recipient;
    ReportAction action = ReportAction::failed;
    std::string status;       // "5.1.1"
    std::string remote_host;  // the smarthost that answered, "" when none did
    std::string diagnostic;   // its reply on one line, "" when there was none
    std::string explanation;  // our words for the human part
    base::Time last_attempt{};
};

struct ReportInput {
    std::string reporting_host;  // server.hostname; postmaster there is the sender
    std::string to;              // reverse-path of the original
    std::string message_id;      // of the report, "<...>"
    base::Time now{}, arrival{};
    base::Time will_retry_until{};  // for delays
    bool on_hold = false;           // for delays: it is not tried again until a person says so
    Envelope original;              // ENVID, RET, SMTPUTF8 of the message reported on
    std::string original_id;        // our queue id
    std::string original_header;    // its header section, CRLF
    std::string original_body;      // the rest, when RET=FULL and small enough; else ""
    std::vector<ReportedRecipient> recipients;
};

// A multipart/report of RFC 3462 and RFC 3464 (RFC 6533 when the original was SMTPUTF8), as CRLF
// text ready for the spool. All recipients share one action kind.
[[nodiscard]] std::string make_report(const ReportInput& input);

}  // namespace smtp
