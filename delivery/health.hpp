#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "delivery/status.hpp"
#include "smtp/client_session.hpp"

namespace delivery {

// Of a smarthost, unless the first retry step is longer.
constexpr base::Duration longest_rest = std::chrono::hours{1};

// Whether a smarthost may be tried now. After trouble it rests for a growing while: after a refused
// sign-in from the first retry step up to an hour (providers lock accounts that keep trying),
// after connection, TLS or greeting trouble, or a sign-in that could not be judged, up to five
// minutes. What sign-ins have grown to only a success forgets, not other trouble in between. When
// the rest is over one connection at a time may try; its success opens the door again.
class SmarthostHealth {
 public:
    explicit SmarthostHealth(base::Duration first_rest) : first_rest_(first_rest) {}

    // A rest that seems to last far longer than it was given is one that began before the clock was
    // set back.
    [[nodiscard]] bool usable(base::Time now) const {
        return !next_attempt_ || now >= *next_attempt_ || *next_attempt_ - now > rest_ * 2;
    }
    [[nodiscard]] bool on_trial() const { return next_attempt_.has_value(); }
    // It worked, or was not tried, before the failure that its rest is for.
    [[nodiscard]] bool first_in_a_row() const { return failures_ == 1; }

    void succeeded(base::Time now);
    // Connection, TLS, greeting, EHLO; AUTH with a reply that judges no password.
    void failed(base::Time now, std::string problem, smtp::Stage stage = smtp::Stage::connect);
    void sign_in_refused(base::Time now, std::string problem);  // AUTH
    void try_at_once();  // a reload or a person asks: the rest is over, its growth forgotten

    [[nodiscard]] Health state() const { return state_; }
    [[nodiscard]] const std::string& problem() const { return problem_; }
    [[nodiscard]] smtp::Stage stage() const { return stage_; }  // of the problem
    [[nodiscard]] std::optional<base::Time> since() const { return since_; }
    [[nodiscard]] std::optional<base::Time> next_attempt() const { return next_attempt_; }

 private:
    void forget_growth();
    void rest(base::Time now, Health state, std::string problem, smtp::Stage stage);

    base::Duration first_rest_;
    base::Duration rest_{};                        // under way, or the last one
    base::Duration connect_rest_{}, auth_rest_{};  // what each kind has grown to
    unsigned failures_ = 0;                        // since it worked
    Health state_ = Health::untried;
    std::string problem_;
    smtp::Stage stage_ = smtp::Stage::connect;
    std::optional<base::Time> since_, next_attempt_;
};

}  // namespace delivery
