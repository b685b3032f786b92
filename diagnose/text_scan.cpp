#include "diagnose/text_scan.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/text.hpp"
#include "diagnose/text_words.hpp"

namespace diagnose {
namespace {

constexpr std::size_t longest_record = std::size_t{64} * 1024;

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    for (std::size_t at = text.find(from); at != std::string::npos;
         at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
    }
}

// Line ends and quotes as Python, JSON and others write them; qmail's underscores.
std::string without_escapes(std::string_view record) {
    std::string text(record.substr(0, longest_record));
    replace_all(text, "\\r\\n", "\n");
    replace_all(text, "\\n", "\n");
    replace_all(text, "\\\"", "\"");
    replace_all(text, "\\'", "'");
    if (base::to_lower(text).find("_said:_") != std::string::npos) {
        std::replace(text.begin(), text.end(), '_', ' ');
    }
    return text;
}

// The RFC 3463 code that begins here, "" when none does: not the start of an address or a version.
std::string_view enhanced_at(std::string_view text, std::size_t at) {
    if (at >= text.size() || std::string_view("245").find(text[at]) == std::string_view::npos) {
        return {};
    }
    std::size_t end = at + 1;
    for (int part = 0; part < 2; ++part) {
        if (end >= text.size() || text[end] != '.') return {};
        const std::size_t first = ++end;
        while (end < text.size() && is_digit(text[end]) && end - first < 3) ++end;
        if (end == first) return {};
    }
    const bool goes_on = end < text.size() &&
                         (is_alnum(text[end]) ||
                          (text[end] == '.' && end + 1 < text.size() && is_digit(text[end + 1])));
    return goes_on ? std::string_view{} : text.substr(at, end - at);
}

bool is_reply_code(std::string_view text, std::size_t at) {
    if (at + 3 > text.size() || (at > 0 && is_alnum(text[at - 1]))) return false;
    if (!is_digit(text[at]) || !is_digit(text[at + 1]) || !is_digit(text[at + 2])) return false;
    if (text[at] < '2' || text[at] > '5') return false;
    // 465, 587, 443 and their like are ports.
    if (text[at + 1] > '5' && text[at + 1] != '7') return false;
    if (text.substr(at, 3) == "443") return false;
    return at + 3 == text.size() || !is_alnum(text[at + 3]);
}

// What follows a code: not a time, a fraction, or a range.
bool code_ends_well(std::string_view text, std::size_t end) {
    if (end >= text.size()) return true;
    if (std::string_view("/]_%@").find(text[end]) != std::string_view::npos) return false;
    const bool number_follows = end + 1 < text.size() && is_digit(text[end + 1]);
    if (number_follows && (text[end] == '.' || text[end] == ':')) return false;
    return !(number_follows && text[end] == '-' && enhanced_at(text, end + 1).empty());
}

// Whether a reply may begin here, by what stands before: a line's start, a mark that introduces
// speech, or a word that announces a code.
bool introduced(std::string_view text, std::size_t at) {
    std::size_t before = at;
    while (before > 0 && (text[before - 1] == ' ' || text[before - 1] == '\t')) --before;
    if (before == 0 || text[before - 1] == '\n') return true;
    const char mark = text[before - 1];
    const std::string_view word =
        word_before(text, mark == '=' || mark == ':' ? before - 1 : before);
    static constexpr std::array words{"said", "code",    "response",   "reply",        "error",
                                      "got",  "status",  "smtp",       "returned",     "dsn",
                                      "stat", "message", "statuscode", "responsecode", "was",
                                      "code", "server"};
    const bool announced =
        std::find(words.begin(), words.end(), base::to_lower(word)) != words.end();
    if (mark == '=' || (mark == ':' && before == at)) {
        return announced || (mark == ':' && word.empty());
    }
    if (std::string_view(":;<>*\"'([|-#`").find(mark) != std::string_view::npos) {
        return mark != '-' || before < at;  // "<-  250", not "x-250"
    }
    return announced;
}

// Between a code and its enhanced code programs put commas, quotes, Python's b and a '#'.
std::string_view enhanced_after(std::string_view text, std::size_t end) {
    std::size_t at = end;
    while (at < text.size() && at - end < 6 &&
           std::string_view(" -,:'\"#(b\t").find(text[at]) != std::string_view::npos) {
        ++at;
    }
    return enhanced_at(text, at);
}

std::optional<CodeSighting> sighting_at(std::string_view text, std::size_t at) {
    CodeSighting seen;
    seen.position = at;
    if (is_reply_code(text, at)) {
        if (!code_ends_well(text, at + 3)) return std::nullopt;
        seen.enhanced = enhanced_after(text, at + 3);
        if (!seen.enhanced.empty() && seen.enhanced[0] != text[at]) seen.enhanced.clear();
        if (seen.enhanced.empty() && !introduced(text, at)) return std::nullopt;
        std::from_chars(text.data() + at, text.data() + at + 3, seen.code);
        return seen;
    }
    const bool begins = at == 0 || !(is_alnum(text[at - 1]) || text[at - 1] == '.');
    if (begins && introduced(text, at)) seen.enhanced = enhanced_at(text, at);
    return seen.enhanced.empty() ? std::nullopt : std::optional{seen};
}

// `code "530", with message "530 5.7.0 ..."`: the words follow the second one.
bool says_again(std::string_view text, const CodeSighting& before, const CodeSighting& seen) {
    constexpr std::size_t near = 24;
    if (seen.code == 0 || before.code != seen.code || !before.enhanced.empty()) return false;
    const std::string_view between = text.substr(before.position, seen.position - before.position);
    return between.size() <= near && between.find('\n') == between.npos;
}

std::vector<CodeSighting> all_codes(std::string_view text) {
    std::vector<CodeSighting> codes;
    std::size_t covered = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (at < covered || !is_digit(text[at])) continue;
        if (const auto seen = sighting_at(text, at)) {
            if (!codes.empty() && says_again(text, codes.back(), *seen)) codes.pop_back();
            codes.push_back(*seen);
            covered = at + (seen->code == 0 ? seen->enhanced.size() : 3 + seen->enhanced.size());
        }
    }
    return codes;
}

