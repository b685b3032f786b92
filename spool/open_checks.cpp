#include "spool/open_checks.hpp"

#include <fmt/format.h>

#include <string>
#include <system_error>

#include "base/log.hpp"
#include "spool/log_check.hpp"

namespace spool {
namespace {

bool holds_bodies(const Layout& layout) {
    std::error_code failure;
    for (std::filesystem::directory_iterator entry{layout.bodies(), failure}, end;
         !failure && entry != end; entry.increment(failure)) {
        if (MessageId::parse(entry->path().filename().string())) return true;
    }
    return false;
}

bool holds_something(const std::filesystem::path& file) {
    std::error_code failure;
    return std::filesystem::file_size(file, failure) > 0 && !failure;
}

// What tells that there was a database; empty: nothing does.
std::string trace_of_database(const Layout& layout, const Mark& mark) {
    if (mark.state != Mark::State::none) {
        return fmt::format("{} tells that there was one", layout.mark().string());
    }
    if (holds_bodies(layout)) {
        return fmt::format("{} still holds messages", layout.bodies().string());
    }
    if (holds_something(layout.log())) {
        return fmt::format("its log {} is still there", layout.log().string());
    }
    return {};
}

SpoolError damaged_log(const Layout& layout, const std::string& what) {
    return {Problem::corrupt,
            fmt::format("{}: mail that relay acknowledged may be in it. Put it back as it was, "
                        "together with spool.db. If it is gone for good, keep a copy of the "
                        "folder and remove {}: relay then checks the whole of spool.db and goes "
                        "on with what is in it",
                        what, layout.mark().string())};
}

// Where the log is kept as it was found, for the log line that says so.
std::string kept_copy(const Layout& layout) {
    const std::string copy = layout.log().string() + ".cut";
    std::error_code failure;
    std::filesystem::copy_file(layout.log(), copy,
                               std::filesystem::copy_options::overwrite_existing, failure);
    return failure ? "none: " + failure.message() : copy;
}

// After a power cut a gap is no proof of damage: outcomes need no sync, so that the system may
// have written later frames and not earlier ones. Starting is right then, for nobody waits at
// the machine; but a disk that lost a synced frame looks the same, so it is said, and kept.
void tell_of_gap(const Layout& layout, const LogFindings& log) {
    base::log_error(
        "the spool's log has a gap: what was written after it is dropped. After a power "
        "cut this is what was not yet synced: outcomes, and mail not yet acknowledged. "
        "Otherwise the disk has damaged it",
        {{"file", layout.log().string()},
         {"transactions", log.beyond},
         {"copy", kept_copy(layout)}});
}

// The index of the log tells of more than the log holds. Of a power cut the one may be as old as
// the other is short, so this must not stop the start; nor may it pass without a word.
void tell_of_unproved_cut(const Layout& layout, const LogFindings& log) {
    base::log_error(
        "the spool's log is shorter than its index tells, or damaged: relay goes on with what can "
        "be read. After a power cut nothing that was acknowledged is missing. Otherwise mail that "
        "relay acknowledged may be lost. Which of them it was cannot be told without the "
        "machine's boot id",
        {{"file", layout.log().string()},
         {"pages_readable", log.readable},
         {"pages_of_index", log.committed},
         {"copy", kept_copy(layout)}});
}

}  // namespace

Outcome<> check_not_lost(const Layout& layout, const Mark& mark) {
    if (holds_something(layout.database())) return {};
    const std::string trace = trace_of_database(layout, mark);
    if (trace.empty()) return {};
    std::error_code ignored;
    return SpoolError{
        Problem::corrupt,
        fmt::format("the spool database {} is {}, but {}: put the database back, with its "
                    "spool.db-wal if there was one. To begin with an empty spool instead, move all "
                    "that is in {} away",
                    layout.database().string(),
                    std::filesystem::exists(layout.database(), ignored) ? "empty" : "missing",
                    trace, layout.directory.string())};
}

Outcome<> check_log(const Layout& layout, const Mark& mark) {
    if (mark.state == Mark::State::closed || !holds_something(layout.database())) return {};
    const LogFindings log = examine_log(layout.database());
    const bool open = mark.state == Mark::State::open;
    if (open && !log.present) {
        return damaged_log(layout, fmt::format("relay was not closed, and the spool's log {} is "
                                               "missing",
                                               layout.log().string()));
    }
    const bool cut = open && log.readable < log.committed;
    if (cut && mark.boot == Mark::Boot::present) {
        return damaged_log(layout,
                           fmt::format("the spool's log {} is damaged or cut off: {} of {} pages "
                                       "can be read",
                                       layout.log().string(), log.readable, log.committed));
    }
    if (cut && mark.boot == Mark::Boot::unknown) {
        tell_of_unproved_cut(layout, log);
    } else if (log.beyond > 0) {
        tell_of_gap(layout, log);
    }
    return {};
}

}  // namespace spool
