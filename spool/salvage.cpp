#include "spool/salvage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <system_error>

#include "base/text.hpp"
#include "spool/queries.hpp"
#include "spool/rows.hpp"

namespace spool {
namespace {

struct Tree {
    const char* select;
    const char* order;  // the column that the tree is sorted by
};

// Whose ids are those of messages that have not left, or whose story is kept.
constexpr std::array trees{
    Tree{"SELECT id FROM message NOT INDEXED", "id"},
    Tree{"SELECT id FROM message INDEXED BY message_due WHERE due IS NOT NULL", "due"},
    Tree{"SELECT message FROM body", "message"},
    Tree{"SELECT message FROM recipient", "message"},
};

bool contains(std::string_view text, std::string_view needle) {
    return base::to_lower(text).find(base::to_lower(needle)) != std::string::npos;
}

bool matches_text(const Message& message, const std::string& text) {
    return contains(message.subject, text) || contains(message.message_id, text) ||
           contains(message.envelope.reverse_path, text) || contains(message.from, text) ||
           std::ranges::any_of(message.recipients, [&](const RecipientRecord& each) {
               return contains(each.recipient.address, text);
           });
}

bool matches(const Message& message, const Query& query) {
    if (!query.states.empty() &&
        std::ranges::find(query.states, message.state) == query.states.end()) {
        return false;
    }
    const std::string_view from =
        query.from == null_sender ? std::string_view{} : std::string_view{query.from};
    if (!query.from.empty() && !base::glob_match(from, message.envelope.reverse_path)) {
        return false;
    }
    if (!query.to.empty() &&
        std::ranges::none_of(message.recipients, [&](const RecipientRecord& each) {
            return base::glob_match(query.to, each.recipient.address);
        })) {
        return false;
    }
    return query.text.empty() || matches_text(message, query.text);
}

}  // namespace

std::vector<Summary> Salvage::list(const Query& query) {
    std::vector<Summary> summaries;
    for (const std::int64_t number : find_ids()) {
        if (summaries.size() >= query.limit) break;
        if (query.before && number >= query.before->value()) continue;
        std::optional<Message> message = read_message(MessageId{number});
        if (!message || !matches(*message, query)) continue;
        std::vector<Attempt> attempts = read_attempts(message->id);
        std::optional<Attempt> last;
        if (!attempts.empty()) last = std::move(attempts.back());
        summaries.push_back({std::move(*message), std::move(last)});
    }
    return summaries;
}

Details Salvage::show(MessageId id) {
    Details details;
    details.message = read_message(id).value_or(unreadable(id));
    details.attempts = read_attempts(id);
    return details;
}

Outcome<Body> Salvage::load_body(MessageId id) {
    const std::optional<Message> message = read_message(id);
    if (message && is_finished(message->state)) {
        return SpoolError{Problem::not_found,
                          fmt::format("message {} is {}: its content is no longer kept", id.text(),
                                      state_name(message->state))};
    }
    {
        Statement row{database_, "SELECT bytes FROM body WHERE message = ?"};
        if (row.bind(id).step()) {
            Body body;
            body.bytes = std::make_shared<const std::string>(row.text(0));
            body.size = body.bytes->size();
            return body;
        }
    }
    Body body;
    body.file = layout_.body(id);
    std::error_code failure;
    body.size = std::filesystem::file_size(body.file, failure);
    if (!failure) {
        forget_failure();
        return body;
    }
    const bool damaged = database_.failed();
    forget_failure();
    if (!damaged && !message) {
        return SpoolError{Problem::not_found, fmt::format("no message {} in the spool", id.text())};
    }
    return SpoolError{Problem::corrupt,
                      fmt::format("the content of message {} cannot be read: {} is damaged there",
                                  id.text(), layout_.database().string())};
}

std::set<std::int64_t, std::greater<>> Salvage::find_ids() {
    std::set<std::int64_t, std::greater<>> ids;
    for (const Tree& tree : trees) {
        for (const char* direction : {"", " DESC"}) {
            collect(fmt::format("{} ORDER BY {}{}", tree.select, tree.order, direction), ids);
        }
    }
    std::error_code failure;
    for (std::filesystem::directory_iterator entry{layout_.bodies(), failure}, end;
         !failure && entry != end; entry.increment(failure)) {
        if (const auto id = MessageId::parse(entry->path().filename().string())) {
            ids.insert(id->value());
        }
    }
    return ids;
}

void Salvage::collect(const std::string& sql, std::set<std::int64_t, std::greater<>>& ids) {
    {
        Statement rows{database_, sql};
        while (rows.step()) ids.insert(rows.integer(0));
    }
    forget_failure();
}

// None: its row can be read, and is not there.
std::optional<Message> Salvage::read_message(MessageId id) {
    std::optional<Message> message;
    {
        // Without the tree of marks, which may be damaged itself.
        Statement row{database_, fmt::format("SELECT {}, 0 FROM message NOT INDEXED WHERE id = ?",
                                             message_columns)};
        if (row.bind(id).step()) message = message_from(row);
    }
    const bool damaged = database_.failed();
    forget_failure();
    if (!message && !damaged) return std::nullopt;
    if (!message || message->state > MessageState::failed) message = unreadable(id);
    {
        Statement rows{database_, fmt::format("SELECT {} FROM recipient WHERE message = ?"
                                              " ORDER BY position",
                                              recipient_columns)};
        rows.bind(id);
        while (rows.step()) {
            RecipientRecord record = recipient_from(rows);
            if (record.state > RecipientState::failed) continue;
            message->envelope.recipients.push_back(record.recipient);
            message->recipients.push_back(std::move(record));
        }
    }
    forget_failure();
    return message;
}

// Shown as held, for it waits for a person.
Message Salvage::unreadable(MessageId id) const {
    Message message;
    message.id = id;
    message.state = MessageState::held;
    message.subject = "(its row in the database is damaged)";
    return message;
}

std::vector<Attempt> Salvage::read_attempts(MessageId id) {
    std::vector<Attempt> attempts;
    {
        Statement rows{database_, fmt::format("SELECT {} FROM attempt WHERE message = ?"
                                              " ORDER BY number",
                                              attempt_columns)};
        rows.bind(id);
        while (rows.step()) attempts.push_back(attempt_from(rows));
    }
    forget_failure();
    return attempts;
}

void Salvage::forget_failure() {
    if (database_.failed()) static_cast<void>(database_.take_error());
}

}  // namespace spool
