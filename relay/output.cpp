#include "relay/output.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/result.hpp"
#include "base/text.hpp"

namespace relay {

namespace {

constexpr std::size_t gap = 2;    // blanks between columns
constexpr std::size_t least = 8;  // no column is cut below this

int first_failure = 0;  // errno of the first write to standard output that failed

std::size_t terminal_width(int descriptor) {
    winsize size{};
    if (::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

bool wants_color(std::string_view color, bool interactive) {
    if (color == "always") return true;
    if (color == "never" || !interactive) return false;
    const char* no_color = std::getenv("NO_COLOR");
    if (no_color != nullptr && *no_color != '\0') return false;
    const char* term = std::getenv("TERM");
    return term == nullptr || std::string_view{term} != "dumb";
}

Terminal terminal_at(int descriptor, std::string_view color) {
    Terminal terminal;
    terminal.interactive = ::isatty(descriptor) == 1;
    terminal.color = wants_color(color, terminal.interactive);
    if (terminal.interactive) terminal.width = terminal_width(descriptor);
    return terminal;
}

std::string_view style_code(Style style) {
    switch (style) {
        case Style::plain:
            return "";
        case Style::bold:
            return "\x1b[1m";
        case Style::dim:
            return "\x1b[2m";
        case Style::good:
            return "\x1b[32m";
        case Style::warning:
            return "\x1b[33m";
        case Style::bad:
            return "\x1b[31m";
    }
    return "";
}

}  // namespace

Terminal standard_output(std::string_view color) { return terminal_at(STDOUT_FILENO, color); }

Terminal standard_error(std::string_view color) { return terminal_at(STDERR_FILENO, color); }

std::size_t terminal_rows() {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0) return size.ws_row;
    return 24;
}

std::string styled(const Terminal& terminal, Style style, std::string_view text) {
    if (!terminal.color || style == Style::plain || text.empty()) return std::string(text);
    return std::string(style_code(style)) + std::string(text) + "\x1b[0m";
}

void Table::add(std::vector<Cell> row) {
    // Addresses, subjects and replies are a stranger's: no escape sequence may reach the terminal.
    for (Cell& cell : row) cell.text = base::printable(cell.text, 4096);
    row.resize(columns_.size(), Cell{""});
    rows_.push_back(std::move(row));
}

std::vector<std::size_t> Table::widths(const Terminal& terminal) const {
    std::vector<std::size_t> widths;
    std::size_t total = 0;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t width = terminal.interactive ? display_width(columns_[i].title) : 0;
        for (const auto& row : rows_) width = std::max(width, display_width(row[i].text));
        widths.push_back(width);
        total += width + (i == 0 ? 0 : gap);
    }
    // The widest column that may shrink gives way, one column at a time, so that short ones stay
    // whole.
    while (terminal.width > 0 && total > terminal.width) {
        std::size_t widest = columns_.size();
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (!columns_[i].shrinks || widths[i] <= least) continue;
            if (widest == columns_.size() || widths[i] > widths[widest]) widest = i;
        }
        if (widest == columns_.size()) break;
        --widths[widest];
        --total;
    }
    return widths;
}

std::string Table::text(const Terminal& terminal) const {
    const std::vector<std::size_t> fit = widths(terminal);
    std::string text;
    const auto append = [&](const auto& cell_text, const auto& cell_style) {
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            const std::string shown = truncated(cell_text(i), fit[i]);
            const std::string padding(fit[i] - std::min(fit[i], display_width(shown)), ' ');
            const bool last = i + 1 == columns_.size();
            if (i > 0) text.append(gap, ' ');
            if (columns_[i].right) text += padding;
            text += styled(terminal, cell_style(i), shown);
            if (!columns_[i].right && !last) text += padding;
        }
        text += '\n';
    };
    if (terminal.interactive) {
        append([&](std::size_t i) { return columns_[i].title; },
               [](std::size_t) { return Style::dim; });
    }
    for (const auto& row : rows_) {
        append([&](std::size_t i) { return row[i].text; },
               [&](std::size_t i) { return row[i].style; });
    }
    return text;
}

void print(std::string_view text) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    if ((std::fflush(stdout) != 0 || !written) && first_failure == 0) first_failure = errno;
}

std::string output_problem() {
    print("");  // what other functions of stdio have left there
    if (first_failure == 0 || first_failure == EPIPE) return {};
    return "cannot write to standard output: " + base::errno_text(first_failure);
}

}  // namespace relay
