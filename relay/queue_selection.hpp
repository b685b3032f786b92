#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "relay/api_view.hpp"

namespace CLI {
class App;
}

namespace relay {

// Which messages a queue command means, as given on its command line.
struct SelectionOptions {
    std::vector<std::string> ids;
    bool all = false, yes = false;
    std::string state, to, from, text;
    std::size_t limit = 0;  // 0: no limit
    std::string cursor;     // "" or the "next" of a list that stopped at its limit

    // The states meant: those that wait, unless said otherwise.
    [[nodiscard]] std::string states() const;
    // "No message waits", "No message to *@example.com is held": what is selected, for remarks ...
    [[nodiscard]] std::string words() const;
    // ... and for questions: "every message that waits", "every message to *@example.com that is
    // held".
    [[nodiscard]] std::string which() const;
    // Why the options select nothing or too much, for a command that changes messages.
    [[nodiscard]] std::optional<std::string> problem() const;
    [[nodiscard]] std::string body() const;   // for POST /api/v1/messages/retry and its like
    [[nodiscard]] std::string query() const;  // for GET /api/v1/messages, without limit and cursor

 private:
    [[nodiscard]] std::string conditions() const;
    [[nodiscard]] std::string condition_of_state() const;
};

void add_selection_options(CLI::App& command, SelectionOptions& options, const char* all_means);

// Lists what is selected, newest first, page by page. Returns the cursor of what the limit left
// out;
// "" when nothing is left.
[[nodiscard]] base::Result<std::string> for_each_page(
    ControlChannel& channel, const SelectionOptions& options,
    const std::function<void(const boost::json::array& messages)>& take);

}  // namespace relay
