#include "spool/structure.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>

namespace spool {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds longest_look{500};
constexpr int rows_between_looks_at_the_clock = 256;

// Each walks one tree, and all of its pages, without the content that flows over from a row.
constexpr std::array walks{
    "SELECT queued FROM totals",
    "SELECT message FROM dot",
    "SELECT due FROM message INDEXED BY message_due WHERE due IS NOT NULL",
    "SELECT state FROM message INDEXED BY message_set_aside WHERE state = 1 OR state = 2"
    " OR state = 4",
    "SELECT id FROM message NOT INDEXED",
    "SELECT message FROM recipient",
    "SELECT message FROM body",
    "SELECT finished FROM message INDEXED BY message_finished WHERE finished IS NOT NULL",
    "SELECT message FROM attempt",
};

}  // namespace

Outcome<> check_whole(Database& database) {
    std::string found;
    {
        Statement row{database, "PRAGMA quick_check(1)"};
        if (row.step() && row.text(0) != "ok") found = row.string(0);
    }
    if (database.failed()) return database.take_error();
    if (found.empty()) return {};
    SpoolError failure = describe_failure(nullptr, SQLITE_CORRUPT, database.file());
    failure.message += fmt::format(" (found: {})", found);
    return failure;
}

Outcome<> check_briefly(Database& database) {
    const auto end = steady_clock::now() + longest_look;
    for (const char* walk : walks) {
        Statement row{database, walk};
        int rows = 0;
        while (row.step()) {
            if (++rows % rows_between_looks_at_the_clock != 0) continue;
            if (steady_clock::now() >= end) return {};
        }
        if (database.failed()) return database.take_error();
    }
    return {};
}

}  // namespace spool
