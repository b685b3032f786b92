#include "smtp/extensions.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace smtp {
namespace {

template <class Number>
void read_number(std::string_view text, Number& number) {
    Number value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc{} && end == text.data() + text.size()) number = value;
}

// The words of text, which servers part by one blank and some by several.
std::vector<std::string_view> words(std::string_view text) {
    std::vector<std::string_view> result;
    for (const std::string_view word : base::split(text, ' ')) {
        if (const std::string_view trimmed = base::trim(word); !trimmed.empty()) {
            result.push_back(trimmed);
        }
    }
    return result;
}

void read_auth(Extensions& extensions, std::string_view mechanisms) {
    for (const std::string_view word : words(mechanisms)) {
        std::string name = base::to_upper(word);
        if (std::ranges::find(extensions.auth, name) == extensions.auth.end()) {
            extensions.auth.push_back(std::move(name));
        }
    }
}

// RFC 9422 section 4: "LIMITS MAILMAX=10 RCPTMAX=100".
void read_limits(Extensions& extensions, std::string_view limits) {
    constexpr std::string_view rcpt_max = "RCPTMAX=", mail_max = "MAILMAX=";
    for (const std::string_view word : words(limits)) {
        if (base::starts_with_ignoring_case(word, rcpt_max)) {
            read_number(word.substr(rcpt_max.size()), extensions.limit_rcpt_max);
        } else if (base::starts_with_ignoring_case(word, mail_max)) {
            read_number(word.substr(mail_max.size()), extensions.limit_mail_max);
        }
    }
}

struct Flag {
    std::string_view keyword;
    bool Extensions::* member;
};

constexpr Flag flags[] = {
    {"PIPELINING", &Extensions::pipelining},
    {"8BITMIME", &Extensions::eight_bit_mime},
    {"SMTPUTF8", &Extensions::smtputf8},
    {"CHUNKING", &Extensions::chunking},
    {"BINARYMIME", &Extensions::binary_mime},
    {"DSN", &Extensions::dsn},
    {"STARTTLS", &Extensions::starttls},
    {"ENHANCEDSTATUSCODES", &Extensions::enhanced_status_codes},
};

void read_line(Extensions& extensions, std::string_view line) {
    constexpr std::string_view old_auth = "AUTH=";  // before RFC 2554; some servers still say it
    if (base::starts_with_ignoring_case(line, old_auth)) {
        read_auth(extensions, line.substr(old_auth.size()));
        return;
    }
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view keyword = line.substr(0, end);
    const std::string_view value = base::trim(line.substr(end));
    for (const Flag& flag : flags) {
        if (base::equals_ignoring_case(keyword, flag.keyword)) extensions.*flag.member = true;
    }
    if (base::equals_ignoring_case(keyword, "AUTH")) read_auth(extensions, value);
    if (base::equals_ignoring_case(keyword, "LIMITS")) read_limits(extensions, value);
    if (base::equals_ignoring_case(keyword, "SIZE")) {
        extensions.size_offered = true;
        read_number(value, extensions.size_limit);
    }
}

}  // namespace

Extensions parse_extensions(std::string_view reply_text) {
    Extensions extensions;
    bool greeting = true;
    for (const std::string_view line : base::split(reply_text, '\n')) {
        extensions.lines.emplace_back(line);
        if (!greeting) read_line(extensions, base::trim(line));
        greeting = false;
    }
    return extensions;
}

}  // namespace smtp
