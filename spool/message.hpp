#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/message_id.hpp"
#include "smtp/envelope.hpp"
#include "smtp/envelope_names.hpp"
#include "smtp/reply.hpp"
#include "smtp/stage.hpp"

namespace spool {

using base::MessageId;

// Where a message stands. queued: some recipient waits for an attempt. held: waits for a person.
// unknown: its last attempt ended after the final dot without a reply; it waits like queued.
// delivered / failed: nothing waits any more (failed: at least one recipient was given up).
enum class MessageState : std::uint8_t { queued, held, unknown, delivered, failed };
[[nodiscard]] constexpr bool is_finished(MessageState state) {
    return state == MessageState::delivered || state == MessageState::failed;
}
enum class RecipientState : std::uint8_t { pending, delivered, failed };

[[nodiscard]] std::string_view state_name(MessageState state);
[[nodiscard]] std::optional<MessageState> parse_state(std::string_view name);

// A message's content: CRLF lines, without dot-stuffing, with what relay added. In memory or in a
// file.
struct Body {
    std::shared_ptr<const std::string> bytes;  // null when in a file
    std::filesystem::path file;
    std::uint64_t size = 0;
};

struct RecipientRecord {
    smtp::Recipient recipient;
    RecipientState state = RecipientState::pending;
    smtp::Reply last_reply;    // code 0: none yet
    std::string last_problem;  // when there was no reply
};

struct Origin {
    std::string client;       // address of the application, "unix", "local"
    std::string client_name;  // its EHLO name
    std::string user;         // signed in as, or ""
    std::string protocol;     // "ESMTP"
};

// So many wedged attempts put a message on hold: it is not retried for ever.
inline constexpr std::uint32_t most_wedged = 3;

struct Message {
    MessageId id;
    base::Time received{};
    smtp::Envelope envelope;  // all recipients, in order
    std::vector<RecipientRecord> recipients;
    MessageState state = MessageState::queued;
    std::uint64_t size = 0;
    std::uint32_t attempts = 0;  // how many delivery attempts have been made
    std::uint32_t wedged = 0;    // attempts that crashed or were never answered after the dot
    base::Time due{};            // next attempt; meaningless when nothing waits
    bool warned = false;         // the delay warning of RFC 3464 has gone out
    bool dot_marked = false;  // a final dot was sent and no reply recorded: unknown after a crash
    Origin origin;
    std::string message_id, subject, from;  // header fields, for people
    std::optional<base::Time> finished;
};

// One attempt, as queue show tells it.
struct Attempt {
    base::Time at{};
    std::string smarthost;
    std::string remote;  // "192.0.2.1:587"
    std::string tls;     // "TLSv1.3", "" in clear
    smtp::Stage stage = smtp::Stage::final_dot;
    // "delivered", "deferred", "failed", "unknown", "partial"; "failover": another smarthost was
    // tried at once, so the next one tells what became of the message.
    std::string outcome;
    std::string reply;  // the server's, on one line; "" when it said nothing
    base::Duration took{};
    std::string problem;  // our words when there is no reply
};

}  // namespace spool
