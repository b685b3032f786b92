#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "diagnose/text_scan.hpp"

// The small readers that text_scan.cpp is made of.
namespace diagnose {

[[nodiscard]] constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
[[nodiscard]] constexpr bool is_alnum(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// The letters and digits just before a place, blanks passed over.
[[nodiscard]] std::string_view word_before(std::string_view text, std::size_t end);
// Where the part occurs, npos when nowhere; a number at its start or end is a whole number there.
[[nodiscard]] std::size_t find_part(std::string_view folded, std::string_view part);
// The longest of the parts that occur, "" when none does.
[[nodiscard]] std::string_view longest_part(const std::vector<std::string>& parts,
                                            std::string_view folded);
// Syslog's "Nov  9 10:11:12", ISO 8601, "[2026-11-29 ...", and log lines in JSON.
[[nodiscard]] bool begins_with_time(std::string_view line);
// Fills hosts, ports and local from text and folded.
void scan_places(TextFacts& facts);
// Where in the dialogue it happened, by the words of many programs; "" when they do not say.
[[nodiscard]] std::string stage_in_words(std::string_view folded);

}  // namespace diagnose
