#include "delivery/health.hpp"

#include <algorithm>
#include <utility>

namespace delivery {

std::string_view health_name(Health health) {
    switch (health) {
        case Health::untried:
            return "untried";
        case Health::ok:
            return "ok";
        case Health::failing:
            return "failing";
        case Health::paused:
            return "paused";
    }
    return "untried";
}

void SmarthostHealth::succeeded(base::Time now) {
    if (state_ != Health::ok) since_ = now;
    state_ = Health::ok;
    problem_.clear();
    next_attempt_.reset();
    rest_ = {};
}

void SmarthostHealth::failed(base::Time now, std::string problem, smtp::Stage stage) {
    stage_ = stage;
    rest(now, Health::failing, std::move(problem), std::chrono::minutes{5});
}

void SmarthostHealth::sign_in_refused(base::Time now, std::string problem) {
    stage_ = smtp::Stage::auth;
    rest(now, Health::paused, std::move(problem), longest_rest);
}

void SmarthostHealth::try_at_once() {
    rest_ = {};
    // The time stays set, in the past: the next connection is a trial, not a flood.
    if (next_attempt_) next_attempt_ = base::Time{};
}

void SmarthostHealth::rest(base::Time now, Health state, std::string problem,
                           base::Duration longest) {
    if (state_ != state) {
        since_ = now;
        rest_ = {};
    }
    state_ = state;
    problem_ = std::move(problem);
    rest_ = rest_.count() == 0 ? first_rest_ : rest_ * 2;
    rest_ = std::min(rest_, std::max(longest, first_rest_));
    next_attempt_ = now + rest_;
}

}  // namespace delivery
