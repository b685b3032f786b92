#include "relay/descriptors.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace relay {
namespace {

// Of relay itself: the database three times with its log, the lock, event loop, listeners, log.
constexpr std::uint64_t own = 48;
constexpr std::uint64_t probes = 48;  // the port-25 survey, a diagnosis, DNS
constexpr std::uint64_t most_admin = 64, fewest_admin = 8;
// A client that sends large mail has a body file open as well. Few do so at the same time.
constexpr std::uint64_t clients_per_body = 8;

}  // namespace

DescriptorPlan plan_descriptors(std::uint64_t limit, std::uint32_t clients,
                                std::uint64_t smarthosts) {
    DescriptorPlan plan;
    plan.limit = limit;
    const std::uint64_t admin = std::clamp(limit / 16, fewest_admin, most_admin);
    plan.admin = static_cast<std::uint32_t>(admin);
    // Each delivery may read a body file.
    const std::uint64_t reserve = own + probes + 2 * admin + 2 * smarthosts;
    const std::uint64_t left = limit > reserve ? limit - reserve : 0;
    // With a very small limit, or very many smarthosts, not all of the reserve is there; some
    // clients must get in all the same.
    const std::uint64_t room = std::max(left - left / (clients_per_body + 1), limit / 4);
    plan.clients = static_cast<std::uint32_t>(std::min<std::uint64_t>(clients, room));
    plan.wanted = own + probes + 2 * most_admin + 2 * smarthosts + clients +
                  (clients + clients_per_body - 1) / clients_per_body;
    return plan;
}

std::uint64_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    if (limit.rlim_cur == limit.rlim_max) return limit.rlim_cur;
    rlimit raised = limit;
    raised.rlim_cur = raised.rlim_max;
    return ::setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

}  // namespace relay
