#include "diagnose/text_words.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/text.hpp"

namespace diagnose {
namespace {

bool is_host_character(char c) { return is_alnum(c) || c == '.' || c == '-' || c == '_'; }

std::optional<std::uint16_t> port_at(std::string_view text, std::size_t at) {
    std::size_t end = at;
    while (end < text.size() && is_digit(text[end])) ++end;
    unsigned value = 0;
    std::from_chars(text.data() + at, text.data() + end, value);
    if (end - at < 2 || value == 0 || value > 65535) return std::nullopt;
    if (end < text.size() && (is_alnum(text[end]) || text[end] == '.') && end + 1 < text.size() &&
        is_alnum(text[end + 1])) {
        return std::nullopt;
    }
    // "10:25:30" is a time.
    const bool time = end + 1 < text.size() && text[end] == ':' && is_digit(text[end + 1]);
    return time ? std::nullopt : std::optional{static_cast<std::uint16_t>(value)};
}

void add_port(TextFacts& facts, std::string_view text, std::size_t at) {
    const auto port = port_at(text, at);
    if (port && std::find(facts.ports.begin(), facts.ports.end(), *port) == facts.ports.end()) {
        facts.ports.push_back(*port);
    }
}

// "host:25", "[192.0.2.1]:25", "tcp://host:25"; what stands before must be a host, not an hour.
void scan_colon_ports(TextFacts& facts, std::string_view text) {
    for (std::size_t at = text.find(':'); at != text.npos; at = text.find(':', at + 1)) {
        if (at == 0 || at + 1 >= text.size() || !is_digit(text[at + 1])) continue;
        std::size_t first = at;
        while (first > 0 && is_host_character(text[first - 1])) --first;
        const std::string_view before = text.substr(first, at - first);
        const bool host =
            before.find('.') != before.npos || before == "localhost" ||
            (!before.empty() && before.find_first_not_of("0123456789-t") != before.npos);
        if (host || text[at - 1] == ']') add_port(facts, text, at + 1);
    }
}

// "port 25", "port: 587", "port=465", and JavaMail's "host, port: smtp.example.com, 25".
void scan_named_ports(TextFacts& facts, std::string_view text) {
    constexpr std::string_view word = "port";
    for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
        std::size_t next = at + word.size();
        while (next < text.size() && std::string_view(" :=\"'#").find(text[next]) != text.npos) {
            ++next;
        }
        if (next == at + word.size()) continue;
        std::size_t end = next;
        while (end < text.size() && is_host_character(text[end])) ++end;
        if (end < text.size() && text[end] == ',' &&
            text.substr(next, end - next).find('.') != text.npos) {
            next = end + 1;
            while (next < text.size() && text[next] == ' ') ++next;
        }
        if (next < text.size() && is_digit(text[next])) add_port(facts, text, next);
    }
}

// These log no port, and deliver to mail exchangers.
void assume_ports(TextFacts& facts) {
    if (!facts.ports.empty()) return;
    for (const std::string_view mark : {"t=remote_smtp", "mailer=esmtp"}) {
        if (facts.folded.find(mark) != std::string::npos) facts.ports = {25};
    }
}

bool looks_like_host(std::string_view token) {
    const std::size_t dot = token.rfind('.');
    if (dot == token.npos || dot == 0 || token.size() - dot < 3) return false;
    const std::string_view last = token.substr(dot + 1);
    return std::all_of(last.begin(), last.end(),
                       [](char c) { return is_alnum(c) && !is_digit(c); });
}

// SMTP("smtp.example.com", 25): a line of a program, as tracebacks show it.
void scan_argument_ports(TextFacts& facts, std::string_view text) {
    for (std::size_t at = text.find(','); at != text.npos; at = text.find(',', at + 1)) {
        if (at == 0 || (text[at - 1] != '"' && text[at - 1] != '\'')) continue;
        std::size_t first = at - 1;
        while (first > 0 && is_host_character(text[first - 1])) --first;
        const std::string_view before = text.substr(first, at - 1 - first);
        const bool numeric = before.find('.') != before.npos &&
                             before.find_first_not_of("0123456789.") == before.npos;
        if (!numeric && !looks_like_host(before) && before != "localhost") continue;
        const std::size_t next = text.find_first_not_of(' ', at + 1);
        if (next != text.npos && is_digit(text[next])) add_port(facts, text, next);
    }
}

void scan_hosts(TextFacts& facts) {
    const std::string_view text = facts.folded;
    for (std::size_t at = 0; at < text.size();) {
        if (!is_host_character(text[at])) {
            ++at;
            continue;
        }
        std::size_t end = at;
        while (end < text.size() && is_host_character(text[end])) ++end;
        std::string_view token = text.substr(at, end - at);
        while (token.ends_with('.')) token.remove_suffix(1);
        const bool of_address =
            (at > 0 && text[at - 1] == '@') || (end < text.size() && text[end] == '@');
        if (!of_address && (token == "localhost" || token.starts_with("127.0.0."))) {
            facts.local = true;
        }
        if (!of_address && looks_like_host(token)) facts.hosts.emplace_back(token);
        at = end;
    }
    if (text.find("[::1]") != text.npos || text.find(" ::1") != text.npos) facts.local = true;
}

bool is_month(std::string_view word) {
    static constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    return std::find(months.begin(), months.end(), word) != months.end();
}

}  // namespace

