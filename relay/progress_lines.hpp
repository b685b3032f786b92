#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "diagnose/report.hpp"
#include "relay/output.hpp"

namespace relay {

// The checks of a running diagnosis, a line each, drawn over and over at the same place of a
// terminal and gone at the end. Makes the text only; the caller writes it.
class ProgressLines {
 public:
    using Clock = std::chrono::steady_clock;

    // rows: how many lines the terminal has.
    ProgressLines(Terminal terminal, std::size_t rows) : terminal_(terminal), rows_(rows) {}

    void began(const std::string& title, Clock::time_point now);
    void ended(const diagnose::Check& check);
    // What puts the present lines in the place of the last ones.
    [[nodiscard]] std::string draw(Clock::time_point now);
    // What takes the last ones away.
    [[nodiscard]] std::string clear();

 private:
    struct Line {
        std::string title;
        Clock::time_point began;
        bool running = true;
        diagnose::CheckStatus status = diagnose::CheckStatus::skip;
    };
    [[nodiscard]] std::string text_of(const Line& line, Clock::time_point now) const;

    Terminal terminal_;
    std::size_t rows_;
    std::vector<Line> lines_;
    std::size_t drawn_ = 0;
};

}  // namespace relay
