#include "config/excerpt.hpp"

#include <algorithm>
#include <cctype>

#include "base/secret.hpp"
#include "base/text.hpp"
#include "config/document.hpp"
#include "config/url.hpp"

namespace config {
namespace {

bool key_character(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
}

// The bare key that ends just before position: "host" for `{ host = ` at its '='.
std::string_view key_before(std::string_view line, std::size_t position) {
    std::size_t end = position;
    while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\t' || line[end - 1] == '"')) {
        --end;
    }
    std::size_t begin = end;
    while (begin > 0 && key_character(line[begin - 1])) --begin;
    return line.substr(begin, end - begin);
}

// Whether line lies inside a """ or ''' string that began on an earlier line.
bool inside_long_string(std::string_view text, unsigned number) {
    std::string_view open;
    for (unsigned line = 1; line < number; ++line) {
        std::string_view rest = line_of(text, line);
        while (rest.size() >= 3) {
            const bool quote = rest.starts_with("\"\"\"") || rest.starts_with("'''");
            if (quote && open.empty()) {
                open = rest.substr(0, 3);
            } else if (quote && rest.starts_with(open)) {
                open = {};
            }
            rest.remove_prefix(quote ? 3 : 1);
        }
    }
    return !open.empty();
}

bool string_begins(std::string_view line, std::size_t position) {
    if (line[position] != '"' && line[position] != '\'') return false;
    const std::size_t before = line.substr(0, position).find_last_not_of(" \t");
    constexpr std::string_view openers = "=[{,";
    return before == std::string_view::npos || openers.find(line[before]) != std::string_view::npos;
}

// The position of the quote that ends the string begun at begin, or the end of the line.
std::size_t end_of_string(std::string_view line, std::size_t begin) {
    const char quote = line[begin];
    std::size_t i = begin + 1;
    while (i < line.size() && line[i] != quote) i += quote == '"' && line[i] == '\\' ? 2 : 1;
    return std::min(i, line.size());
}

std::string without_credentials_behind_space(std::string_view text) {
    const std::size_t space = std::min(text.find_first_not_of(" \t"), text.size());
    return std::string{text.substr(0, space)} + without_credentials(text.substr(space));
}

// The line without the credentials of URLs in it, inside of strings and out of them.
std::string without_urls(std::string_view line) {
    std::string result;
    const std::size_t equals = line.find('=');
    std::size_t stretch = equals == std::string_view::npos ? 0 : equals + 1;
    result += line.substr(0, stretch);
    for (std::size_t i = stretch; i < line.size();) {
        if (!string_begins(line, i)) {
            ++i;
            continue;
        }
        const std::size_t end = end_of_string(line, i);
        result += without_credentials_behind_space(line.substr(stretch, i - stretch));
        result += line[i] + without_credentials(line.substr(i + 1, end - i - 1));
        stretch = end;
        i = end + 1;
    }
    return result + without_credentials_behind_space(line.substr(stretch));
}

}  // namespace

std::string excerpt(std::string_view text, unsigned number,
                    const std::function<bool(std::string_view)>& harmless) {
    std::string mask{base::masked_secret};
    if (inside_long_string(text, number)) return mask;
    const std::string line = without_urls(line_of(text, number));

    std::size_t equals = line.find('=');
    if (equals == std::string::npos) {
        const std::size_t first = line.find_first_not_of(" \t");
        if (first == std::string_view::npos) return {};
        // Headers, comments and lists that run over several lines hold no secret.
        if (std::string_view{"[]#\"'"}.find(line[first]) != std::string_view::npos) {
            return base::printable(line, 200);
        }
        const std::size_t end = line.find_first_of(" \t:", first);
        if (end == std::string_view::npos) return base::printable(line, 200);
        return base::printable(line.substr(0, end), 200) + " " + mask;
    }
    for (; equals != std::string_view::npos; equals = line.find('=', equals + 1)) {
        if (!harmless(key_before(line, equals))) {
            return base::printable(line.substr(0, equals + 1), 200) + " " + mask;
        }
    }
    return base::printable(line, 200);
}

}  // namespace config
