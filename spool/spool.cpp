#include "spool/spool.hpp"

#include <boost/throw_exception.hpp>
#include <stdexcept>
#include <utility>

#include "base/log.hpp"
#include "spool/mark.hpp"
#include "spool/reading_spool.hpp"
#include "spool/sqlite_spool.hpp"

namespace spool {
namespace {

void warn_of_unknown_boot() {
    if (boot_is_known()) return;
    base::log_warning(
        "the machine's boot id cannot be read: after a crash relay cannot tell a log of its spool "
        "that was damaged from one that a power cut shortened. It then goes on with what is left "
        "of the log and says so with an error, where otherwise it would not start",
        {{"file", boot_id_file},
         {"remedy",
          "let relay read it: no ProcSubset=pid in its unit, no /proc without /proc/sys "
          "in its container"}});
}

// All that can be wrong with a spool is said before anything runs.
Outcome<SqliteSpool::Parts> open_parts(Options options, Post post, const Internals& internals) {
    static const base::SystemClock system_clock;
    SqliteSpool::Parts parts;
    parts.clock = internals.clock != nullptr ? internals.clock : &system_clock;
    parts.layout = Layout{options.directory};
    auto lock = claim_directory(parts.layout, options);
    if (!lock) return lock.error();
    parts.lock = std::move(*lock);

    const bool sync = options.durability == Durability::full;
    parts.files = std::make_shared<BodyFiles>(parts.layout, sync, post);
    parts.damage = std::make_shared<Damage>();
    auto store = Store::open(
        {parts.layout, options.durability, options.max_size,
         options.keep_delivered > base::Duration::zero(), internals.migrations, parts.damage},
        parts.files, parts.clock->now());
    if (!store) return store.error();
    parts.store = std::move(*store);
    if (options.opener == Opener::server) warn_of_unknown_boot();
    parts.options = std::move(options);
    parts.post = std::move(post);
    return parts;
}

}  // namespace

Outcome<std::unique_ptr<Spool>> open_with(Options options, Post post, const Internals& internals) {
    auto parts = open_parts(std::move(options), std::move(post), internals);
    if (!parts) return parts.error();
    return std::unique_ptr<Spool>{std::make_unique<SqliteSpool>(std::move(*parts))};
}

base::Result<std::unique_ptr<Spool>> Spool::open(Options options, Post post) {
    auto opened = open_with(std::move(options), std::move(post), {});
    if (!opened) return base::error(opened.error().message);
    return std::move(*opened);
}

base::Result<std::unique_ptr<Spool>> Spool::open_for_reading(Options options, Post post) {
    auto opened = ReadingSpool::open(options, post);
    if (!opened) return base::error(opened.error().message);
    if (*opened) return std::unique_ptr<Spool>{std::move(*opened)};
    return open(std::move(options), std::move(post));  // nothing was begun yet
}

}  // namespace spool

void boost::system::throw_exception_from_error(const spool::SpoolError& error,
                                               const boost::source_location& where) {
    boost::throw_exception(std::logic_error(error.message), where);
}
