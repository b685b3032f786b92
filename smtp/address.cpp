#include "smtp/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/hidden_characters.hpp"
#include "base/text.hpp"

namespace smtp {
namespace {

bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_eight_bit(char c) { return static_cast<unsigned char>(c) >= 0x80; }
bool is_local_char(char c) {
    constexpr std::string_view others = "!#$%&'*+-/=?^_`{|}~.";
    return is_alnum(c) || is_eight_bit(c) || others.find(c) != std::string_view::npos;
}
bool is_domain_char(char c) {
    return is_alnum(c) || is_eight_bit(c) || c == '-' || c == '.' || c == '_';
}
bool is_printable(char c) { return (c >= ' ' && c <= '~') || is_eight_bit(c); }

// Each function takes one element off the front of text: its length, or 0 when there is none.

std::size_t quoted_length(std::string_view text) {
    for (std::size_t i = 1; i < text.size() && is_printable(text[i]); ++i) {
        if (text[i] == '"') return i > 1 ? i + 1 : 0;
        if (text[i] != '\\') continue;
        if (++i == text.size() || !is_printable(text[i]) || is_eight_bit(text[i])) return 0;
    }
    return 0;
}

template <class Predicate>
std::size_t run_length(std::string_view text, Predicate belongs) {
    std::size_t length = 0;
    while (length < text.size() && belongs(text[length])) ++length;
    return length;
}

std::size_t local_part_length(std::string_view text) {
    return text.starts_with('"') ? quoted_length(text) : run_length(text, is_local_char);
}

// RFC 5321 section 4.1.3, of which nobody has registered another kind.
bool is_address_literal(std::string_view inside) {
    unsigned char bytes[sizeof(in6_addr)];
    constexpr std::string_view tag = "IPv6:";
    if (inside.size() > tag.size() + INET6_ADDRSTRLEN) return false;
    if (inside.find('\0') != std::string_view::npos) return false;  // inet_pton() stops there
    if (base::starts_with_ignoring_case(inside, tag)) {
        return inet_pton(AF_INET6, std::string(inside.substr(tag.size())).c_str(), bytes) == 1;
    }
    return inet_pton(AF_INET, std::string(inside).c_str(), bytes) == 1;
}

bool is_domain_name(std::string_view name) {
    constexpr std::size_t longest_label = 63;  // RFC 1035 section 2.3.4
    const std::vector<std::string_view> labels = base::split(name, '.');
    return std::all_of(labels.begin(), labels.end(), [](std::string_view label) {
        return !label.empty() && label.size() <= longest_label;
    });
}

std::size_t domain_length(std::string_view text) {
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) return 0;
        return is_address_literal(text.substr(1, end - 1)) ? end + 1 : 0;
    }
    const std::size_t length = run_length(text, is_domain_char);
    return is_domain_name(text.substr(0, length)) ? length : 0;
}

// "@one.example,@two.example:" in front of the mailbox.
bool skip_source_route(std::string_view& text) {
    while (text.starts_with('@')) {
        const std::size_t length = domain_length(text.substr(1));
        if (length == 0 || text.size() < length + 2) return false;
        const char after = text[length + 1];
        text.remove_prefix(length + 2);
        if (after == ':') return true;
        if (after != ',' || !text.starts_with('@')) return false;
    }
    return true;
}

// Takes the mailbox off text.
PathFault take_mailbox(std::string_view& text, std::string_view& mailbox) {
    const std::size_t local = local_part_length(text);
    if (local == 0) return PathFault::syntax;
    std::size_t length = local;
    if (text.size() > local && text[local] == '@') {
        const std::size_t domain = domain_length(text.substr(local + 1));
        if (domain == 0) return PathFault::syntax;
        if (domain > longest_domain) return PathFault::too_long;
        length += 1 + domain;
    }
    if (local > longest_local_part) return PathFault::local_part_too_long;
    if (length + 2 > longest_path) return PathFault::too_long;
    mailbox = text.substr(0, length);
    text.remove_prefix(length);
    return PathFault::none;
}

}  // namespace

ParsedPath parse_path(std::string_view text) {
    ParsedPath path;
    const bool bracketed = text.starts_with('<');
    if (bracketed) text.remove_prefix(1);
    if (bracketed && text.starts_with('>')) {
        path.rest = text.substr(1);
        return path;
    }
    if (!skip_source_route(text)) {
        path.fault = PathFault::syntax;
        return path;
    }
    path.fault = take_mailbox(text, path.address);
    if (path.fault != PathFault::none) return path;
    if (bracketed && !text.starts_with('>')) {
        path.fault = PathFault::syntax;
        return path;
    }
    path.rest = text.substr(bracketed ? 1 : 0);
    path.ascii = base::is_ascii(path.address);
    if (!path.ascii && !is_clean_utf8(path.address)) path.fault = PathFault::syntax;
    return path;
}

bool is_clean_utf8(std::string_view text) {
    return base::is_valid_utf8(text) && !base::has_hidden_characters(text);
}

}  // namespace smtp
