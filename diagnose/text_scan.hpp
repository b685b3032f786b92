#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace diagnose {

// A server's code as it was met in a text.
struct CodeSighting {
    int code = 0;          // 0: only an enhanced code
    std::string enhanced;  // "": only a reply code
    std::size_t position = 0;
};

// What can be told from a log line or an error message before anybody judges it.
struct TextFacts {
    std::string text;    // escapes resolved; lines parted by '\n'
    std::string folded;  // of text: lower case, runs of blanks and line ends as one blank
    std::string reply;   // of text: repeated codes moved to line starts, as the catalogue wants it
    std::vector<CodeSighting> codes;  // refusals first, in the order of the text
    std::vector<std::string> hosts;   // lower case, without those of mail addresses
    std::vector<std::uint16_t> ports;
    bool local = false;  // this machine is named
    std::string stage;   // "connect", "ehlo", "auth", "mail", "rcpt", "data", "tls", "dns" or ""
};

// As TextFacts::folded.
[[nodiscard]] std::string fold(std::string_view text);
[[nodiscard]] TextFacts scan_text(std::string_view record);

// Parts a log or several replies into what belongs together: a line that begins with a time or with
// a reply of its own begins a record, any other continues it. Blank records are left out.
class RecordSplitter {
 public:
    // The record that this line ends, "" when it ends none.
    [[nodiscard]] std::string add(std::string_view line);
    [[nodiscard]] std::string finish();

 private:
    std::string record_;
    std::string reply_code_;  // of the reply that the record's last line belongs to
    bool reply_ended_ = false;
};

}  // namespace diagnose
