#include "spool/rows.hpp"

#include <utility>

namespace spool {
namespace {

smtp::Notify notify_from(std::int64_t bits) {
    return {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
}

// Kept by name, so that a person reads it and a stage may be added anywhere.
smtp::Stage stage_from(std::string_view name) {
    for (int i = 0; i <= static_cast<int>(smtp::Stage::quit); ++i) {
        const auto stage = static_cast<smtp::Stage>(i);
        if (smtp::stage_name(stage) == name) return stage;
    }
    return smtp::Stage::final_dot;
}

// A server's reply begins with its code, our own words never do: one column holds either.
bool is_reply(std::string_view text) {
    const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
    if (text.size() < 3 || !digit(0) || !digit(1) || !digit(2)) return false;
    return text.size() == 3 || text[3] == ' ';
}

}  // namespace

std::int64_t notify_bits(const smtp::Notify& notify) {
    return (notify.never ? 1 : 0) | (notify.success ? 2 : 0) | (notify.failure ? 4 : 0) |
           (notify.delay ? 8 : 0);
}

Message message_from(const Statement& row) {
    Message message;
    int column = 0;
    message.id = MessageId{row.integer(column++)};
    message.state = static_cast<MessageState>(row.integer(column++));
    message.due = row.time(column++);
    message.received = row.time(column++);
    message.finished = row.optional_time(column++);
    message.size = static_cast<std::uint64_t>(row.integer(column++));
    message.attempts = static_cast<std::uint32_t>(row.integer(column++));
    message.wedged = static_cast<std::uint32_t>(row.integer(column++));
    message.warned = row.integer(column++) != 0;
    message.envelope.reverse_path = row.string(column++);
    message.envelope.body = static_cast<smtp::BodyType>(row.integer(column++));
    message.envelope.smtputf8 = row.integer(column++) != 0;
    message.envelope.ret = static_cast<smtp::Ret>(row.integer(column++));
    message.envelope.envid = row.string(column++);
    message.origin.client = row.string(column++);
    message.origin.client_name = row.string(column++);
    message.origin.user = row.string(column++);
    message.origin.protocol = row.string(column++);
    message.message_id = row.string(column++);
    message.subject = row.string(column++);
    message.from = row.string(column++);
    message.dot_marked = row.integer(column++) != 0;
    return message;
}

RecipientRecord recipient_from(const Statement& row) {
    RecipientRecord record;
    record.recipient = {row.string(0), notify_from(row.integer(1)), row.string(2)};
    record.state = static_cast<RecipientState>(row.integer(3));
    record.last_reply = {static_cast<int>(row.integer(4)), row.string(5), row.string(6)};
    record.last_problem = row.string(7);
    return record;
}

Attempt attempt_from(const Statement& row) {
    Attempt attempt;
    attempt.at = row.time(0);
    attempt.smarthost = row.string(1);
    attempt.remote = row.string(2);
    attempt.tls = row.string(3);
    attempt.stage = stage_from(row.text(4));
    attempt.outcome = row.string(5);
    std::string words = row.string(6);
    (is_reply(words) ? attempt.reply : attempt.problem) = std::move(words);
    attempt.took = base::Duration{row.integer(7)};
    return attempt;
}

}  // namespace spool
