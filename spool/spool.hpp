#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "spool/message.hpp"
#include "spool/options.hpp"

namespace spool {

// Why the spool refused, so that the caller can choose a reply; the text is for the log. unsynced:
// the disk did not confirm what was written, so nobody may be told that it is there. body_lost: the
// content of one message is gone for good.
enum class Problem : std::uint8_t { full, read_only, io, unsynced, corrupt, body_lost, not_found };
struct SpoolError {
    Problem problem = Problem::io;
    std::string message;
};
template <class T = void>
using Outcome = base::Result<T, SpoolError>;
template <class T = void>
using Done = std::function<void(Outcome<T>)>;

// Runs a batch where the caller lives, later, e.g. asio::post(loop, batch): completions, and at the
// end of the loop's turn what is to be committed. Called on any thread, also within Spool::add().
using Post = std::function<void(std::function<void()> batch)>;

// Takes one message's content in pieces. Small content stays in memory; past Options::inline_limit
// it goes to a file on the spool's file thread. Dropped unfinished, it leaves nothing behind.
class BodyWriter {
 public:
    virtual ~BodyWriter() = default;
    // Takes the bytes. When it returns false the caller stops until ready() was called: what is
    // under way to the disk is bounded. A failure is kept and given out by Spool::add().
    [[nodiscard]] virtual bool write(std::string_view bytes) = 0;
    virtual void when_ready(std::function<void()> ready) = 0;  // at most one waits
    [[nodiscard]] virtual std::uint64_t size() const = 0;
};

struct NewMessage {
    MessageId id;
    base::Time received{};
    smtp::Envelope envelope;
    Origin origin;
    std::string message_id, subject, from;
    std::unique_ptr<BodyWriter> body;
    bool take =
        true;  // the caller delivers it now: it is leased to the caller until record() or release()
};

// A message as handed out for delivery, leased until record() or release().
struct Leased {
    Message message;
    std::optional<Body> body;  // set when it is at hand in memory; otherwise load_body()
};

// What one attempt came to. Recipients not named are untouched.
struct Report {
    struct Change {
        std::size_t recipient = 0;  // index in Message::recipients
        RecipientState state = RecipientState::pending;
        smtp::Reply reply;
        std::string problem;
    };
    MessageId id;
    std::optional<Attempt> attempt;  // none: only the due time moves (e.g. the smarthost is paused)
    bool whole = true;               // false: it goes on, and counts when it ends
    std::vector<Attempt> earlier;    // smarthosts tried before it in vain; part of the same attempt
    std::vector<Change> changes;
    MessageState state = MessageState::queued;  // queued or unknown or held; delivered/failed
                                                // follow from the recipients
    base::Time due{};                           // if some recipient still waits
    bool warned = false;                        // sets Message::warned
    bool wedged = false;                        // the attempt counts in Message::wedged
    std::vector<NewMessage> reports;  // bounces and warnings, made durable in the same transaction
};

struct Query {
    std::vector<MessageState> states;  // empty: all
    std::string to, from;              // globs, "" any; from "<>": the empty one
    std::string text;                  // substring of address, subject or message-id, "" any
    std::optional<MessageId> before;   // page: only older ids
    std::size_t limit = 100;
};

struct Summary {
    Message message;
    std::optional<Attempt> last_attempt;
};
struct Details {
    Message message;
    std::vector<Attempt> attempts;
    bool under_way = false;      // leased: a delivery has it or will have it at once
    bool hold_asked = false;     // it is held as soon as the attempt under way ends
    bool removal_asked = false;  // it is removed then
};

struct Stats {
    std::uint64_t queued = 0, held = 0, unknown = 0, delivered = 0, failed = 0;  // messages
    std::uint64_t bytes = 0;                                                     // of bodies held
    std::optional<base::Time> oldest;  // received, of what waits
    std::uint64_t free_bytes = 0;      // on the file system
    std::uint64_t commits = 0,
                  synced_messages = 0;  // since the start: how well group commit groups
};

// Which messages a command acts on. Either ids or a query.
struct Selection {
    std::vector<MessageId> ids;
    std::optional<Query> query;  // limit and before are ignored
};

// The durable queue. Calls may come from any thread and return at once; work is done on the
// spool's own threads and answered through Post. add() is answered only after the message is on
// disk (one fdatasync for all that waited: group commit). Everything else needs no sync of its own:
// once written, which outcomes and marks wait 25 ms for, it survives the end of the process, and
// only a power cut may undo it, which repeats an attempt but never loses a message. Destruction
// finishes what was submitted, then closes.
class Spool {
 public:
    // Creates or migrates the schema, takes the lock, puts body files without a row aside. A second
    // process on the same directory gets an error that names the first one's pid.
    [[nodiscard]] static base::Result<std::unique_ptr<Spool>> open(Options options, Post post);
    // For list(), show(), load_body() and stats() while no relay runs. Changes no file, and of a
    // damaged database reads what can be read.
    [[nodiscard]] static base::Result<std::unique_ptr<Spool>> open_for_reading(Options options,
                                                                               Post post);
    virtual ~Spool() = default;

