#include "spool/queries.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

#include "spool/rows.hpp"

namespace spool {
namespace {

constexpr std::array all_states{MessageState::queued, MessageState::held, MessageState::unknown,
                                MessageState::delivered, MessageState::failed};

// The conditions of a query beside the state, with ?1 to ?5 for its texts and bounds.
std::string conditions(const Query& query) {
    std::string sql = " AND id < ?1";
    if (query.from == null_sender) {
        sql += " AND reverse_path = ''";
    } else if (!query.from.empty()) {
        sql += " AND relay_glob(?2, reverse_path)";
    }
    if (!query.to.empty()) {
        sql +=
            " AND EXISTS (SELECT 1 FROM recipient WHERE recipient.message = message.id"
            " AND relay_glob(?3, address))";
    }
    if (!query.text.empty()) {
        sql +=
            " AND (relay_contains(?4, subject) OR relay_contains(?4, message_id)"
            " OR relay_contains(?4, reverse_path) OR relay_contains(?4, header_from)"
            " OR EXISTS (SELECT 1 FROM recipient WHERE recipient.message = message.id"
            " AND relay_contains(?4, address)))";
    }
    return sql;
}

// So few that wait are found along the index of what is due, and sorted. More are found soon by
// walking all messages, newest first, as those delivered are.
constexpr std::int64_t few_waiting = 10'000;

// Since version 2; what only reads leaves an older spool as it is.
bool has_set_aside(Database& database) { return database.number("PRAGMA user_version") >= 2; }

std::string set_aside(bool indexed) {
    return indexed ? "message INDEXED BY message_set_aside" : "message";
}

std::string walk(MessageState state, std::int64_t waiting, bool indexed) {
    const int number = static_cast<int>(state);
    switch (state) {
        case MessageState::held:
        case MessageState::unknown:
        case MessageState::failed:
            return fmt::format("{} WHERE state = {}", set_aside(indexed), number);
        case MessageState::queued:
            if (waiting > few_waiting) break;
            return fmt::format(
                "message INDEXED BY message_due WHERE due IS NOT NULL AND state = {}", number);
        case MessageState::delivered:
            break;
    }
    return fmt::format("message NOT INDEXED WHERE state = {}", number);
}

// Each state is walked in its own way, newest first, and the walks are merged.
std::string find_sql(const Query& query, std::int64_t waiting, bool indexed) {
    const std::string rest = conditions(query);
    std::string sql;
    if (query.states.empty()) sql = "SELECT id FROM message WHERE 1" + rest;
    for (const MessageState state : all_states) {
        if (std::ranges::find(query.states, state) == query.states.end()) continue;
        sql += fmt::format("{}SELECT id FROM {}{}", sql.empty() ? "" : " UNION ALL ",
                           walk(state, waiting, indexed), rest);
    }
    return sql + " ORDER BY id DESC LIMIT ?5";
}

}  // namespace

struct Queries::Statements {
    explicit Statements(Database& database)
        : indexed(has_set_aside(database)),
          message(database, fmt::format("SELECT {}, {} FROM message WHERE id = ?", message_columns,
                                        dot_marked_column)),
          recipients(database, fmt::format("SELECT {} FROM recipient WHERE message = ?"
                                           " ORDER BY position",
                                           recipient_columns)),
          attempts(database, fmt::format("SELECT {} FROM attempt WHERE message = ?"
                                         " ORDER BY number",
                                         attempt_columns)),
          last_attempt(database, fmt::format("SELECT {} FROM attempt WHERE message = ?"
                                             " ORDER BY number DESC LIMIT 1",
                                             attempt_columns)),
          body(database,
               "SELECT state, in_file, size, body.bytes FROM message"
               " LEFT JOIN body ON body.message = message.id WHERE message.id = ?"),
          oldest(database,
                 fmt::format(
                     "SELECT min(received) FROM message WHERE id IN ("
                     "(SELECT min(id) FROM message INDEXED BY message_due WHERE due IS NOT NULL),"
                     "(SELECT min(id) FROM {0} WHERE state = 1),"
                     "(SELECT min(id) FROM {0} WHERE state = 2))",
                     set_aside(indexed))) {}

