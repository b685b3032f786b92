#include "relay/queue_report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "base/units.hpp"

namespace relay {

namespace json = boost::json;

namespace {

std::string age(const std::optional<base::Time>& time, base::Time now) {
    return time ? short_duration(now - *time) : "-";
}

// When the next attempt is: "now", "in 4m", "-".
std::string next_attempt(const ApiView& message, base::Time now) {
    const auto due = message.time("due");
    if (!due) return "-";
    return *due <= now ? "now" : "in " + short_duration(*due - now);
}

// The recipient who makes the message's state what it is: the first who failed, or who waits.
std::optional<ApiView> telling_recipient(const ApiView& message) {
    const std::vector<ApiView> recipients = objects(message.list("recipients"));
    const std::string state = message.text("state");
    const std::string_view wanted =
        state == "failed" || state == "delivered" ? std::string_view{state} : "pending";
    const auto found = std::find_if(recipients.begin(), recipients.end(), [&](const ApiView& each) {
        return each.text("state") == wanted;
    });
    if (found != recipients.end()) return *found;
    if (recipients.empty()) return std::nullopt;
    return recipients.front();
}

std::string recipients_text(const ApiView& message) {
    const auto telling = telling_recipient(message);
    if (!telling) return "-";
    std::string text = telling->text("address");
    const std::size_t count = message.list("recipients").size();
    if (count > 1) text += " +" + std::to_string(count - 1);
    return text;
}

std::string sender_text(const ApiView& message) {
    const std::string from = message.text("from");
    return from.empty() ? "<>" : from;
}

std::string last_word(const ApiView& message) {
    const auto telling = telling_recipient(message);
    const std::string word = telling ? word_of(*telling) : std::string{};
    if (!word.empty()) return word;
    const auto attempt = message.object("last_attempt");
    return attempt ? word_of(*attempt) : std::string{};
}

std::string line(std::string_view name, const std::string& value) {
    return value.empty() ? "" : fmt::format("{:<12}{}\n", name, base::printable(value, 2000));
}

std::string moment(const ApiView& view, std::string_view name, base::Time now) {
    const auto time = view.time(name);
    if (!time) return "";
    const base::Duration distance = now - *time;
    if (distance < base::Duration::zero()) {
        return base::format_iso8601(*time) + " (in " + base::human_duration(-distance) + ")";
    }
    return base::format_iso8601(*time) + " (" + base::human_duration(distance) + " ago)";
}

std::string origin_text(const ApiView& message) {
    const auto origin = message.object("origin");
    if (!origin) return "";
    std::string text = origin->text("client");
    if (!origin->text("client_name").empty()) text += " (" + origin->text("client_name") + ")";
    if (!origin->text("protocol").empty()) text += " by " + origin->text("protocol");
    if (!origin->text("user").empty()) text += ", signed in as " + origin->text("user");
    return text;
}

std::string recipient_lines(const ApiView& message, const Terminal& terminal) {
    std::string text = "\nRecipients\n";
    for (const ApiView recipient : objects(message.list("recipients"))) {
        const std::string state = recipient.text("state");
        const std::string said = word_of(recipient);
        text += "  " + styled(terminal, state_style(state), fmt::format("{:<10}", state)) +
                base::printable(recipient.text("address"));
        text += said.empty() ? "\n" : ": " + base::printable(said, 2000) + "\n";
    }
    return text;
}

std::string attempt_line(const ApiView& attempt, const Terminal& terminal) {
    const std::string outcome = attempt.text("outcome");
    std::string where = attempt.text("smarthost");
    if (!attempt.text("remote").empty()) where += " (" + attempt.text("remote") + ")";
    if (!attempt.text("tls").empty()) where += " " + attempt.text("tls");
    std::string text = "  " + attempt.text("at") + "  " +
                       styled(terminal, state_style(outcome), fmt::format("{:<10}", outcome)) +
                       base::printable(where) + " at " + attempt.text("stage");
    const base::Duration took{attempt.number("ms")};
    if (took > base::Duration::zero()) text += " after " + base::human_duration(took);
    const std::string word = word_of(attempt);
    if (!word.empty()) text += ": " + base::printable(word, 2000);
    if (outcome == "failover") text += "; the next one was tried at once";
    return text + "\n";
}

std::string attempt_in(const ApiView& message, base::Time now, bool relay_runs) {
    const auto due = message.time("due");
    const base::Duration left = due && *due > now ? *due - now : base::Duration::zero();
    // It is past by the time somebody has started one.
    if (!relay_runs && left < std::chrono::seconds{10}) return "attempt as soon as relay runs";
    if (left == base::Duration::zero()) return "attempt now";
    return "attempt in " + base::human_duration(left) + (relay_runs ? "" : ", if relay runs then");
}

std::string what_comes_next(const ApiView& message, base::Time now, bool relay_runs) {
    const std::string state = message.text("state");
    const std::string id = message.text("id");
    const std::string asked = message.text("asked");
    if (asked == "hold") return "held as soon as the attempt under way ends";
    if (asked == "delete") return "deleted as soon as the attempt under way ends";
    if (message.flag("under_way")) return "an attempt is under way";
    if (state == "held") return "held until \"relay queue release " + id + "\"";
    if (state == "delivered") return "nothing: every recipient has it";
    if (state == "failed") return "nothing: given up for at least one recipient";
    const std::string attempt = attempt_in(message, now, relay_runs);
    if (state != "unknown") return attempt;
    return attempt +
           "; the last one ended without a reply after the whole message was sent, so the "
           "recipients may have it already";
}

}  // namespace

std::string word_of(const ApiView& view) {
    const std::string reply = view.text("reply");
    const std::string problem = view.text("problem");
    return problem + (reply.empty() || problem.empty() ? "" : ": ") + reply;
}

Style state_style(std::string_view state) {
    if (state == "delivered") return Style::good;
    if (state == "failed") return Style::bad;
    for (const std::string_view mixed : {"held", "unknown", "deferred", "partial", "failover"}) {
        if (state == mixed) return Style::warning;
    }
    return Style::plain;
}

std::string message_table(const json::array& messages, const Terminal& terminal, base::Time now) {
    Table table{{{"ID"},
                 {"STATE"},
                 {"AGE", true},
                 {"SIZE", true},
                 {"FROM", false, true},
                 {"TO", false, true},
                 {"NEXT"},
                 {"LAST REPLY", false, true}}};
    for (const ApiView message : objects(messages)) {
        const std::string state = message.text("state");
        table.add({message.text("id"),
                   {state, state_style(state)},
                   age(message.time("received"), now),
                   base::human_size(message.number("size")),
                   sender_text(message),
                   recipients_text(message),
                   next_attempt(message, now),
                   last_word(message)});
    }
    return table.text(terminal);
}

std::string message_story(const ApiView& message, const Terminal& terminal, base::Time now,
                          bool relay_runs) {
    const std::string state = message.text("state");
    std::string text = styled(terminal, Style::bold, message.text("id")) + "  " +
                       styled(terminal, state_style(state), state) + "\n";
    text += line("received", moment(message, "received", now));
    text += line("from app", origin_text(message));
    text += line("sender", sender_text(message));
    text += line("header from", message.text("header_from"));
    text += line("subject", message.text("subject"));
    text += line("message-id", message.text("message_id"));
    text += line("size", base::human_size(message.number("size")));
    text += line("finished", moment(message, "finished", now));
    text += recipient_lines(message, terminal);
    const std::vector<ApiView> history = objects(message.list("history"));
    const bool cut_off = history.empty() && state == "unknown";
    const char* none = cut_off ? "\nThe attempt under way when relay was killed left no record\n"
                               : "\nNo attempt yet\n";
    text += history.empty() ? none : "\nAttempts\n";
    for (const ApiView attempt : history) text += attempt_line(attempt, terminal);
    return text + "\n" + line("next", what_comes_next(message, now, relay_runs));
}

std::string stats_text(const ApiView& stats, base::Time now) {
    std::string text;
    for (const char* state : {"queued", "held", "unknown", "delivered", "failed"}) {
        text += line(state, std::to_string(stats.number(state)));
    }
    text += line("content", base::human_size(stats.number("bytes")));
    text += line("oldest", moment(stats, "oldest", now));
    text += line("free space", base::human_size(stats.number("free_bytes")));
    return text;
}

}  // namespace relay