    [[nodiscard]] virtual std::unique_ptr<BodyWriter> new_body() = 0;
    // Whether a message of this size would be taken now (min_free, max_size); cheap, any thread.
    [[nodiscard]] virtual Outcome<> room_for(std::uint64_t size) const = 0;

    // Leased (with its small body in memory) when NewMessage::take; Leased::message.id only
    // otherwise.
    virtual void add(NewMessage message, Done<Leased> done) = 0;
    // Messages due by now, oldest first, at most limit, which nobody has leased; and when the next
    // one is due.
    struct Due {
        std::vector<Leased> messages;
        std::optional<base::Time> next;
    };
    virtual void take_due(base::Time now, std::size_t limit, Done<Due> done) = 0;
    virtual void load_body(MessageId id, Done<Body> done) = 0;
    virtual void record(Report report, Done<> done) = 0;  // ends the lease
    virtual void release(MessageId id) = 0;               // ends the lease, nothing happened
    virtual void mark_dot(MessageId id) = 0;              // a final dot is about to be sent
    // A transaction has begun, or is about to: if relay ends before its result is recorded, that is
    // one of the most_wedged deliveries that a message may have. Answered (when wanted) as soon as
    // the mark survives the end of the process.
    virtual void mark_begun(MessageId id, Done<> done) = 0;
    // The process that had the spool before did not close it.
    [[nodiscard]] virtual bool after_crash() const = 0;

    // The wall clock was set. What is due after `latest` becomes due now; of what waits and was
    // received from `from` to `to`, that time moves by `by`.
    virtual void pull_in(base::Time now, base::Time latest) = 0;
    virtual void move_received(base::Time from, base::Time to, base::Duration by) = 0;

    virtual void list(Query query, Done<std::vector<Summary>> done) = 0;
    virtual void show(MessageId id, Done<Details> done) = 0;
    virtual void stats(Done<Stats> done) = 0;
    // Each answers with how many messages it changed. Leased messages are changed as soon as their
    // attempt ends.
    virtual void retry(Selection selection, base::Time now,
                       Done<std::uint64_t> done) = 0;  // due now; held stay held
    virtual void hold(Selection selection, Done<std::uint64_t> done) = 0;
    virtual void unhold(Selection selection, base::Time now, Done<std::uint64_t> done) = 0;
    virtual void remove(Selection selection,
                        Done<std::uint64_t> done) = 0;  // for good, with its body
    virtual void flush(Done<> done) = 0;                // all submitted before is written
};

}  // namespace spool

namespace boost::system {
// Found by Outcome<T>::value(): asking a failed outcome for its value is a bug.
[[noreturn]] void throw_exception_from_error(const spool::SpoolError& error,
                                             const boost::source_location& where);
}  // namespace boost::system
