// What follows from an attempt: the decision, the reports owed, and the spool's record of both.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "base/bug.hpp"
#include "base/log.hpp"
#include "delivery/attempt.hpp"
#include "delivery/bounce.hpp"
#include "delivery/engine.hpp"
#include "delivery/schedule.hpp"
#include "net/await.hpp"

namespace delivery {
namespace asio = boost::asio;
namespace {

constexpr std::size_t largest_returned_header = 64 * 1024;
constexpr std::size_t largest_returned_body = 64 * 1024;

// log_attempt() told what the attempt said; this is the last that is heard of the message.
void log_given_up(const Job& job, const Decision& decision) {
    std::string to, reason, reply;
    std::size_t others = 0;
    for (std::size_t i = 0; i < decision.changes.size(); ++i) {
        const bool given_up = decision.changes[i].state == spool::RecipientState::failed &&
                              job.outcomes[i].result.outcome != smtp::Outcome::failed;
        if (!given_up) continue;
        if (!to.empty()) {
            ++others;
            continue;
        }
        to = job.message().recipients[decision.changes[i].recipient].recipient.address;
        reason = decision.changes[i].problem;
        if (decision.changes[i].reply.code != 0) reply = decision.changes[i].reply.one_line();
    }
    if (to.empty()) return;
    if (others > 0) to += fmt::format(" (and {} more)", others);
    base::log_warning("failed", {{"id", job.message().id},
                                 {"to", to},
                                 {"problem", reason},
                                 base::LogField::unless_empty("reply", reply)});
}

void log_decision(const Job& job, const Decision& decision) {
    log_given_up(job, decision);
    if (job.body_lost) {
        base::log_error("message put on hold: its content is lost",
                        {{"id", job.message().id},
                         {"remedy",
                          "put its file back and relay queue release, or relay queue "
                          "delete"}});
    } else if (decision.state == spool::MessageState::held) {
        base::log_warning("message put on hold: its deliveries come to no end",
                          {{"id", job.message().id}, {"remedy", "relay queue release"}});
    }
}

struct QueuedReport {
    base::MessageId id;
    std::string to;
};

std::vector<QueuedReport> reports_in(const spool::Report& report) {
    std::vector<QueuedReport> found;
    for (const spool::NewMessage& each : report.reports) {
        found.push_back({each.id, each.envelope.recipients.front().address});
    }
    return found;
}

}  // namespace

Decision Engine::decide_for(const Job& job) const {
    DecisionInput input;
    input.message = &job.message();
    input.outcomes = &job.outcomes;
    input.now = surroundings_.clock->now();
    input.age = job.age(surroundings_.uptime());
    input.not_before = job.not_before;
    input.some_left = !recipients_left(job).empty();
    for (const std::size_t each : pending_recipients(job.message())) {
        input.others_wait = input.others_wait || job.round.has(each);
    }
    input.others_unknown = job.round.unknown;
    input.attempted = job.attempted;
    input.broken = job.broken;
    input.body_lost = job.body_lost;
    input.keep_for_ever = job.keep_for_ever;
    input.next_hop_reports = job.next_hop_reports;
    input.jitter = random_jitter();
    return decide(input, options_.retry);
}

void Engine::record(JobPtr job) {
    log_attempt(*job, surroundings_.clock->now());
    const std::shared_ptr<Job> shared{std::move(job)};
    try {
        record_decision(shared);
    } catch (...) {
        record_broken(shared, std::current_exception());
    }
}

void Engine::record_decision(const std::shared_ptr<Job>& job) {
    const Decision decision = decide_for(*job);
    if (decision.reports.empty()) return submit_report(job, report_for(*job, decision));
    asio::co_spawn(surroundings_.executor, record_with_reports(job),
                   [this, job](const std::exception_ptr& problem) {
                       if (problem) record_broken(job, problem);
                   });
}

// The message must not stay leased for ever. Who was served is noted; the others wait, and nobody
// is given up, for the report that would tell is what cannot be made.
void Engine::record_broken(const std::shared_ptr<Job>& job, const std::exception_ptr& problem) {
    base::log_error("an internal error while a delivery was recorded",
                    {{"id", job->message().id}, {"problem", base::words_of(problem)}});
    if (job->outcomes.empty()) return recover(job);
    for (RecipientOutcome& each : job->outcomes) {
        if (each.result.outcome != smtp::Outcome::failed) continue;
        each.result = deferral(each.result.stage, result_text(each.result));
    }
    job->broken = job->keep_for_ever = true;
    Decision decision = decide_for(*job);
    decision.reports.clear();
    decision.warned = false;
    submit_report(job, report_for(*job, decision));
}

spool::Report Engine::report_for(const Job& job, const Decision& decision) const {
    spool::Report report;
    report.id = job.message().id;
    if (job.attempted) {
        report.attempt = job.attempt;
        report.attempt->outcome = decision.outcome;
        const smtp::RecipientResult& worst = worst_result(job.outcomes);
        report.attempt->stage = worst.stage;
        report.attempt->reply = worst.reply.code != 0 ? worst.reply.one_line() : "";
        report.attempt->problem = worst.problem;
    }
    report.whole = decision.whole;
    report.earlier = job.passed_over;
    report.changes = decision.changes;
    report.state = decision.state;
    report.due = decision.due;
    report.warned = decision.warned;
    report.wedged = decision.wedged;
    if (!job.unrecorded) log_decision(job, decision);

    for (const ReportWish& wish : decision.reports) {
        BounceInput input;
        input.message = &job.message();
        input.decision = &decision;
        input.wish = &wish;
        input.remote_host = job.remote_host;
        input.original_header = job.original_header;
        input.original_body = job.original_body;
        input.now = surroundings_.clock->now();
        input.id = surroundings_.ids->next(input.now);
        std::optional<spool::NewMessage> bounce =
            make_bounce(input, options_, surroundings_.spool->new_body());
        if (!bounce) continue;
        report.reports.push_back(std::move(*bounce));
    }
    return report;
}

asio::awaitable<void> Engine::record_with_reports(std::shared_ptr<Job> job) {
    if (job->original_header.empty()) co_await read_original(*job);
    const Decision decision = decide_for(*job);
    submit_report(job, report_for(*job, decision));
}

asio::awaitable<void> Engine::read_original(Job& job) {
    if (!job.leased.body) {
        spool::Spool* const spool = surroundings_.spool;
        const base::MessageId id = job.message().id;
        std::function<void(std::function<void(spool::Outcome<spool::Body>)>)> load =
            [spool, id](std::function<void(spool::Outcome<spool::Body>)> done) {
                spool->load_body(id, std::move(done));
            };
        spool::Outcome<spool::Body> body =
            co_await net::await_callback<spool::Outcome<spool::Body>>(std::move(load));
        if (!body) co_return;  // the report goes without the original
        job.leased.body = std::move(*body);
    }
    BodySource body{surroundings_.files, *job.leased.body};
    const base::Result<std::string> head =
        co_await body.head(largest_returned_header + largest_returned_body);
    if (!head) co_return;
    const std::size_t end = head->find("\r\n\r\n");
    job.original_header =
        head->substr(0, end == std::string::npos ? largest_returned_header : end + 2);
    const bool whole =
        job.message().envelope.ret == smtp::Ret::full && body.size() <= largest_returned_body;
    if (whole && end != std::string::npos) job.original_body = head->substr(end + 4);
}

void Engine::submit_report(std::shared_ptr<Job> job, spool::Report report) {
    if (!report.whole) note_round(*job);
    const base::Time due = report.due;
    std::vector<QueuedReport> reports = reports_in(report);
    surroundings_.spool->record(std::move(report), [this, job, due, reports = std::move(reports)](
                                                       const spool::Outcome<>& outcome) {
        recorded(job, outcome, due);
        if (!outcome || reports.empty()) return;
        for (const auto& [id, to] : reports) {
            base::log_info("report queued", {{"id", id}, {"about", job->message().id}, {"to", to}});
        }
        note_waiting();
    });
}

// For whoever takes the message next, at once.
void Engine::note_round(const Job& job) {
    Round round = job.round;
    round.come_to.resize(job.message().recipients.size());
    for (const RecipientOutcome& each : job.outcomes) {
        round.come_to[each.recipient] = true;
        round.unknown = round.unknown || each.result.outcome == smtp::Outcome::unknown;
    }
    rounds_.insert_or_assign(job.message().id, std::move(round));
}

void Engine::recorded(std::shared_ptr<Job> job, const spool::Outcome<>& outcome, base::Time due) {
    if (!outcome) {
        const spool::SpoolError& error = outcome.error();
        if (!stopping_ && error.problem != spool::Problem::not_found) {
            note_unrecorded(*job, error);
            asio::co_spawn(surroundings_.executor, retry_record(job),
                           [this, job](const std::exception_ptr& problem) {
                               if (problem) record_broken(job, problem);
                           });
            return;
        }
        base::log_error("the outcome of a delivery cannot be recorded",
                        {{"id", job->message().id}, {"problem", error.message}});
    }
    note_settled(*job, outcome.has_value());
    --under_way_;
    --active_;
    if (due != base::Time{}) arm_timer(due);
    take_more();
    wake_stopper();
}

// Once for all messages and all tries: on a full disk there may be thousands, every two seconds.
void Engine::note_unrecorded(Job& job, const spool::SpoolError& error) {
    if (!std::exchange(job.unrecorded, true)) ++unrecorded_;
    if (record_problem_ == error.problem) return;
    record_problem_ = error.problem;
    base::log_error(
        "outcomes of deliveries cannot be recorded: relay keeps them in memory and "
        "tries again until it can",
        {{"id", job.message().id}, {"problem", error.message}});
}

void Engine::note_settled(Job& job, bool recorded) {
    if (!std::exchange(job.unrecorded, false) || --unrecorded_ > 0) return;
    record_problem_.reset();
    if (recorded) base::log_info("outcomes of deliveries are recorded again");
}

// Without the record the message would be sent again, so it is kept in hand until the spool takes
// it.
asio::awaitable<void> Engine::retry_record(std::shared_ptr<Job> job) {
    asio::steady_timer pause{surroundings_.executor, std::chrono::seconds{2}};
    boost::system::error_code ignored;
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (job->outcomes.empty()) {
        recover(std::move(job));
    } else {
        co_await record_with_reports(std::move(job));
    }
}

}  // namespace delivery
