#include "delivery/decision.hpp"

#include "delivery/schedule.hpp"

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using delivery::Decision;
using delivery::RecipientOutcome;
using smtp::Outcome;
using smtp::ReportAction;
using spool::MessageState;
using spool::RecipientState;

namespace {

const base::Time start{std::chrono::hours{24 * 365 * 50}};

spool::Message message_to(std::size_t recipients) {
    spool::Message message;
    message.id = base::MessageId{1};
    message.received = start;
    message.envelope.reverse_path = "app@example.com";
    for (std::size_t i = 0; i < recipients; ++i) {
        smtp::Recipient recipient;
        recipient.address = "r" + std::to_string(i) + "@example.net";
        message.envelope.recipients.push_back(recipient);
        spool::RecipientRecord record;
        record.recipient = recipient;
        message.recipients.push_back(record);
    }
    return message;
}

RecipientOutcome outcome(std::size_t recipient, Outcome what, int code = 0) {
    RecipientOutcome result;
    result.recipient = recipient;
    result.result.outcome = what;
    result.result.reply.code = code;
    if (code == 0) result.result.problem = "connection lost";
    return result;
}

Decision decide_at(const spool::Message& message, const std::vector<RecipientOutcome>& outcomes,
                   base::Time now, bool keep = false, bool next_hop_reports = false,
                   base::Time not_before = {}) {
    delivery::DecisionInput input;
    input.message = &message;
    input.outcomes = &outcomes;
    input.now = now;
    input.age = now - message.received;
    input.keep_for_ever = keep;
    input.next_hop_reports = next_hop_reports;
    input.not_before = not_before;
    return delivery::decide(input, {});
}

}  // namespace

TEST_CASE("each recipient ends as the smarthost said", "[delivery]") {
    const spool::Message message = message_to(3);
    const std::vector<RecipientOutcome> outcomes{outcome(0, Outcome::delivered, 250),
                                                 outcome(1, Outcome::failed, 550),
                                                 outcome(2, Outcome::deferred, 450)};
    const Decision decision = decide_at(message, outcomes, start + 1s);
    REQUIRE(decision.outcome == "partial");
    REQUIRE(decision.state == MessageState::queued);
    REQUIRE(decision.changes[0].state == RecipientState::delivered);
    REQUIRE(decision.changes[1].state == RecipientState::failed);
    REQUIRE(decision.changes[2].state == RecipientState::pending);
    REQUIRE(decision.due == start + 31s);
    REQUIRE(decision.reports.size() == 1);
    REQUIRE(decision.reports[0].action == ReportAction::failed);
    REQUIRE(decision.reports[0].recipients == std::vector<std::size_t>{1});
}

TEST_CASE("an outcome after the final dot is unknown, not deferred", "[delivery]") {
    const spool::Message message = message_to(1);
    const Decision decision = decide_at(message, {outcome(0, Outcome::unknown)}, start);
    REQUIRE(decision.state == MessageState::unknown);
    REQUIRE(decision.outcome == "unknown");
    REQUIRE(decision.due == start + 2min);
    REQUIRE(decision.reports.empty());
}

TEST_CASE("old mail is given up, but not for a refused sign-in", "[delivery]") {
    const spool::Message message = message_to(1);
    const std::vector<RecipientOutcome> outcomes{outcome(0, Outcome::deferred)};
    const Decision expired = decide_at(message, outcomes, start + 5 * 24h);
    REQUIRE(expired.changes[0].state == RecipientState::failed);
    REQUIRE(expired.changes[0].problem == "given up after 5d: connection lost");
    REQUIRE(expired.reports[0].action == ReportAction::failed);

    const Decision refused =
        decide_at(message, {outcome(0, Outcome::deferred, 450)}, start + 5 * 24h);
    CHECK(refused.changes[0].problem == "given up after 5d");
    CHECK(refused.changes[0].reply.code == 450);  // the report quotes it

    const Decision kept = decide_at(message, outcomes, start + 6 * 24h, true);
    REQUIRE(kept.changes[0].state == RecipientState::pending);
    REQUIRE(kept.reports[0].action == ReportAction::delayed);
}

TEST_CASE("recipients that the attempt did not come to are tried at once", "[delivery]") {
    const spool::Message message = message_to(2);
    const Outcome first = GENERATE(Outcome::delivered, Outcome::deferred, Outcome::unknown);
    const std::vector<RecipientOutcome> outcomes{outcome(0, first, 250)};
    delivery::DecisionInput input;
    input.message = &message;
    input.outcomes = &outcomes;
    input.now = start;
    input.some_left = true;
    const Decision decision = delivery::decide(input, {});
    CHECK(decision.outcome == "partial");
    CHECK_FALSE(decision.whole);
    CHECK(decision.state ==
          (first == Outcome::unknown ? MessageState::unknown : MessageState::queued));
    CHECK(decision.due == start);
}

TEST_CASE("recipients that an earlier connection came to in vain wait for the schedule",
          "[delivery]") {
    const spool::Message message = message_to(2);
    const std::vector<RecipientOutcome> outcomes{outcome(1, Outcome::delivered, 250)};
    delivery::DecisionInput input;
    input.message = &message;
    input.outcomes = &outcomes;
    input.now = start;
    input.others_wait = true;
    Decision decision = delivery::decide(input, {});
    CHECK(decision.whole);
    CHECK(decision.state == MessageState::queued);
    CHECK(decision.due == start + 30s);
    input.others_unknown = true;
    decision = delivery::decide(input, {});
    CHECK(decision.state == MessageState::unknown);
    CHECK(decision.due == start + 2min);
    CHECK_FALSE(decision.wedged);  // it was counted then
}

