#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/message_id.hpp"
#include "delivery/decision.hpp"
#include "delivery/options.hpp"
#include "spool/spool.hpp"

namespace delivery {

struct BounceInput {
    const spool::Message* message = nullptr;
    const Decision* decision = nullptr;
    const ReportWish* wish = nullptr;
    std::string remote_host;      // the smarthost that answered, "" when none did
    std::string original_header;  // header section of the original, CRLF
    std::string original_body;    // the rest when it shall be returned, else ""
    base::Time now{};
    base::MessageId id;  // of the report
};

// The report owed for an attempt, as a message for the spool; its body goes into `body`.
// nullopt where nobody may be told: a null sender never gets a report (RFC 5321 section 6.1),
// unless delivery.bounce_to names an address; delivery.bounce_to = "none" tells nobody.
[[nodiscard]] std::optional<spool::NewMessage> make_bounce(const BounceInput& input,
                                                           const Options& options,
                                                           std::unique_ptr<spool::BodyWriter> body);

}  // namespace delivery
