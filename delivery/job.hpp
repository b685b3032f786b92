#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "delivery/decision.hpp"
#include "spool/spool.hpp"

namespace delivery {

class Pool;

// A server's limits may spread one attempt over several connections, each recorded as it ends.
struct Round {
    std::vector<bool> come_to;  // by recipient: an earlier one had its answer
    bool unknown = false;       // for one of them no reply came to the final dot

    [[nodiscard]] bool has(std::size_t recipient) const {
        return recipient < come_to.size() && come_to[recipient];
    }
};

// One leased message on its way through delivery.
struct Job {
    Job(spool::Leased message, base::Duration age, base::Duration uptime)
        : leased(std::move(message)), age_when_leased(age), leased_at(uptime) {}

    [[nodiscard]] const spool::Message& message() const { return leased.message; }
    // How old the message is. From its lease on this counts what really passes: a board without a
    // clock accepts mail in the year 2020, hears the right time a minute later, and must not give
    // that mail up at its first temporary failure. (For mail that waits in the spool meanwhile
    // Engine::look_at_clock() has `received` moved.)
    [[nodiscard]] base::Duration age(base::Duration uptime) const {
        return age_when_leased + (uptime - leased_at);
    }
    [[nodiscard]] bool tried(const Pool* pool) const;
    [[nodiscard]] bool holds_body() const { return leased.body && leased.body->bytes; }

    spool::Leased leased;
    base::Duration age_when_leased, leased_at;
    // Fail-over: they had connection trouble for this message. Held, or one of those that a reload
    // makes could come to lie where one of them was, and count as tried.
    std::vector<std::shared_ptr<const Pool>> tried_pools;
    std::vector<spool::Attempt> passed_over;  // what is to be told of them
    Round round;              // of the attempt so far; the present connection is for the others
    bool suspect = false;     // was in the spool when relay ended without closing it
    bool went_stale = false;  // was once on a connection that the server had closed
    bool dot_marked = false;  // the present attempt got as far as a final dot

    // What the attempt came to, kept until the spool has it.
    bool unrecorded = false;  // the spool has refused it before
    std::vector<RecipientOutcome> outcomes;
    spool::Attempt attempt;
    std::string remote_host;                     // the smarthost of the attempt, as configured
    std::string original_header, original_body;  // for reports
    bool attempted = true;                       // false: it only waited for a smarthost that rests
    bool broken = false;                         // an internal error ended it
    bool body_lost = false;                      // there is nothing to send any more
    bool own_trouble = false;  // its content could not be read, for whichever smarthost
    base::Time not_before{};
    bool keep_for_ever = false;
    bool next_hop_reports = false;
};

using JobPtr = std::unique_ptr<Job>;

}  // namespace delivery
