#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/columns.hpp"

namespace relay {

// What standard output is: decides between text for people and text for pipes.
struct Terminal {
    bool interactive = false;  // a terminal, not a pipe or file
    bool color = false;
    std::size_t width = 0;  // columns; 0: no limit
};

// color is "auto", "always" or "never". NO_COLOR (no-color.org) and TERM=dumb count under "auto".
[[nodiscard]] Terminal standard_output(std::string_view color);

enum class Style { plain, bold, dim, good, warning, bad };

// The same for standard error, where progress is shown; what it shows is for people only.
[[nodiscard]] Terminal standard_error(std::string_view color);
[[nodiscard]] std::size_t terminal_rows();

// With the escape codes of the style, if the terminal shows colours.
[[nodiscard]] std::string styled(const Terminal& terminal, Style style, std::string_view text);

using base::display_width;
using base::truncated;

// Aligned columns. For people: a header line, and the columns that may shrink are cut so that a
// row fits the terminal. For pipes: whole values, two blanks between columns, no header, so that
// awk and sort see only rows.
class Table {
 public:
    struct Column {
        std::string title;
        bool right = false;    // numbers
        bool shrinks = false;  // may be cut to fit the terminal
    };
    struct Cell {
        Cell(std::string value, Style look = Style::plain) : text(std::move(value)), style(look) {}
        Cell(const char* value) : text(value) {}
        std::string text;
        Style style = Style::plain;
    };

    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    void add(std::vector<Cell> row);
    [[nodiscard]] std::string text(const Terminal& terminal) const;
    [[nodiscard]] bool empty() const { return rows_.empty(); }

 private:
    [[nodiscard]] std::vector<std::size_t> widths(const Terminal& terminal) const;

    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
};

// Writes to standard output.
void print(std::string_view text);

// What kept the output from being written whole, "" when nothing did. A reader that went away
// ("relay queue list | head") has what it wanted.
[[nodiscard]] std::string output_problem();

}  // namespace relay
