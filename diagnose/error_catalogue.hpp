#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "diagnose/text_scan.hpp"

namespace diagnose {

// One [[error]] of config/data/errors.toml: a program's own words for a failure.
struct ErrorEntry {
    std::string id;
    std::vector<std::string> contains, with;  // lower case
    std::vector<std::uint16_t> ports;
    bool local = false, vague = false, firm = false;
    std::string stage, verdict, who_fixes, retry, meaning, fix;
};

// One [[standard]]: what a code means whoever says it.
struct StandardEntry {
    int code = 0;
    std::string enhanced;  // "x.7.8"; "x.7" for a whole subject
    std::string who_fixes, retry, meaning, fix;
};

struct ErrorMatch {
    const ErrorEntry* entry = nullptr;  // nullptr: none fits
    std::size_t position = 0;           // of the words, in TextFacts::folded
    std::string words;                  // the part of the entry that was found
};

class ErrorCatalogue {
 public:
    [[nodiscard]] static base::Result<ErrorCatalogue> parse(std::string_view toml);
    [[nodiscard]] static const ErrorCatalogue& built_in();  // read at the first call; thread-safe

    // The entry that fits best, by the rules in the header of errors.toml.
    [[nodiscard]] ErrorMatch find(const TextFacts& facts) const;
    // By the enhanced code, else its subject, else the reply code; nullptr when there is none.
    [[nodiscard]] const StandardEntry* standard(int code, std::string_view enhanced) const;
    [[nodiscard]] const std::vector<ErrorEntry>& entries() const { return entries_; }

 private:
    [[nodiscard]] const StandardEntry* by_enhanced(std::string_view enhanced) const;

    std::vector<ErrorEntry> entries_;
    std::vector<StandardEntry> standards_;
};

}  // namespace diagnose
