#include "config/codecs.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/text.hpp"

namespace config {
namespace {

// "10s" or 10 where the other was wanted are the usual slips.
std::string not_this(std::string_view wanted, const Value& value) {
    return fmt::format("must be {}, not {}", wanted, value.kind());
}

}  // namespace

const std::string* as_text(const Value& value, const FaultSink& fault, std::string_view wanted) {
    const auto* text = std::get_if<std::string>(&value.data);
    if (text == nullptr) fault(value.place, not_this(wanted, value));
    return text;
}

std::optional<bool> Flag::read(const Value& value, const FaultSink& fault) const {
    if (const bool* flag = std::get_if<bool>(&value.data)) return *flag;
    const auto* text = std::get_if<std::string>(&value.data);
    const bool only_quotes = text != nullptr && (*text == "true" || *text == "false");
    fault(value.place, only_quotes ? fmt::format("write {} without quotes", *text)
                                   : not_this("true or false", value));
    return std::nullopt;
}

std::optional<std::int64_t> read_number(const Value& value, const FaultSink& fault,
                                        std::int64_t least, std::int64_t most) {
    const auto* number = std::get_if<std::int64_t>(&value.data);
    if (number == nullptr) {
        const auto* text = std::get_if<std::string>(&value.data);
        const bool only_quotes = text != nullptr && !text->empty() && text->size() < 19 &&
                                 text->find_first_not_of("0123456789") == std::string::npos;
        fault(value.place, only_quotes ? fmt::format("write {} without quotes", *text)
                                       : not_this("a whole number", value));
        return std::nullopt;
    }
    if (*number < least || *number > most) {
        fault(value.place, fmt::format("must be from {} to {}, not {}", least, most, *number));
        return std::nullopt;
    }
    return *number;
}

std::optional<base::Duration> Span::read(const Value& value, const FaultSink& fault) const {
    const std::string* text =
        as_text(value, fault, "a duration in quotes such as \"30s\" or \"5m\"");
    if (text == nullptr) return std::nullopt;
    const auto duration = base::parse_duration(*text);
    if (!duration) {
        fault(value.place, duration.error().message);
        return std::nullopt;
    }
    if (*duration < least || *duration > most) {
        fault(value.place, fmt::format("must be from {} to {}, not {}", show(least), show(most),
                                       in_quotes(*text)));
        return std::nullopt;
    }
    return *duration;
}

std::string Span::show(base::Duration value) const {
    return in_quotes(base::format_duration(value));
}

std::optional<std::uint64_t> Size::read(const Value& value, const FaultSink& fault) const {
    std::uint64_t bytes = 0;
    if (const auto* number = std::get_if<std::int64_t>(&value.data); number && *number >= 0) {
        bytes = static_cast<std::uint64_t>(*number);
    } else if (const auto* text = std::get_if<std::string>(&value.data)) {
        const auto size = base::parse_size(*text);
        if (!size) {
            fault(value.place, size.error().message);
            return std::nullopt;
        }
        bytes = *size;
    } else {
        fault(value.place, number
                               ? std::string{"must not be negative"}
                               : not_this("a size such as \"25MiB\" or a number of bytes", value));
        return std::nullopt;
    }
    if (bytes < least || bytes > most) {
        fault(value.place,
              fmt::format("must be from {} to {}, not {}", show(least), show(most), show(bytes)));
        return std::nullopt;
    }
    return bytes;
}

std::string Size::show(std::uint64_t value) const {
    const std::string text = base::format_size(value);
    return text.find_first_not_of("0123456789") == std::string::npos ? text : in_quotes(text);
}

std::optional<base::Rate> RateLimit::read(const Value& value, const FaultSink& fault) const {
    const std::string* text = as_text(value, fault, "a rate in quotes such as \"14/s\"");
    if (text == nullptr) return std::nullopt;
    const auto rate = base::parse_rate(*text);
    if (rate) return *rate;
    fault(value.place, rate.error().message);
    return std::nullopt;
}

std::string RateLimit::show(const base::Rate& value) const {
    return in_quotes(base::format_rate(value));
}

base::Result<std::string> any_text(const std::string& text) { return text; }

base::Result<std::string> some_text(const std::string& text) {
    if (text.empty()) return base::error("must not be empty");
    if (base::printable(text, text.size() + 1) != text) {
        return base::error("must not hold control characters or line ends");
    }
    return text;
}

std::optional<std::string> Text::read(const Value& value, const FaultSink& fault) const {
    const std::string* text = as_text(value, fault, "a string in quotes");
    if (text == nullptr) return std::nullopt;
    auto checked = rule(*text);
    if (checked) return *checked;
    fault(value.place, checked.error().message);
    return std::nullopt;
}

std::string resolve_path(const std::filesystem::path& folder, const std::string& path) {
    const char* home = std::getenv("HOME");
    if (path.starts_with("~/") && home != nullptr) {
        return (std::filesystem::path{home} / path.substr(2)).lexically_normal().string();
    }
    return (folder / path).lexically_normal().string();  // an absolute path replaces the folder
}

std::optional<std::string> FilePath::read(const Value& value, const FaultSink& fault) const {
    const std::string* text = as_text(value, fault, "the path of a file in quotes");
    if (text == nullptr) return std::nullopt;
    const auto checked = some_text(*text);
    if (!checked) {
        fault(value.place, checked.error().message);
        return std::nullopt;
    }
    std::string path = resolve_path(folder, *text);
    if (must_be_readable && ::access(path.c_str(), R_OK) != 0) {
        const int reason = errno;
        fault(value.place, fmt::format("{} cannot be read: {}", path, base::errno_text(reason)));
        return std::nullopt;
    }
    std::error_code ignored;
    if (must_be_readable && std::filesystem::is_directory(path, ignored)) {
        fault(value.place, path + " is a folder, not a file");
        return std::nullopt;
    }
    return path;
}

void choice_fault(Place place, const FaultSink& fault, const std::string& word,
                  const std::vector<std::string>& names) {
    const std::string near = base::nearest(word, names);
    std::vector<std::string> shown;
    shown.reserve(names.size());
    for (const std::string& name : names) shown.push_back(in_quotes(name));
    std::string message = fmt::format("{} is not one of {}", in_quotes(base::printable(word, 60)),
                                      base::join(shown, ", "));
    if (!near.empty()) message += fmt::format("; did you mean {}?", in_quotes(near));
    fault(place, std::move(message));
}

std::optional<TextMap::Type> TextMap::read(const Value& value, const FaultSink& fault) const {
    const auto* table = std::get_if<Table>(&value.data);
    if (table == nullptr) {
        fault(value.place, not_this("a table such as { \"from\" = \"to\" }", value));
        return std::nullopt;
    }
    Type result;
    for (const Member& item : *table) {
        const std::string* text = as_text(item.value, fault, "a table of strings in quotes");
        if (text == nullptr) return std::nullopt;
        result[item.key] = *text;
    }
    return result;
}

const Ports::Type& Ports::automatic() {
    // What nearly every provider listens on; 2525 is no standard but gets through most filters.
    static const Type ports{587, 465, 2525};
    return ports;
}

std::optional<Ports::Type> Ports::read(const Value& value, const FaultSink& fault) const {
    const auto* text = std::get_if<std::string>(&value.data);
    if (text != nullptr && *text == "auto") return automatic();
    const bool number_in_quotes = text != nullptr && !text->empty() &&
                                  text->find_first_not_of("0123456789") == std::string::npos;
    if (!std::holds_alternative<std::int64_t>(value.data) && !number_in_quotes) {
        fault(value.place, text != nullptr ? "must be a port number or \"auto\""
                                           : not_this("a port number or \"auto\"", value));
        return std::nullopt;
    }
    const auto number = read_number(value, fault, 1, 65535);
    if (!number) return std::nullopt;
    return Type{static_cast<std::uint16_t>(*number)};
}

std::string Ports::show(const Type& value) const {
    return value.size() == 1 ? std::to_string(value.front()) : "\"auto\"";
}

}  // namespace config
