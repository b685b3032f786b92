#include "spool/schema.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <string_view>

namespace spool {
namespace {

// Numbers stand for the enumerators of message.hpp and envelope.hpp and never change their
// meaning. Times are milliseconds since 1970. Ids are those of base::MessageId.
//
// due is NULL unless an attempt is waiting for its time, so that the partial index holds just
// what take_due() walks. Bodies are apart from their messages: changing a state must not rewrite
// the body. dot holds the messages whose final dot went out without a recorded reply, in a tiny
// table that costs a page of its own and no more; counted tells whether an open has seen it. A
// transaction that takes long before its dot is there as well, with counted = 2 + 2 * (how often
// the process has ended within one, without a result in between), and 1 more while it is under way.
// totals has one row, kept in each transaction, so that opening need not count a million rows.
constexpr const char* version_1 = R"sql(
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    state INTEGER NOT NULL,
    due INTEGER,
    received INTEGER NOT NULL,
    finished INTEGER,
    size INTEGER NOT NULL,
    in_file INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    wedged INTEGER NOT NULL DEFAULT 0,
    warned INTEGER NOT NULL DEFAULT 0,
    reverse_path TEXT NOT NULL,
    body_type INTEGER NOT NULL,
    smtputf8 INTEGER NOT NULL,
    ret INTEGER NOT NULL,
    envid TEXT NOT NULL,
    client TEXT NOT NULL,
    client_name TEXT NOT NULL,
    user TEXT NOT NULL,
    protocol TEXT NOT NULL,
    message_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    header_from TEXT NOT NULL
);
CREATE INDEX message_due ON message (due) WHERE due IS NOT NULL;
CREATE INDEX message_state ON message (state);
CREATE INDEX message_finished ON message (finished) WHERE finished IS NOT NULL;
CREATE TABLE recipient (
    message INTEGER NOT NULL,
    position INTEGER NOT NULL,
    address TEXT NOT NULL,
    notify INTEGER NOT NULL,
    orcpt TEXT NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    code INTEGER NOT NULL DEFAULT 0,
    enhanced TEXT NOT NULL DEFAULT '',
    reply TEXT NOT NULL DEFAULT '',
    problem TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (message, position)
) WITHOUT ROWID;
CREATE TABLE attempt (
    message INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    smarthost TEXT NOT NULL,
    remote TEXT NOT NULL,
    tls TEXT NOT NULL,
    stage TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reply TEXT NOT NULL,
    took INTEGER NOT NULL,
    PRIMARY KEY (message, number)
) WITHOUT ROWID;
CREATE TABLE body (message INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE dot (message INTEGER PRIMARY KEY, counted INTEGER NOT NULL);
CREATE TABLE totals (
    queued INTEGER NOT NULL,
    held INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    bytes INTEGER NOT NULL
);
INSERT INTO totals VALUES (0, 0, 0, 0, 0, 0);
)sql";

// An index of all states cost three pages of each message's commits. Who waits is found by due, and
// what is neither waiting nor delivered is little.
constexpr const char* version_2 = R"sql(
DROP INDEX message_state;
CREATE INDEX message_set_aside ON message (state) WHERE state = 1 OR state = 2 OR state = 4;
)sql";

// One transaction: the database has version first before it and version last after it.
Outcome<> apply(Database& database, std::span<const Migration> migrations, std::size_t first,
                std::size_t last) {
    database.execute("BEGIN IMMEDIATE");
    for (std::size_t i = first; i < last; ++i) database.execute(migrations[i].sql);
    database.execute(fmt::format("PRAGMA user_version = {}", last));
    database.execute("COMMIT");
    if (!database.failed()) return {};
    const SpoolError cause = database.take_error();
    sqlite3_exec(database.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
    return SpoolError{cause.problem, fmt::format("cannot bring the spool database to version {}: "
                                                 "{}",
                                                 last, cause.message)};
}

SpoolError too_new(const std::filesystem::path& file, std::size_t version, std::size_t known) {
    return {Problem::io,
            fmt::format("the spool database {} has version {}, written by a newer relay; this one "
                        "knows versions up to {}: install the newer relay again, or let it deliver "
                        "what waits first",
                        file.string(), version, known)};
}

}  // namespace

std::span<const Migration> known_migrations() {
    static const std::array migrations{Migration{version_1}, Migration{version_2}};
    return migrations;
}

Outcome<> migrate(Database& database, std::span<const Migration> migrations) {
    const auto present = static_cast<std::size_t>(database.number("PRAGMA user_version"));
    if (database.failed()) return database.take_error();
    if (present > migrations.size()) return too_new(database.file(), present, migrations.size());
    // A new database is whole or empty, whenever the process is killed.
    if (present == 0) return apply(database, migrations, 0, migrations.size());
    for (std::size_t version = present; version < migrations.size(); ++version) {
        if (auto applied = apply(database, migrations, version, version + 1); !applied) {
            return applied;
        }
    }
    return {};
}

Outcome<> check_version(const std::filesystem::path& database) {
    // The SQLite file format, section 1.3: the user version is the big-endian number at offset 60.
    std::array<char, 64> header{};
    std::ifstream file{database, std::ios::binary};
    if (!file.read(header.data(), header.size())) return {};
    const std::string_view magic{"SQLite format 3", 16};  // with the NUL behind it
    if (std::string_view{header.data(), magic.size()} != magic) return {};  // damaged: not for here
    std::uint32_t version = 0;
    for (std::size_t i = 60; i < 64; ++i) {
        version = version << 8 | static_cast<unsigned char>(header[i]);
    }
    const std::size_t known = known_migrations().size();
    if (version > known) return too_new(database, version, known);
    return {};
}

}  // namespace spool
