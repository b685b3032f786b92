#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace config {

// A spot in the file; both count from 1, 0 means unknown.
struct Place {
    unsigned line = 0, column = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
};

struct Value;
struct Member;
using List = std::vector<Value>;
using Table = std::vector<Member>;
struct DateTime {};  // dates and times of day: no key takes one

// A TOML value with its place. The parser library is known to document.cpp alone.
struct Value {
    Place place;
    std::variant<DateTime, std::string, std::int64_t, double, bool, List, Table> data;

    [[nodiscard]] std::string_view kind() const;  // "a string", "a list"
};

struct Member {
    std::string key;
    Place place;  // of the key
    Value value;
};

struct SyntaxFault {
    Place place;
    std::string message;
};

// The file's tables, or the first place where it is no TOML.
[[nodiscard]] base::Result<Table, SyntaxFault> parse_document(std::string_view text);

// What is wrong at a place where the parser gave up, in our words; reason is the parser's own.
[[nodiscard]] std::string syntax_message(std::string_view text, Place place,
                                         std::string_view reason);

// A string as TOML writes it, quotes included.
[[nodiscard]] std::string in_quotes(std::string_view text);

// Line number of text, without its end; "" past the last.
[[nodiscard]] std::string_view line_of(std::string_view text, unsigned number);

}  // namespace config
