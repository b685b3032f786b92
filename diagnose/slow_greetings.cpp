#include "diagnose/slow_greetings.hpp"

#include <algorithm>

namespace diagnose {
namespace {

// Of the open ports 25: there are some, and each fits.
bool all_open(const Observations& seen, auto fits) {
    bool any = false;
    for (const PortEvidence& item : seen.ports) {
        if (item.role != ProbeRole::direct || !item.open()) continue;
        if (!fits(item)) return false;
        any = true;
    }
    return any;
}

bool answered_from_afar(const Observations& seen) {
    const std::optional<PathReading> reading = best_reading(seen);
    if (reading && reading->finding == PathFinding::intercepted) return false;
    bool far = reading && reading->finding == PathFinding::clear;
    for (const AnswerPair& pair : seen.answers) {
        const AnswerFinding finding = compare_answers(pair);
        if (finding == AnswerFinding::nearer) return false;
        far = far || finding == AnswerFinding::same;
    }
    return far;
}

}  // namespace

bool mute_from_afar(const Observations& seen) {
    return all_open(seen, [](const auto& item) { return item.identity == Identity::silent; }) &&
           answered_from_afar(seen);
}

bool slow_from_afar(const Observations& seen) {
    return all_open(seen, may_be_slow) && answered_from_afar(seen);
}

}  // namespace diagnose
