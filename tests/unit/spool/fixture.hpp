#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

#include "spool/open.hpp"
#include "spool/spool.hpp"
#include "spool/wait.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/folder.hpp"

namespace spool::test {

using std::literals::chrono_literals::operator""ms;
using std::literals::chrono_literals::operator""s;
using std::literals::chrono_literals::operator""min;
using std::literals::chrono_literals::operator""h;

using ::test::Folder;

// Waits for what another thread brings about without telling, such as a file's removal; gives up
// after a long time.
template <class Condition>
bool eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    std::mutex mutex;
    std::condition_variable tick;  // nobody notifies it: it paces the looking
    std::unique_lock lock{mutex};
    while (std::chrono::steady_clock::now() < end) {
        if (tick.wait_for(lock, 2ms, condition)) return true;
    }
    return condition();
}

inline const base::Time start{std::chrono::hours{24 * 365 * 56}};

// A spool that is asked and answers at once, with the short forms tests need.
struct Desk {
    explicit Desk(Options set_options, Internals set_internals = {})
        : options(std::move(set_options)), internals(set_internals) {
        open();
    }
    explicit Desk(const Folder& folder) : Desk(options_for(folder)) {}

    static Options options_for(const Folder& folder) {
        Options options;
        options.directory = folder.path() / "spool";
        options.min_free = 0;
        return options;
    }

    void open() {
        auto opened = open_with(options, run_at_once, internals);
        if (!opened) FAIL(opened.error().message);
        spool = std::move(*opened);
    }
    void reopen() {
        spool.reset();
        open();
    }

    NewMessage message(std::int64_t id, std::string_view content, bool take = true,
                       std::vector<std::string> to = {"to@b.example"}) const {
        NewMessage made;
        made.id = MessageId{id};
        made.received = start + base::Duration{id};
        made.envelope.reverse_path = "from@a.example";
        for (std::string& address : to) made.envelope.recipients.push_back({address, {}, ""});
        made.origin = {"127.0.0.1", "app", "", "ESMTP"};
        made.subject = "Subject " + std::to_string(id);
        made.message_id = "<" + std::to_string(id) + "@a.example>";
        made.from = "From <from@a.example>";
        made.take = take;
        made.body = spool->new_body();
        write(*made.body, content);
        return made;
    }
    static void write(BodyWriter& body, std::string_view content) {
        constexpr std::size_t piece = 16 << 10;
        for (; !content.empty(); content.remove_prefix(std::min(piece, content.size()))) {
            if (body.write(content.substr(0, piece))) continue;
            std::promise<void> ready;
            body.when_ready([&ready] { ready.set_value(); });
            ready.get_future().wait();
        }
    }

    Outcome<Leased> add(NewMessage message) {
        return wait<Leased>([&](auto done) { spool->add(std::move(message), std::move(done)); });
    }
    Outcome<Leased> add(std::int64_t id, std::string_view content = "Subject: x\r\n\r\nHi\r\n",
                        bool take = true) {
        return add(message(id, content, take));
    }
    Outcome<> record(Report report) {
        return wait([&](auto done) { spool->record(std::move(report), std::move(done)); });
    }
    Spool::Due take_due(base::Time now, std::size_t limit = 100) {
        auto due =
            wait<Spool::Due>([&](auto done) { spool->take_due(now, limit, std::move(done)); });
        REQUIRE(due.has_value());
        return std::move(*due);
    }
    std::vector<std::int64_t> take_ids(base::Time now, std::size_t limit = 100) {
        std::vector<std::int64_t> ids;
        for (const Leased& leased : take_due(now, limit).messages) {
            ids.push_back(leased.message.id.value());
        }
        return ids;
    }
    Outcome<Body> load_body(std::int64_t id) {
        return wait<Body>([&](auto done) { spool->load_body(MessageId{id}, std::move(done)); });
    }
    Outcome<Details> show(std::int64_t id) {
        return wait<Details>([&](auto done) { spool->show(MessageId{id}, std::move(done)); });
    }
    std::vector<std::int64_t> list(Query query) {
        auto found = wait<std::vector<Summary>>(
            [&](auto done) { spool->list(std::move(query), std::move(done)); });
        REQUIRE(found.has_value());
        std::vector<std::int64_t> ids;
        for (const Summary& summary : *found) ids.push_back(summary.message.id.value());
        return ids;
    }
    Stats stats() {
        auto stats = wait<Stats>([&](auto done) { spool->stats(std::move(done)); });
        REQUIRE(stats.has_value());
        return *stats;
    }
    void flush() {
        REQUIRE(wait([&](auto done) { spool->flush(std::move(done)); }).has_value());
    }
    std::uint64_t retry(Selection selection, base::Time now) {
        return *wait<std::uint64_t>([&](auto done) { spool->retry(selection, now, done); });
    }
    std::uint64_t hold(Selection selection) {
        return *wait<std::uint64_t>([&](auto done) { spool->hold(selection, done); });
    }
    std::uint64_t unhold(Selection selection, base::Time now) {
        return *wait<std::uint64_t>([&](auto done) { spool->unhold(selection, now, done); });
    }
    std::uint64_t remove(Selection selection) {
        return *wait<std::uint64_t>([&](auto done) { spool->remove(selection, done); });
    }
    [[nodiscard]] std::size_t body_files() const {
        const std::filesystem::directory_iterator files{options.directory / "bodies"};
        return static_cast<std::size_t>(std::count_if(
            begin(files), end(files), [](const auto& entry) { return entry.is_regular_file(); }));
    }

    Options options;
    Internals internals;
    std::unique_ptr<Spool> spool;
};

inline Selection ids(std::initializer_list<std::int64_t> values) {
    Selection selection;
    for (const std::int64_t value : values) selection.ids.emplace_back(value);
    return selection;
}

inline Attempt attempt(std::string outcome, base::Time at = start) {
    Attempt made;
    made.at = at;
    made.smarthost = "main";
    made.remote = "192.0.2.1:587";
    made.tls = "TLSv1.3";
    made.stage = smtp::Stage::rcpt;
    made.outcome = std::move(outcome);
    made.reply = "250 2.0.0 Ok";
    made.took = 120ms;
    return made;
}

// What an attempt came to for the first recipients, in order.
inline Report report(std::int64_t id, std::vector<RecipientState> states, base::Time due = start) {
    Report made;
    made.id = MessageId{id};
    made.attempt = attempt("partial");
    made.due = due;
    for (std::size_t i = 0; i < states.size(); ++i) {
        const int code = states[i] == RecipientState::delivered ? 250
                         : states[i] == RecipientState::failed  ? 550
                                                                : 451;
        made.changes.push_back({i, states[i], {code, "2.0.0", "said so"}, ""});
    }
    return made;
}

inline constexpr auto pending = RecipientState::pending;
inline constexpr auto delivered = RecipientState::delivered;
inline constexpr auto failed = RecipientState::failed;

}  // namespace spool::test
