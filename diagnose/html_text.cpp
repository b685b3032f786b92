#include "diagnose/html_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace diagnose {

namespace {

constexpr std::size_t longest = 20000;  // bytes of any one text

std::string_view entity(char c) {
    switch (c) {
        case '&':
            return "&amp;";
        case '<':
            return "&lt;";
        case '>':
            return "&gt;";
        case '"':
            return "&quot;";
        case '\'':
            return "&#39;";
        default:
            return "";
    }
}

// Where the web address at the start of text ends; 0 when there is none.
std::size_t link_length(std::string_view text) {
    if (!text.starts_with("https://") && !text.starts_with("http://")) return 0;
    std::size_t end = std::min(text.find_first_of(" \t\r\n\"'<>`|\\^{}()"), text.size());
    // The full stop of the sentence is none of the address's.
    while (end > 0 && std::string_view{".,;:!?"}.find(text[end - 1]) != std::string_view::npos) {
        --end;
    }
    return end;
}

std::string with_links(std::string_view text) {
    std::string html;
    while (!text.empty()) {
        const std::size_t at = std::min(text.find("http"), text.size());
        html += html_escaped(text.substr(0, at));
        text.remove_prefix(at);
        if (text.empty()) break;
        const std::size_t length = link_length(text);
        const std::string address = html_escaped(text.substr(0, std::max<std::size_t>(length, 4)));
        html += length == 0 ? address
                            : fmt::format("<a href=\"{0}\" rel=\"noreferrer\">{0}</a>", address);
        text.remove_prefix(std::max<std::size_t>(length, 4));
    }
    return html;
}

}  // namespace

std::string html_escaped(std::string_view text) {
    std::string html;
    for (const char c : base::printable(text, longest)) {
        const std::string_view escaped = entity(c);
        if (escaped.empty()) {
            html += c;
        } else {
            html += escaped;
        }
    }
    return html;
}

std::string html_sentence(std::string_view text) {
    std::string html;
    while (!text.empty()) {
        const std::size_t begin = text.find('`');
        const std::size_t end = begin == text.npos ? text.npos : text.find('`', begin + 1);
        if (end == text.npos) return html + with_links(text);
        html += with_links(text.substr(0, begin));
        html +=
            fmt::format("<code>{}</code>", html_escaped(text.substr(begin + 1, end - begin - 1)));
        text.remove_prefix(end + 1);
    }
    return html;
}

}  // namespace diagnose
