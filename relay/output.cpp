#include "relay/output.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/text.hpp"

namespace relay {

namespace {

constexpr std::size_t gap = 2;    // blanks between columns
constexpr std::size_t least = 8;  // no column is cut below this
constexpr std::string_view ellipsis = "…";

// The code point at the start of valid UTF-8, and how many bytes it takes.
std::uint32_t first_code_point(std::string_view text, std::size_t& length) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const std::uint32_t first = byte(0);
    length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    length = std::min(length, text.size());
    if (length == 1) return first;
    std::uint32_t code = first & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) code = (code << 6U) | (byte(i) & 0x3FU);
    return code;
}

struct Range {
    std::uint32_t first, last;
};

bool in_any(std::uint32_t code, const Range* begin, const Range* end) {
    return std::any_of(begin, end,
                       [&](const Range& r) { return code >= r.first && code <= r.last; });
}

// The blocks of Unicode's EastAsianWidth that matter in names and subjects.
constexpr Range wide[] = {
    {0x1100, 0x115F}, {0x2E80, 0xA4CF}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},
    {0xFF00, 0xFF60}, {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
constexpr Range zero[] = {{0x0300, 0x036F}, {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}};

std::size_t code_point_width(std::uint32_t code) {
    if (in_any(code, std::begin(zero), std::end(zero))) return 0;
    return in_any(code, std::begin(wide), std::end(wide)) ? 2 : 1;
}

std::size_t terminal_width() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
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

Terminal standard_output(std::string_view color) {
    Terminal terminal;
    terminal.interactive = ::isatty(STDOUT_FILENO) == 1;
    terminal.color = wants_color(color, terminal.interactive);
    if (terminal.interactive) terminal.width = terminal_width();
    return terminal;
}

std::string styled(const Terminal& terminal, Style style, std::string_view text) {
    if (!terminal.color || style == Style::plain || text.empty()) return std::string(text);
    return std::string(style_code(style)) + std::string(text) + "\x1b[0m";
}

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        std::size_t length = 1;
        width += code_point_width(first_code_point(text, length));
        text.remove_prefix(length);
    }
    return width;
}

std::string truncated(std::string_view text, std::size_t width) {
    if (display_width(text) <= width) return std::string(text);
    if (width == 0) return "";
    std::string kept;
    std::size_t used = 0;
    while (!text.empty()) {
        std::size_t length = 1;
        const std::size_t next = code_point_width(first_code_point(text, length));
        if (used + next > width - 1) break;
        used += next;
        kept += text.substr(0, length);
        text.remove_prefix(length);
    }
    return kept + std::string(ellipsis);
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
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

}  // namespace relay
