#include "delivery/health.hpp"

#include <algorithm>
#include <utility>

namespace delivery {
namespace {

constexpr base::Duration longest_failing_rest = std::chrono::minutes{5};

}  // namespace

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
    forget_growth();
}

void SmarthostHealth::failed(base::Time now, std::string problem, smtp::Stage stage) {
    rest(now, Health::failing, std::move(problem), stage);
}

void SmarthostHealth::sign_in_refused(base::Time now, std::string problem) {
    rest(now, Health::paused, std::move(problem), smtp::Stage::auth);
}

void SmarthostHealth::try_at_once() {
    forget_growth();
    // The time stays set, in the past: the next connection is a trial, not a flood.
    if (next_attempt_) next_attempt_ = base::Time{};
}

void SmarthostHealth::forget_growth() {
    rest_ = connect_rest_ = auth_rest_ = {};
    failures_ = 0;
}

void SmarthostHealth::rest(base::Time now, Health state, std::string problem, smtp::Stage stage) {
    if (state_ != state) since_ = now;
    state_ = state;
    stage_ = stage;
    problem_ = std::move(problem);
    ++failures_;
    const bool auth = stage == smtp::Stage::auth;
    if (auth) connect_rest_ = {};  // it could be reached
    base::Duration& grown = auth ? auth_rest_ : connect_rest_;
    grown = grown.count() == 0 ? first_rest_ : std::min(grown * 2, longest_rest);
    const base::Duration longest = state == Health::paused ? longest_rest : longest_failing_rest;
    rest_ = std::min(grown, std::max(longest, first_rest_));
    next_attempt_ = now + rest_;
}

}  // namespace delivery
