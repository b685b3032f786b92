// What happens to one message on one connection.
#include <algorithm>
#include <exception>
#include <utility>

#include "base/bug.hpp"
#include "base/log.hpp"
#include "delivery/adapt.hpp"
#include "delivery/attempt.hpp"
#include "delivery/pool_membership.hpp"
#include "net/await.hpp"

namespace delivery {
namespace asio = boost::asio;
namespace {

// What goes out in a moment: behind it the next message may begin, for which a round trip counts.
constexpr std::uint64_t small = 64 * 1024;

// Nobody has said anything about any recipient, and nothing may have been taken.
bool nothing_happened(const Job& job) {
    return std::all_of(job.outcomes.begin(), job.outcomes.end(), [](const RecipientOutcome& each) {
        return each.result.outcome == smtp::Outcome::deferred && each.result.reply.code == 0;
    });
}

smtp::RecipientResult broken_result(bool dot_marked) {
    smtp::RecipientResult result = deferral(dot_marked ? smtp::Stage::final_dot : smtp::Stage::data,
                                            "an internal error of relay ended the delivery");
    if (dot_marked) result.outcome = smtp::Outcome::unknown;
    return result;
}

// 421 to MAIL is said of the connection, whose end the message before had better been told.
bool told_to_leave(const Job& job) {
    return std::all_of(job.outcomes.begin(), job.outcomes.end(), [](const RecipientOutcome& each) {
        return each.result.stage == smtp::Stage::mail && each.result.reply.code == 421;
    });
}

// For the log alone: what an attempt's problem says may go into a report.
std::string file_of(const Job& job) {
    return job.leased.body ? job.leased.body->file.string() : "";
}

}  // namespace

// Waits until the mark is written, for the next step may be the process's last. A failure is the
// spool's trouble, which the record of the result will tell.
asio::awaitable<void> Pool::mark_begun(base::MessageId id) {
    spool::Spool* const spool = surroundings_.spool;
    std::function<void(std::function<void(spool::Outcome<>)>)> mark =
        [spool, id](std::function<void(spool::Outcome<>)> done) {
            spool->mark_begun(id, std::move(done));
        };
    static_cast<void>(co_await net::await_callback<spool::Outcome<>>(std::move(mark)));
}

asio::awaitable<void> Pool::serve(Membership& member, JobPtr job) {
    Connection& connection = member.connection();
    const base::Time started = surroundings_.clock->now();
    const base::Duration uptime = surroundings_.uptime();
    const bool early = connection.begun_early();
    job->outcomes.clear();
    job->attempted = true;
    job->broken = job->dot_marked = job->own_trouble = false;
    try {
        if (job->suspect) co_await mark_begun(job->message().id);
        member.serves(job->message().id);
        co_await attempt(member, *job);
    } catch (...) {
        base::log_error(
            "a delivery ended by an internal error",
            {{"id", job->message().id}, {"problem", base::words_of(std::current_exception())}});
        job->broken = true;
        fill_up(job->message(), broken_result(job->dot_marked), job->outcomes);
        connection.abandon();
    }
    member.serves_nothing();
    if (!job->broken && asks_for_sign_in(connection)) job->keep_for_ever = true;
    if (was_not_tried(connection, *job, early)) {
        job->went_stale = true;
        dispatcher_.put_back(std::move(job));
        co_return;
    }
    describe_attempt(*job, connection, started);
    job->attempt.took = surroundings_.uptime() - uptime;
    dispatcher_.finished(std::move(job));
}

// Once for each message. The server had closed the connection while it was idle, or does so behind
// the message before.
bool Pool::was_not_tried(const Connection& connection, const Job& job, bool early) {
    if (job.broken || job.went_stale || connection.ready()) return false;
    if (!early) return connection.lost_before_reply() && nothing_happened(job);
    if (connection.heard()) return told_to_leave(job);
    if (connection.timed_out() && std::exchange(hears_early_, false)) {
        base::log_info(
            "the smarthost did not answer commands behind the end of a message: from "
            "now on they wait for its reply",
            {{"smarthost", options_.name}});
    }
    return nothing_happened(job);
}

asio::awaitable<void> Pool::attempt(Membership& member, Job& job) {
    std::string problem;
    const bool prepared = co_await prepare(job, problem);
    if (!prepared) {
        base::log_error("a message's content cannot be read",
                        {{"id", job.message().id},
                         {"problem", problem},
                         base::LogField::unless_empty("file", file_of(job))});
        job.outcomes = same_for_all(job.message(), deferral(smtp::Stage::data, problem));
        job.own_trouble = true;
        co_return;
    }
    BodySource body{surroundings_.files, *job.leased.body};
    job.next_hop_reports = member.connection().extensions().dsn;
    co_await transfer(member, job, body);
}

asio::awaitable<bool> Pool::prepare(Job& job, std::string& problem) {
    if (job.leased.body) co_return true;
    const base::MessageId id = job.message().id;
    spool::Spool* const spool = surroundings_.spool;
    std::function<void(std::function<void(spool::Outcome<spool::Body>)>)> load =
        [spool, id](std::function<void(spool::Outcome<spool::Body>)> done) {
            spool->load_body(id, std::move(done));
        };
    spool::Outcome<spool::Body> body =
        co_await net::await_callback<spool::Outcome<spool::Body>>(std::move(load));
    if (!body) {
        problem = body.error().message;
        job.body_lost = body.error().problem == spool::Problem::body_lost;
        co_return false;
    }
    job.leased.body = std::move(*body);
    co_return true;
}

asio::awaitable<void> Pool::transfer(Membership& member, Job& job, BodySource& body) {
    Connection& connection = member.connection();
    if (connection.begun_early()) {  // choose_next() has looked at its content
        co_await transact(member, job, body, {});
        co_return;
    }
    base::Result<AdaptedContent> content =
        co_await adapt_content(body, job.message(), connection.extensions(), surroundings_.files,
                               *surroundings_.rewriting);
    if (!content) {
        job.outcomes =
            same_for_all(job.message(), deferral(smtp::Stage::data, content.error().message));
        job.own_trouble = true;
        co_return;
    }
    if (content->refusal) {
        job.outcomes = same_for_all(job.message(), *content->refusal);
        co_return;
    }
    co_await transact(member, job, body, std::move(*content));
}

// The recipients left, in as many transactions as the server's limit asks for.
asio::awaitable<void> Pool::transact(Membership& member, Job& job, BodySource& body,
                                     AdaptedContent content) {
    Connection& connection = member.connection();
    spool::Spool* const spool = surroundings_.spool;
    Connection::Steps steps;
    steps.before_dot = [spool, &job] {
        spool->mark_dot(job.message().id);
        job.dot_marked = true;
    };

    std::vector<std::size_t> left = recipients_left(job);
    for (bool begun = false; !left.empty(); begun = true, left = recipients_left(job)) {
        if (!connection.ready()) {
            const auto lost =
                deferral(smtp::Stage::mail, "the connection ended before its turn came");
            for (const std::size_t each : left) job.outcomes.push_back({each, lost});
            co_return;
        }
        // What is left goes over the next connection (RFC 9422 MAILMAX; another message has begun).
        const bool full = connection.transactions() >= transaction_limit(connection);
        if (begun && (full || connection.begun_early())) co_return;
        const std::size_t all = left.size();
        if (!connection.begun_early()) left.resize(std::min(recipient_limit(connection), all));
        smtp::Transaction transaction = make_transaction(job.message(), left);
        if (content.seven_bit) transaction.envelope.body = smtp::BodyType::seven_bit;
        BodySource& source = content.rewritten ? *content.rewritten : body;
        source.rewind();
        transaction.body_size = source.size();
        steps.next = nullptr;
        const bool last = left.size() == all;
        if (last && source.size() <= small) {
            steps.next = [this, &member] { return choose_next(member); };
        }
        std::vector<smtp::RecipientResult> results =
            co_await connection.deliver(transaction, source, steps);
        if (!connection.begun_early()) put_back_next(member);
        take_results(job, left, std::move(results));
        job.own_trouble = job.own_trouble || source.unreadable();
    }
}

// A message whose commands can go out now: small, and without need of a mark or of rewriting. One
// that was tried before keeps what that came to.
asio::awaitable<std::optional<smtp::Transaction>> Pool::choose_next(Membership& member) {
    const Connection& connection = member.connection();
    const bool full = connection.transactions() >= transaction_limit(connection);
    const bool may = hears_early_ && surroundings_.uptime() >= early_from_;
    if (retired_ || full || !may) co_return std::nullopt;
    JobPtr chosen = dispatcher_.spare_job(*this);
    if (!chosen) co_return std::nullopt;
    Job& job = *chosen;
    member.set_next(std::move(chosen));
    const std::vector<std::size_t> recipients = recipients_left(job);
    bool simple =
        !job.suspect && job.outcomes.empty() && recipients.size() <= recipient_limit(connection);
    if (simple) simple = co_await goes_at_once(connection, job);
    if (!simple || retired_) {
        put_back_next(member);
        co_return std::nullopt;
    }
    member.next_begins();
    smtp::Transaction transaction = make_transaction(job.message(), recipients);
    transaction.body_size = job.leased.body->size;
    co_return transaction;
}

asio::awaitable<bool> Pool::goes_at_once(const Connection& connection, Job& job) {
    std::string problem;  // told when its turn has come
    const bool loaded = co_await prepare(job, problem);
    job.body_lost = false;
    if (!loaded || !job.holds_body()) co_return false;
    BodySource body{surroundings_.files, *job.leased.body};
    co_return co_await goes_as_it_is(body, job.message(), connection.extensions());
}

std::size_t Pool::recipient_limit(const Connection& connection) const {
    const std::uint32_t said = connection.extensions().limit_rcpt_max;
    return said == 0 ? most_recipients_ : said;
}

// Those beyond the server's limit have had no answer of their own: their turn comes again at once.
void Pool::take_results(Job& job, std::span<const std::size_t> recipients,
                        std::vector<smtp::RecipientResult> results) {
    const auto taken = static_cast<std::size_t>(std::count_if(
        results.begin(), results.end(),
        [](const smtp::RecipientResult& result) { return result.stage > smtp::Stage::rcpt; }));
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (taken > 0 && too_many_recipients(results[i])) {
            most_recipients_ = std::min(most_recipients_, taken);
        } else {
            job.outcomes.push_back({recipients[i], std::move(results[i])});
        }
    }
}

void Pool::describe_attempt(Job& job, const Connection& connection, base::Time started) {
    job.attempt.at = started;
    job.attempt.smarthost = options_.name;
    job.remote_host = options_.host;
    job.attempt.remote = connection.remote();
    job.attempt.tls = connection.handshake().version;
}

}  // namespace delivery