// A code and an enhanced code told apart ("SMTP code: 535 Additional SMTP info: 5.7.8") belong
// together when their classes agree.
void join_codes(std::vector<CodeSighting>& codes) {
    for (CodeSighting& seen : codes) {
        if (seen.code == 0 || !seen.enhanced.empty()) continue;
        const auto other = std::find_if(codes.begin(), codes.end(), [&](const CodeSighting& c) {
            return c.code == 0 && c.enhanced[0] - '0' == seen.code / 100;
        });
        if (other != codes.end()) seen.enhanced = other->enhanced;
    }
}

int class_of(const CodeSighting& seen) {
    return seen.code != 0 ? seen.code / 100 : seen.enhanced[0] - '0';
}

std::string with_codes_at_line_starts(const std::string& text,
                                      const std::vector<CodeSighting>& codes) {
    std::string reply;
    std::size_t done = 0;
    for (const CodeSighting& seen : codes) {
        reply += text.substr(done, seen.position - done) + '\n';
        done = seen.position;
    }
    return reply + text.substr(done);
}

}  // namespace

std::string fold(std::string_view text) {
    std::string folded;
    for (const char c : text) {
        const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (!blank) folded += c;
        if (blank && !folded.empty() && folded.back() != ' ') folded += ' ';
    }
    return base::to_lower(base::trim(folded));
}

TextFacts scan_text(std::string_view record) {
    TextFacts facts;
    facts.text = without_escapes(record);
    facts.folded = fold(facts.text);
    facts.codes = all_codes(facts.text);
    facts.reply = with_codes_at_line_starts(facts.text, facts.codes);
    join_codes(facts.codes);
    // A success next to a refusal is a step on the way to it.
    std::stable_partition(facts.codes.begin(), facts.codes.end(),
                          [](const CodeSighting& seen) { return class_of(seen) >= 4; });
    scan_places(facts);
    facts.stage = stage_in_words(facts.folded);
    return facts;
}

std::string RecordSplitter::add(std::string_view line) {
    const std::string_view words = base::trim(line);
    const bool reply = is_reply_code(words, 0) && words.size() >= 3 &&
                       (words.size() == 3 || words[3] == ' ' || words[3] == '-');
    const std::string code{reply ? words.substr(0, 3) : ""};
    const bool another_reply =
        reply && !reply_code_.empty() && (code != reply_code_ || reply_ended_);
    std::string ended;
    if (another_reply || begins_with_time(words)) ended = finish();
    if (record_.size() < longest_record) {
        if (!record_.empty()) record_ += '\n';
        record_ += words;
    }
    if (reply) {
        reply_code_ = code;
        reply_ended_ = words.size() == 3 || words[3] == ' ';
    }
    return ended;
}

std::string RecordSplitter::finish() {
    reply_code_.clear();
    reply_ended_ = false;
    std::string ended;
    ended.swap(record_);
    return std::string(base::trim(ended));
}

}  // namespace diagnose
