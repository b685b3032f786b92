#include "delivery/schedule.hpp"

#include <algorithm>
#include <random>

#include "delivery/health.hpp"

namespace delivery {

base::Duration retry_delay(const RetryOptions& options, std::uint32_t attempts, bool unknown,
                           double jitter) {
    const std::size_t last = options.steps.size() - 1;
    const std::size_t made = std::max<std::uint32_t>(attempts, 1);
    const std::size_t index = std::min(last, made - 1 + (unknown ? 1 : 0));
    const auto step = static_cast<double>(options.steps[index].count());
    return base::Duration{
        static_cast<std::int64_t>(step + step * 0.1 * std::clamp(jitter, -1.0, 1.0))};
}

base::Duration longest_wait(const RetryOptions& options) {
    const base::Duration step = *std::max_element(options.steps.begin(), options.steps.end());
    return std::max<base::Duration>(step + step / 10, longest_rest) + std::chrono::seconds{1};
}

double random_jitter() {
    thread_local std::minstd_rand random{std::random_device{}()};
    return std::uniform_real_distribution<double>{-1.0, 1.0}(random);
}

}  // namespace delivery
