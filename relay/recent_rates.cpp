#include "relay/recent_rates.hpp"

namespace relay {
namespace {

// A total that shrinks began anew: a reload makes new smarthosts.
std::uint64_t growth(std::uint64_t before, std::uint64_t after) {
    return after >= before ? after - before : after;
}

}  // namespace

void RecentRates::sample(base::Time now, Totals totals) {
    while (samples_.size() > 1 && now - samples_[1].at >= window) samples_.pop_front();
    samples_.push_back({now, totals});
}

RecentRates::Totals RecentRates::recent(base::Time now, Totals totals) const {
    Totals base;
    for (const Sample& sample : samples_) {
        if (&sample != &samples_.front() && now - sample.at < window) break;
        base = sample.totals;
    }
    return {growth(base.accepted, totals.accepted), growth(base.delivered, totals.delivered)};
}

}  // namespace relay
