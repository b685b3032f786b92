#pragma once

#include <optional>
#include <string>

#include "admin/api.hpp"

namespace admin {

// The numbers of one moment; what is not there (offline, not probed yet) leaves no samples.
struct Snapshot {
    spool::Stats queue;
    std::optional<ListenerStatus> listener;
    std::optional<delivery::Status> delivery;
    std::optional<diagnose::StartupVerdict> verdict;
};

[[nodiscard]] Snapshot take_snapshot(const Services& services, const spool::Stats& queue);

// Prometheus text exposition format 0.0.4.
[[nodiscard]] std::string metrics_text(const Services& services, const Snapshot& snapshot,
                                       base::Time now);

}  // namespace admin
