#pragma once

#include <string>

#include "relay/api_view.hpp"
#include "relay/output.hpp"

namespace relay {

// One message a line.
[[nodiscard]] std::string message_table(const boost::json::array& messages,
                                        const Terminal& terminal, base::Time now);

// All that is known of one message: envelope, each recipient, each attempt, what comes next.
[[nodiscard]] std::string message_story(const ApiView& message, const Terminal& terminal,
                                        base::Time now, bool relay_runs = true);

[[nodiscard]] std::string stats_text(const ApiView& stats, base::Time now);

// What stands of a recipient or an attempt: the far side's reply, our words, or both.
[[nodiscard]] std::string word_of(const ApiView& view);

[[nodiscard]] Style state_style(std::string_view state);

}  // namespace relay
