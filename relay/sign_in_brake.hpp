#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace relay {

// Guessing passwords must be slow, however many connections the guesser opens: after `most_failed`
// refused sign-ins within a minute a client (share_of() its address) has to wait for the minute to
// end. Used on the network thread.
class SignInBrake {
 public:
    using Clock = std::chrono::steady_clock;
    using Moment = Clock::time_point;

    static constexpr std::uint32_t most_failed = 20;
    static constexpr std::chrono::seconds answer_after{1};  // a refusal, for the guesser to wait

    void note_failure(const std::string& client, Moment now = Clock::now());
    [[nodiscard]] bool blocks(const std::string& client, Moment now = Clock::now()) const;

 private:
    struct Failures {
        Moment since;
        std::uint32_t count = 0;
    };
    void forget_old(Moment now);

    std::unordered_map<std::string, Failures> failures_;
    Moment next_sweep_{};
};

}  // namespace relay
