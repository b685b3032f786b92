#include "relay/recent_rates.hpp"

namespace relay {

void RecentRates::sample(base::Duration now, Totals totals) {
    while (samples_.size() > 1 && now - samples_[1].at >= window) samples_.pop_front();
    samples_.push_back({now, totals});
}

RecentRates::Totals RecentRates::recent(base::Duration now, Totals totals) const {
    Totals earlier;
    for (const Sample& sample : samples_) {
        if (&sample != &samples_.front() && now - sample.at < window) break;
        earlier = sample.totals;
    }
    return {totals.accepted - earlier.accepted, totals.delivered - earlier.delivered};
}

}  // namespace relay