TEST_CASE("a delay is reported once", "[delivery]") {
    spool::Message message = message_to(1);
    const std::vector<RecipientOutcome> outcomes{outcome(0, Outcome::deferred, 451)};
    REQUIRE(decide_at(message, outcomes, start + 3h).reports.empty());
    const Decision late = decide_at(message, outcomes, start + 4h);
    REQUIRE(late.warned);
    REQUIRE(late.reports[0].action == ReportAction::delayed);
    message.warned = true;
    REQUIRE(decide_at(message, outcomes, start + 5h).reports.empty());
}

TEST_CASE("NOTIFY decides who is told", "[delivery]") {
    spool::Message message = message_to(1);
    smtp::Notify& notify = message.recipients[0].recipient.notify;
    struct Case {
        bool never, success, failure, delay;
        Outcome outcome;
        bool reported;
    };
    const Case c = GENERATE(values<Case>({
        {true, false, false, false, Outcome::failed, false},
        {false, false, true, false, Outcome::failed, true},
        {false, true, false, false, Outcome::failed, false},
        {false, true, false, false, Outcome::delivered, true},
        {false, false, false, false, Outcome::delivered, false},
        {false, false, true, false, Outcome::deferred, false},
        {false, false, false, true, Outcome::deferred, true},
    }));
    notify.never = c.never;
    notify.success = c.success;
    notify.failure = c.failure;
    notify.delay = c.delay;
    CAPTURE(notify.text(), static_cast<int>(c.outcome));
    REQUIRE(decide_at(message, {outcome(0, c.outcome, 250)}, start + 4h).reports.empty() ==
            !c.reported);
}

TEST_CASE("a smarthost that understands DSN reports success itself", "[delivery]") {
    spool::Message message = message_to(1);
    message.recipients[0].recipient.notify.success = true;
    REQUIRE(decide_at(message, {outcome(0, Outcome::delivered, 250)}, start, false, true)
                .reports.empty());
}

TEST_CASE("a resting smarthost moves the next attempt behind its rest", "[delivery]") {
    const spool::Message message = message_to(1);
    const Decision decision =
        decide_at(message, {outcome(0, Outcome::deferred)}, start, false, false, start + 1h);
    REQUIRE(decision.due == start + 1h);
}

TEST_CASE("a rest that the clock moved away by a day does not take the mail along", "[delivery]") {
    const spool::Message message = message_to(1);
    const Decision decision =
        decide_at(message, {outcome(0, Outcome::deferred)}, start, false, false, start + 24h);
    REQUIRE(decision.due == start + delivery::longest_wait({}));
    REQUIRE(decision.due < start + 2h);
}

TEST_CASE("mail that only waits takes no step of the schedule", "[delivery]") {
    const spool::Message message = message_to(1);
    const std::vector<RecipientOutcome> outcomes{outcome(0, Outcome::deferred)};
    delivery::DecisionInput input;
    input.message = &message;
    input.outcomes = &outcomes;
    input.now = start;
    input.attempted = false;
    input.not_before = start + 5s;
    REQUIRE(delivery::decide(input, {}).due == start + 5s);
}

TEST_CASE("a message whose content is lost is put on hold at once, and never given up",
          "[delivery]") {
    spool::Message message = message_to(2);
    message.recipients[0].state = spool::RecipientState::delivered;
    const std::vector<RecipientOutcome> outcomes{outcome(1, Outcome::deferred)};
    delivery::DecisionInput input;
    input.message = &message;
    input.outcomes = &outcomes;
    input.now = start + 30 * 24h;
    input.age = 30 * 24h;
    input.body_lost = true;
    const Decision decision = delivery::decide(input, {});
    CHECK(decision.state == MessageState::held);
    CHECK(decision.changes[0].problem == "put on hold: connection lost");
    CHECK(decision.reports.size() <= 1);  // late, perhaps, but not failed
    CHECK_FALSE(decision.wedged);
}

TEST_CASE("the third delivery without an end puts a message on hold", "[delivery]") {
    spool::Message message = message_to(2);
    const bool broken = GENERATE(true, false);
    const std::vector<RecipientOutcome> outcomes{
        outcome(0, Outcome::delivered, 250),
        outcome(1, broken ? Outcome::deferred : Outcome::unknown)};
    delivery::DecisionInput input;
    input.message = &message;
    input.outcomes = &outcomes;
    input.now = start;
    input.broken = broken;
    for (message.wedged = 0; message.wedged < 2; ++message.wedged) {
        const Decision decision = delivery::decide(input, {});
        CHECK(decision.wedged);
        CHECK(decision.state == (broken ? MessageState::queued : MessageState::unknown));
    }
    const Decision decision = delivery::decide(input, {});
    CHECK(decision.state == MessageState::held);
    CHECK(decision.changes[0].problem.empty());  // was delivered
    CHECK(decision.changes[1].problem ==
          "put on hold: 3 deliveries came to no end, the last one: connection lost");
    REQUIRE(decision.reports.size() == 1);  // however young it is: nobody else tells the sender
    CHECK(decision.reports[0].action == smtp::ReportAction::delayed);
    CHECK(decision.reports[0].recipients == std::vector<std::size_t>{1});
    CHECK(decision.warned);
}