std::string_view word_before(std::string_view text, std::size_t end) {
    while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '"' || text[end - 1] == '\''))
        --end;
    std::size_t first = end;
    while (first > 0 && is_alnum(text[first - 1])) --first;
    return text.substr(first, end - first);
}

std::size_t find_part(std::string_view folded, std::string_view part) {
    for (std::size_t at = folded.find(part); at != folded.npos; at = folded.find(part, at + 1)) {
        const std::size_t end = at + part.size();
        const bool goes_on = end < folded.size() && is_digit(part.back()) && is_digit(folded[end]);
        const bool begun = at > 0 && is_digit(part.front()) && is_digit(folded[at - 1]);
        if (!goes_on && !begun) return at;
    }
    return std::string_view::npos;
}

std::string_view longest_part(const std::vector<std::string>& parts, std::string_view folded) {
    std::string_view longest;
    for (const std::string& part : parts) {
        if (part.size() > longest.size() && find_part(folded, part) != folded.npos) longest = part;
    }
    return longest;
}

bool begins_with_time(std::string_view line) {
    if (line.starts_with("{\"")) return true;
    if (line.starts_with('[') || line.starts_with('(')) line.remove_prefix(1);
    if (line.size() < 10) return false;
    if (is_month(line.substr(0, 3)) && line[3] == ' ') {
        return is_digit(line[4]) || (line[4] == ' ' && is_digit(line[5]));
    }
    const auto digits = [&](std::size_t at, std::size_t count) {
        return std::all_of(line.begin() + static_cast<long>(at),
                           line.begin() + static_cast<long>(at + count), is_digit);
    };
    return digits(0, 4) && (line[4] == '-' || line[4] == '/') && digits(5, 2) &&
           (line[7] == '-' || line[7] == '/') && digits(8, 2);
}

void scan_places(TextFacts& facts) {
    scan_colon_ports(facts, facts.folded);
    scan_named_ports(facts, facts.folded);
    scan_argument_ports(facts, facts.folded);
    assume_ports(facts);
    scan_hosts(facts);
}

std::string stage_in_words(std::string_view folded) {
    struct Row {
        std::string_view stage;
        std::vector<std::string_view> words;
    };
    // The later stage first: a line about RCPT often quotes the MAIL before it.
    static const std::vector<Row> rows{
        {"data",
         {"end of data", "after data", "data command", "'data'", "data not accepted",
          "end of message", "smtpdataerror", "dot_stuffed", "final dot", "command: 'data"}},
        {"rcpt", {"rcpt to", "smtprecipientsrefused", "after rcpt", "following recipients failed"}},
        {"mail", {"mail from", "smtpsenderrefused", "after mail", "following from address failed"}},
        {"auth",
         {"auth plain", "auth login", "auth xoauth2", "auth cram", "eauth", "invalid login",
          "authenticationerror", "authenticationfailed", "sasl auth", "authenticator", "sign-in",
          "not authenticate", "failed to authenticate", "authentication failed", "login denied"}},
        {"ehlo", {"starttls", "ehlo", "helo command", "smtpheloerror"}},
        {"connect",
         {"greeting", "connect to", "connecting", "smtpconnecterror", "econn", "connection refused",
          "refused to talk to me"}},
    };
    for (const Row& row : rows) {
        for (const std::string_view words : row.words) {
            if (folded.find(words) != folded.npos) return std::string(row.stage);
        }
    }
    return {};
}

}  // namespace diagnose
