#include "delivery/attempt.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace delivery {
namespace {

std::string_view outcome_name(smtp::Outcome outcome) {
    switch (outcome) {
        case smtp::Outcome::delivered:
            return "delivered";
        case smtp::Outcome::deferred:
            return "deferred";
        case smtp::Outcome::failed:
            return "failed";
        case smtp::Outcome::unknown:
            return "unknown outcome";
    }
    return "deferred";
}

base::LogLevel level_for(smtp::Outcome outcome) {
    return outcome == smtp::Outcome::delivered ? base::LogLevel::info : base::LogLevel::warning;
}

// Mail that waits for a smarthost says so once, not at each look.
bool says_something_new(const Job& job, const RecipientOutcome& outcome) {
    if (job.attempted) return true;
    return job.message().recipients[outcome.recipient].last_problem != outcome.result.problem;
}

bool same_result(const smtp::RecipientResult& a, const smtp::RecipientResult& b) {
    return a.outcome == b.outcome && a.reply == b.reply && a.problem == b.problem;
}

}  // namespace

bool Job::tried(const Pool* pool) const {
    return std::any_of(tried_pools.begin(), tried_pools.end(),
                       [pool](const auto& each) { return each.get() == pool; });
}

std::string describe_failure(const smtp::SessionFailure& failure) {
    if (failure.reply.code == 0) return failure.problem;
    if (failure.problem.empty()) return failure.reply.one_line();
    return fmt::format("{}: {}", failure.problem, failure.reply.one_line());
}

smtp::RecipientResult deferral(smtp::Stage stage, std::string problem) {
    smtp::RecipientResult result;
    result.outcome = smtp::Outcome::deferred;
    result.stage = stage;
    result.problem = std::move(problem);
    return result;
}

std::vector<std::size_t> pending_recipients(const spool::Message& message) {
    std::vector<std::size_t> pending;
    for (std::size_t i = 0; i < message.recipients.size(); ++i) {
        if (message.recipients[i].state == spool::RecipientState::pending) pending.push_back(i);
    }
    return pending;
}

std::vector<std::size_t> recipients_left(const Job& job) {
    std::vector<bool> done = job.round.come_to;
    done.resize(job.message().recipients.size());
    for (const RecipientOutcome& each : job.outcomes) done[each.recipient] = true;
    std::vector<std::size_t> left = pending_recipients(job.message());
    std::erase_if(left, [&](std::size_t recipient) { return done[recipient]; });
    return left;
}

bool too_many_recipients(const smtp::RecipientResult& result) {
    return result.stage == smtp::Stage::rcpt && smtp::too_many_recipients(result.reply);
}

std::vector<RecipientOutcome> same_for_all(const spool::Message& message,
                                           const smtp::RecipientResult& result) {
    std::vector<RecipientOutcome> outcomes;
    for (const std::size_t index : pending_recipients(message)) outcomes.push_back({index, result});
    return outcomes;
}

void fill_up(const spool::Message& message, const smtp::RecipientResult& result,
             std::vector<RecipientOutcome>& outcomes) {
    for (const std::size_t index : pending_recipients(message)) {
        const bool known = std::any_of(outcomes.begin(), outcomes.end(),
                                       [&](const auto& each) { return each.recipient == index; });
        if (!known) outcomes.push_back({index, result});
    }
}

smtp::Transaction make_transaction(const spool::Message& message,
                                   std::span<const std::size_t> recipients) {
    smtp::Transaction transaction;
    smtp::Envelope& envelope = transaction.envelope;
    envelope.reverse_path = message.envelope.reverse_path;
    envelope.body = message.envelope.body;
    envelope.smtputf8 = message.envelope.smtputf8;
    envelope.ret = message.envelope.ret;
    envelope.envid = message.envelope.envid;
    envelope.recipients.reserve(recipients.size());
    for (const std::size_t each : recipients) {
        envelope.recipients.push_back(message.recipients[each].recipient);
    }
    return transaction;
}

const smtp::RecipientResult& worst_result(const std::vector<RecipientOutcome>& outcomes) {
    const auto better = [](const RecipientOutcome& a, const RecipientOutcome& b) {
        return a.result.outcome < b.result.outcome;
    };
    return std::max_element(outcomes.begin(), outcomes.end(), better)->result;
}

std::string result_text(const smtp::RecipientResult& result) {
    return result.reply.code != 0 ? result.reply.one_line() : result.problem;
}

void log_attempt(const Job& job, base::Time now) {
    const spool::Message& message = job.message();
    std::vector<bool> logged(job.outcomes.size());
    for (std::size_t i = 0; i < job.outcomes.size(); ++i) {
        if (logged[i]) continue;
        const smtp::RecipientResult& result = job.outcomes[i].result;
        std::size_t others = 0;
        for (std::size_t j = i + 1; j < job.outcomes.size(); ++j) {
            if (!same_result(result, job.outcomes[j].result)) continue;
            logged[j] = true;
            ++others;
        }
        std::string to = message.recipients[job.outcomes[i].recipient].recipient.address;
        if (others > 0) to += fmt::format(" (and {} more)", others);
        const bool answered = result.reply.code != 0;
        const std::string reply = answered ? result.reply.one_line() : "";
        const base::LogField said = base::LogField::unless_empty("reply", reply);
        const base::LogField problem = base::LogField::unless_empty("problem", result.problem);
        // The clock may have been set back since.
        const auto delay = std::max(now - message.received, base::Duration::zero()).count();
        if (job.attempt.remote.empty()) {  // deferred without a connection of its own
            const bool news = says_something_new(job, job.outcomes[i]);
            base::log(news ? level_for(result.outcome) : base::LogLevel::debug,
                      job.attempted ? outcome_name(result.outcome) : "waiting",
                      {{"id", message.id},
                       {"to", to},
                       {"smarthost", job.attempt.smarthost},
                       {"stage", smtp::stage_name(result.stage)},
                       said,
                       problem,
                       {"delay_ms", delay}});
            continue;
        }
        base::log(level_for(result.outcome), outcome_name(result.outcome),
                  {{"id", message.id},
                   {"to", to},
                   {"smarthost", job.attempt.smarthost},
                   {"remote", job.attempt.remote},
                   {"tls", job.attempt.tls.empty() ? "none" : job.attempt.tls},
                   {"stage", smtp::stage_name(result.stage)},
                   said,
                   problem,
                   {"took_ms", job.attempt.took.count()},
                   {"delay_ms", delay}});
    }
}

}  // namespace delivery
