#pragma once

#include <memory>
#include <span>

#include "base/clock.hpp"
#include "spool/schema.hpp"
#include "spool/spool.hpp"

namespace spool {

// What a test replaces.
struct Internals {
    const base::Clock* clock = nullptr;  // must outlive the spool; none: the system's
    std::span<const Migration> migrations = known_migrations();
};

[[nodiscard]] Outcome<std::unique_ptr<Spool>> open_with(Options options, Post post,
                                                        const Internals& internals);

}  // namespace spool
