#include "relay/progress_lines.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/report_words.hpp"

namespace relay {

namespace {

Style style_of(diagnose::CheckStatus status) {
    switch (status) {
        case diagnose::CheckStatus::ok:
            return Style::good;
        case diagnose::CheckStatus::fail:
            return Style::bad;
        case diagnose::CheckStatus::warn:
        case diagnose::CheckStatus::skip:
            return Style::warning;
    }
    return Style::plain;
}

}  // namespace

void ProgressLines::began(const std::string& title, Clock::time_point now) {
    const std::string shown = base::printable(title);
    const auto same = [&](const Line& line) { return line.title == shown; };
    const auto known = std::find_if(lines_.begin(), lines_.end(), same);
    if (known == lines_.end()) {
        lines_.push_back({shown, now});
    } else {
        known->running = true;  // a check that found more to do goes on on its own line
    }
}

void ProgressLines::ended(const diagnose::Check& check) {
    for (Line& line : lines_) {
        if (line.title != base::printable(check.title)) continue;
        line.running = false;
        line.status = check.status;
    }
}

std::string ProgressLines::text_of(const Line& line, Clock::time_point now) const {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - line.began).count();
    const std::string mark = line.running ? fmt::format("{} s", seconds)
                                          : std::string{diagnose::status_words(line.status)};
    const Style style = line.running ? Style::dim : style_of(line.status);
    const std::string padding(mark.size() < 16 ? 16 - mark.size() : 1, ' ');
    const std::size_t room = terminal_.width > 17 ? terminal_.width - 17 : 1;
    return styled(terminal_, style, mark) + padding + truncated(line.title, room) + "\n";
}

std::string ProgressLines::draw(Clock::time_point now) {
    std::string text = clear();
    // More lines than the terminal has could not be taken away again.
    const std::size_t shown = std::min(lines_.size(), rows_ > 1 ? rows_ - 1 : 0);
    for (std::size_t i = lines_.size() - shown; i < lines_.size(); ++i) {
        text += text_of(lines_[i], now);
    }
    drawn_ = shown;
    return text;
}

std::string ProgressLines::clear() {
    if (drawn_ == 0) return "";
    // Up to the first line, then erase to the end of the screen (ECMA-48 CUU, ED).
    const std::string text = fmt::format("\x1b[{}A\x1b[J", drawn_);
    drawn_ = 0;
    return text;
}

}  // namespace relay
