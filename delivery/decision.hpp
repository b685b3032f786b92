#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "delivery/options.hpp"
#include "smtp/client_session.hpp"
#include "smtp/report.hpp"
#include "spool/spool.hpp"

namespace delivery {

// What an attempt said about one of the message's recipients.
struct RecipientOutcome {
    std::size_t recipient = 0;  // index in Message::recipients
    smtp::RecipientResult result;
};

struct ReportWish {
    smtp::ReportAction action = smtp::ReportAction::failed;
    std::vector<std::size_t> recipients;
};

// What follows from an attempt: what the spool shall note and which reports are owed.
struct Decision {
    std::vector<spool::Report::Change> changes;
    spool::MessageState state = spool::MessageState::queued;
    base::Time due{};     // when some recipient still waits
    bool whole = true;    // false: the attempt goes on at once, with the recipients left
    bool warned = false;  // a delay warning is among the reports
    bool wedged = false;  // one of the few attempts without an end that a message may have
    std::vector<ReportWish> reports;
    std::string outcome;  // of the attempt as a whole: "delivered", "deferred", "failed",
                          // "unknown", "partial"
};

struct DecisionInput {
    const spool::Message* message = nullptr;
    const std::vector<RecipientOutcome>* outcomes = nullptr;
    base::Time now{};
    base::Duration age{};         // of the message; see Job::age() for why it is not now - received
    base::Time not_before{};      // the smarthost rests until then; zero: no rest
    bool some_left = false;       // recipients that the attempt has not come to yet
    bool others_wait = false;     // and ones that it came to before, in vain
    bool others_unknown = false;  // of those: without a reply to the final dot
    bool attempted = true;        // false: nothing was tried, the message waits until not_before
    bool broken = false;          // an internal error ended the attempt
    bool body_lost = false;       // the content is gone: no later attempt would do better
    bool keep_for_ever = false;   // only a refused sign-in stands in the way: never bounce for it
    bool next_hop_reports = false;  // the smarthost took over DSN (RFC 3461 section 5.2.2)
    double jitter = 0;
};

// A pure function of the attempt: RFC 5321 section 4.5.4.1 for the schedule, RFC 3461 for the
// reports.
[[nodiscard]] Decision decide(const DecisionInput& input, const RetryOptions& options);

}  // namespace delivery
