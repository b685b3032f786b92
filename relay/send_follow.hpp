#pragma once

#include <functional>
#include <string>
#include <vector>

#include "relay/api_view.hpp"
#include "relay/output.hpp"

namespace relay {

// One step of a message's way, as it is seen.
struct SendStep {
    base::Duration after{};  // since the command began
    std::string name;        // "accepted", "signed in", "delivered" ...
    std::string text;
    Style style = Style::plain;
};

// Where a followed message ended for one recipient, or stands when there is no more waiting.
struct SendResult {
    std::string address;
    // "delivered", "failed", "deferred", "unknown", "held", "queued", "gone", "left"
    std::string outcome;
    std::string reply;  // the far side's last word
};

// Watches one message through the API until it is delivered, given up, or its next attempt lies
// beyond the deadline.
class SendFollower {
 public:
    using Clock = std::chrono::steady_clock;
    SendFollower(ControlChannel& channel, std::string id, Clock::time_point begin,
                 base::Duration wait, std::function<void(SendStep)> report);

    // One for each recipient that relay accepted; none when nothing is known of the message any
    // more.
    [[nodiscard]] base::Result<std::vector<SendResult>> follow();

 private:
    [[nodiscard]] bool ended(const ApiView& message);
    void report_attempts(const ApiView& message);
    void report_sign_in(const ApiView& attempt);
    // Tells once of each smarthost that cannot be used now, which explains why nothing happens.
    void report_troubled_smarthosts();
    [[nodiscard]] bool waits_too_long(const ApiView& message) const;
    void report(std::string name, std::string text, Style style);

    ControlChannel& channel_;
    std::string id_;
    Clock::time_point begin_, deadline_;
    std::function<void(SendStep)> report_;
    std::size_t attempts_seen_ = 0;
    bool trouble_told_ = false;
};

}  // namespace relay