    bool indexed;
    Statement message, recipients, attempts, last_attempt, body, oldest;
};

Queries::Queries(Layout layout, std::unique_ptr<Database> database)
    : layout_(std::move(layout)),
      database_(std::move(database)),
      statements_(std::make_unique<Statements>(*database_)) {}

Queries::~Queries() = default;

Outcome<std::unique_ptr<Queries>> Queries::open(Layout layout, std::shared_ptr<Damage> damage) {
    auto database = Database::open(layout.database(), Database::Access::read);
    if (!database) return database.error();
    (*database)->execute("PRAGMA query_only = ON; PRAGMA cache_size = -1024");
    (*database)->watch(std::move(damage));
    return over(std::move(layout), std::move(*database));
}

Outcome<std::unique_ptr<Queries>> Queries::over(Layout layout, std::unique_ptr<Database> database) {
    std::unique_ptr<Queries> queries{new Queries{std::move(layout), std::move(database)}};
    if (queries->database_->failed()) return queries->database_->take_error();
    return queries;
}

template <class T>
Outcome<T> Queries::answer(T value) {
    if (database_->failed()) return database_->take_error();
    return Outcome<T>{std::move(value)};
}

Outcome<std::vector<Leased>> Queries::load(std::span<const MessageId> ids) {
    const Snapshot snapshot{*database_};
    std::vector<Leased> messages;
    messages.reserve(ids.size());
    for (const MessageId id : ids) {
        if (auto message = read_message(id)) messages.push_back({std::move(*message), {}});
    }
    return answer(std::move(messages));
}

Outcome<Body> Queries::load_body(MessageId id) {
    Statement& row = statements_->body.bind(id);
    const ResetGuard guard{row};
    if (!row.step()) {
        if (database_->failed()) return database_->take_error();
        return SpoolError{Problem::not_found, fmt::format("no message {} in the spool", id.text())};
    }
    const auto state = static_cast<MessageState>(row.integer(0));
    Body body;
    body.size = static_cast<std::uint64_t>(row.integer(2));
    if (is_finished(state)) {
        return SpoolError{Problem::not_found,
                          fmt::format("message {} is {}: its content is no longer kept, only what "
                                      "happened to it",
                                      id.text(), state_name(state))};
    }
    if (row.integer(1) == 0) {
        body.bytes = std::make_shared<const std::string>(row.text(3));
        return body;
    }
    body.file = layout_.body(id);
    std::error_code failure;
    const std::uintmax_t size = std::filesystem::file_size(body.file, failure);
    if (!failure && size == body.size) return body;
    if (failure && failure != std::errc::no_such_file_or_directory) {
        return file_failure("read", body.file, failure.value());
    }
    return SpoolError{Problem::body_lost,
                      fmt::format("the content of message {} is lost: its file {} is {}", id.text(),
                                  body.file.string(), failure ? "missing" : "of another size")};
}

Outcome<std::vector<Summary>> Queries::list(const Query& query) {
    const Snapshot snapshot{*database_};
    std::vector<Summary> summaries;
    for (const MessageId id : find(query, false)) {
        if (auto message = read_message(id)) {
            summaries.push_back({std::move(*message), last_attempt(id)});
        }
    }
    return answer(std::move(summaries));
}

Outcome<Details> Queries::show(MessageId id) {
    const Snapshot snapshot{*database_};
    std::optional<Message> message = read_message(id);
    if (!message && !database_->failed()) {
        return SpoolError{Problem::not_found, fmt::format("no message {} in the spool", id.text())};
    }
    Details details;
    if (message) details.message = std::move(*message);
    Statement& rows = statements_->attempts.bind(id);
    while (rows.step()) details.attempts.push_back(attempt_from(rows));
    return answer(std::move(details));
}

Outcome<std::vector<MessageId>> Queries::select(const Query& query) {
    return answer(find(query, true));
}

Outcome<std::optional<base::Time>> Queries::oldest_waiting() {
    Statement& row = statements_->oldest.bind();
    const ResetGuard guard{row};
    std::optional<base::Time> oldest;
    if (row.step()) oldest = row.optional_time(0);
    return answer(oldest);
}

std::vector<MessageId> Queries::find(const Query& query, bool all) {
    std::int64_t before = std::numeric_limits<std::int64_t>::max();
    if (query.before && !all) before = query.before->value();
    const std::int64_t waiting = database_->number("SELECT queued FROM totals");
    Statement rows{*database_, find_sql(query, waiting, statements_->indexed)};
    rows.bind_at(1, before);
    rows.bind_at(2, std::string_view{query.from});
    rows.bind_at(3, std::string_view{query.to});
    rows.bind_at(4, std::string_view{query.text});
    rows.bind_at(5, all ? std::int64_t{-1} : static_cast<std::int64_t>(query.limit));
    std::vector<MessageId> ids;
    while (rows.step()) ids.emplace_back(rows.integer(0));
    return ids;
}

std::optional<Message> Queries::read_message(MessageId id) {
    std::optional<Message> message;
    {
        Statement& row = statements_->message.bind(id);
        const ResetGuard guard{row};
        if (!row.step()) return std::nullopt;
        message = message_from(row);
    }
    read_recipients(*message);
    return message;
}

void Queries::read_recipients(Message& message) {
    Statement& rows = statements_->recipients.bind(message.id);
    while (rows.step()) {
        message.recipients.push_back(recipient_from(rows));
        message.envelope.recipients.push_back(message.recipients.back().recipient);
    }
}

std::optional<Attempt> Queries::last_attempt(MessageId id) {
    Statement& row = statements_->last_attempt.bind(id);
    const ResetGuard guard{row};
    if (!row.step()) return std::nullopt;
    return attempt_from(row);
}

}  // namespace spool
