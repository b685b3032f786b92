#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "diagnose/text_scan.hpp"

namespace diagnose {

// What `relay explain` says of one reply or error. Empty strings and 0: not known.
struct Explanation {
    bool matched = false;  // a catalogue knows it; otherwise the code's standard meaning, if any
    std::string id, provider, stage;
    int code = 0;
    std::string enhanced;
    std::string meaning, fix, who_fixes, retry;
    std::string line;    // the part of the text that it is about, printable, at most 200 bytes
    unsigned count = 1;  // records of the text that say the same
    int weight = 0;      // how much is known; compares explanations of one text
    [[nodiscard]] bool known() const { return !meaning.empty(); }
};

// One record: a reply, a log line, an exception with its trace. provider is who is known to speak,
// as in replies.toml; "" leaves it to the text. Never uses the network.
[[nodiscard]] Explanation explain_record(std::string_view record, std::string_view provider = "");

// Gathers what a log holds, each trouble once, in the order of its first appearance.
class LogExplainer {
 public:
    explicit LogExplainer(std::string provider = "") : provider_(std::move(provider)) {}
    void add_line(std::string_view line);
    // Troubles found; successes and noise only when there is nothing else.
    [[nodiscard]] std::vector<Explanation> finish();

 private:
    void take(const std::string& record);

    std::string provider_;
    RecordSplitter splitter_;
    std::vector<Explanation> troubles_, others_;
};

// Of several, the one to put first: what is known best, the earlier one of equals.
[[nodiscard]] const Explanation& most_telling(const std::vector<Explanation>& found);

}  // namespace diagnose
