#include "delivery/decision.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.hpp"
#include "delivery/schedule.hpp"

namespace delivery {
namespace {

using smtp::Outcome;
using spool::RecipientState;

bool wants_failure(const smtp::Notify& notify) {
    return !notify.never && (!notify.given() || notify.failure);
}

bool wants_delay(const smtp::Notify& notify) {
    return !notify.never && (!notify.given() || notify.delay);
}

spool::Report::Change change_for(const RecipientOutcome& outcome, RecipientState state) {
    spool::Report::Change change;
    change.recipient = outcome.recipient;
    change.state = state;
    change.reply = outcome.result.reply;
    change.problem = outcome.result.problem;
    return change;
}

// Why a message is given up for its age; the server's last reply stands beside it.
std::string expiry_text(const smtp::RecipientResult& result, base::Duration max_age) {
    const std::string_view link = result.problem.empty() ? "" : ": ";
    const std::string_view caution =
        result.outcome == Outcome::unknown ? "; it may have arrived all the same" : "";
    return fmt::format("given up after {}{}{}{}", base::human_duration(max_age), link,
                       result.problem, caution);
}

std::string overall_outcome(const std::vector<RecipientOutcome>& outcomes) {
    const auto count = [&](Outcome wanted) {
        return std::count_if(outcomes.begin(), outcomes.end(),
                             [&](const RecipientOutcome& o) { return o.result.outcome == wanted; });
    };
    const auto total = static_cast<std::ptrdiff_t>(outcomes.size());
    if (count(Outcome::delivered) == total) return "delivered";
    if (count(Outcome::failed) == total) return "failed";
    if (count(Outcome::unknown) > 0) return "unknown";
    if (count(Outcome::deferred) == total) return "deferred";
    return "partial";
}

// The message waits for a person.
void put_on_hold(Decision& decision, const std::string& reason) {
    decision.state = spool::MessageState::held;
    for (spool::Report::Change& change : decision.changes) {
        if (change.state != RecipientState::pending) continue;
        const std::string last =
            change.reply.code != 0 ? change.reply.one_line() : std::move(change.problem);
        change.reply = {};
        change.problem = fmt::format("put on hold: {}{}", reason, last);
    }
}

void add_report(Decision& decision, smtp::ReportAction action,
                std::vector<std::size_t> recipients) {
    if (!recipients.empty()) decision.reports.push_back({action, std::move(recipients)});
}

}  // namespace

Decision decide(const DecisionInput& input, const RetryOptions& options) {
    const spool::Message& message = *input.message;
    const bool expired = !input.keep_for_ever && !input.body_lost && input.age >= options.max_age;
    const bool late = !message.warned && input.age >= options.warn_after;

    Decision decision;
    std::vector<std::size_t> failed, delayed, relayed;
    bool waiting = false;
    bool unknown = false;
    for (const RecipientOutcome& outcome : *input.outcomes) {
        const smtp::Notify& notify = message.recipients[outcome.recipient].recipient.notify;
        if (outcome.result.outcome == Outcome::delivered) {
            decision.changes.push_back(change_for(outcome, RecipientState::delivered));
            if (notify.success && !input.next_hop_reports) relayed.push_back(outcome.recipient);
            continue;
        }
        if (outcome.result.outcome == Outcome::failed || expired) {
            decision.changes.push_back(change_for(outcome, RecipientState::failed));
            if (outcome.result.outcome != Outcome::failed) {
                decision.changes.back().problem = expiry_text(outcome.result, options.max_age);
            }
            if (wants_failure(notify)) failed.push_back(outcome.recipient);
            continue;
        }
        waiting = true;
        unknown = unknown || outcome.result.outcome == Outcome::unknown;
        decision.changes.push_back(change_for(outcome, RecipientState::pending));
        if (wants_delay(notify)) delayed.push_back(outcome.recipient);
    }

    decision.wedged = unknown || (waiting && input.broken);
    const bool worn_out = decision.wedged && message.wedged + 1 >= spool::most_wedged;
    const bool held = waiting && (input.body_lost || worn_out);
    if (!late && !held) delayed.clear();
    decision.warned = !delayed.empty();
    decision.outcome = overall_outcome(*input.outcomes);
    add_report(decision, smtp::ReportAction::failed, std::move(failed));
    add_report(decision, smtp::ReportAction::delayed, std::move(delayed));
    add_report(decision, smtp::ReportAction::relayed, std::move(relayed));
    unknown = unknown || input.others_unknown;
    decision.state = unknown ? spool::MessageState::unknown : spool::MessageState::queued;
    if (input.some_left) decision.outcome = "partial";
    if (input.some_left && !held) {
        decision.whole = false;
        decision.due = input.now;
        return decision;
    }
    if (!waiting && !input.others_wait) return decision;
    const base::Duration delay =
        input.attempted ? retry_delay(options, message.attempts + 1, unknown, input.jitter)
                        : base::Duration{};
    // A rest that began before the clock was set back may seem to end in a year.
    const base::Time last = input.now + longest_wait(options);
    decision.due = std::min(std::max(input.now + delay, input.not_before), last);
    if (held) {
        put_on_hold(decision, input.body_lost ? ""
                                              : fmt::format("{} deliveries came to no end, the "
                                                            "last one: ",
                                                            spool::most_wedged));
    }
    return decision;
}

}  // namespace delivery
