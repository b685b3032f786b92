#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/units.hpp"
#include "config/document.hpp"

// One codec per kind of value: read() checks a TOML value, telling the sink every fault with its
// place; show() writes the value as it would stand in the file.
namespace config {

using FaultSink = std::function<void(Place, std::string)>;

// nullptr, with a fault told, when the value is not of that type.
[[nodiscard]] const std::string* as_text(const Value& value, const FaultSink& fault,
                                         std::string_view wanted);

struct Flag {
    using Type = bool;
    [[nodiscard]] std::optional<bool> read(const Value& value, const FaultSink& fault) const;
    [[nodiscard]] std::string show(bool value) const { return value ? "true" : "false"; }
};

[[nodiscard]] std::optional<std::int64_t> read_number(const Value& value, const FaultSink& fault,
                                                      std::int64_t least, std::int64_t most);

template <class Number>
struct Whole {
    using Type = Number;
    Number least, most;

    [[nodiscard]] std::optional<Number> read(const Value& value, const FaultSink& fault) const {
        const auto number = read_number(value, fault, least, most);
        if (!number) return std::nullopt;
        return static_cast<Number>(*number);
    }
    [[nodiscard]] std::string show(Number value) const { return std::to_string(value); }
};
using Count = Whole<std::uint32_t>;

struct Span {
    using Type = base::Duration;
    base::Duration least, most = std::chrono::days{3650};

    [[nodiscard]] std::optional<Type> read(const Value& value, const FaultSink& fault) const;
    [[nodiscard]] std::string show(Type value) const;
};

struct Size {
    using Type = std::uint64_t;
    std::uint64_t least = 0, most = std::numeric_limits<std::int64_t>::max();

    [[nodiscard]] std::optional<Type> read(const Value& value, const FaultSink& fault) const;
    [[nodiscard]] std::string show(Type value) const;
};

struct RateLimit {
    using Type = base::Rate;
    [[nodiscard]] std::optional<Type> read(const Value& value, const FaultSink& fault) const;
    [[nodiscard]] std::string show(const Type& value) const;
};

// Text that a rule has seen; the rule may also bring it into its usual form.
using TextRule = base::Result<std::string> (*)(const std::string&);
[[nodiscard]] base::Result<std::string> any_text(const std::string& text);
[[nodiscard]] base::Result<std::string> some_text(const std::string& text);  // not empty, printable

struct Text {
    using Type = std::string;
    TextRule rule = some_text;

    [[nodiscard]] std::optional<Type> read(const Value& value, const FaultSink& fault) const;
    [[nodiscard]] std::string show(const Type& value) const { return in_quotes(value); }
};

// A path, taken from the folder of the configuration file when it is relative.
struct FilePath {
    using Type = std::string;
    const std::filesystem::path& folder;
    bool must_be_readable = false;

    [[nodiscard]] std::optional<Type> read(const Value& value, const FaultSink& fault) const;
    [[nodiscard]] std::string show(const Type& value) const { return in_quotes(value); }
};

[[nodiscard]] std::string resolve_path(const std::filesystem::path& folder,
                                       const std::string& path);

void choice_fault(Place place, const FaultSink& fault, const std::string& word,
                  const std::vector<std::string>& names);

template <class Enum>
struct Choice {
    using Type = Enum;
    std::vector<std::pair<std::string, Enum>> names;

    [[nodiscard]] std::optional<Enum> read(const Value& value, const FaultSink& fault) const {
        const std::string* word = as_text(value, fault, "one of " + all());
        if (word == nullptr) return std::nullopt;
        for (const auto& [name, meaning] : names) {
            if (name == *word) return meaning;
        }
        choice_fault(value.place, fault, *word, words());
        return std::nullopt;
    }
    [[nodiscard]] std::string show(Enum value) const {
        for (const auto& [name, meaning] : names) {
            if (meaning == value) return in_quotes(name);
        }
        return {};
    }

 private:
    [[nodiscard]] std::vector<std::string> words() const {
        std::vector<std::string> result;
        result.reserve(names.size());
        for (const auto& [name, meaning] : names) result.push_back(name);
        return result;
    }
    [[nodiscard]] std::string all() const {
        std::string result;
        for (const std::string& name : words())
            result += (result.empty() ? "" : ", ") + in_quotes(name);
        return result;
    }
};

enum class Several { list, list_or_one };  // whether a single value may stand for a list of one

template <class Item>
struct ListOf {
    using Type = std::vector<typename Item::Type>;
    Item item;
    Several form = Several::list;

    [[nodiscard]] std::optional<Type> read(const Value& value, const FaultSink& fault) const {
        Type result;
        bool sound = true;
        const auto add = [&](const Value& element) {
            auto read_item = item.read(element, fault);
            sound = sound && read_item.has_value();
            if (read_item) result.push_back(std::move(*read_item));
        };
        if (const auto* list = std::get_if<List>(&value.data)) {
            for (const Value& element : *list) add(element);
        } else if (form == Several::list_or_one) {
            add(value);
        } else {
            fault(value.place, "must be a list in [...], not " + std::string{value.kind()});
            return std::nullopt;
        }
        if (!sound) return std::nullopt;
        return result;
    }
    [[nodiscard]] std::string show(const Type& values) const {
        std::string result = "[";
        for (const auto& value : values)
            result += (result.size() > 1 ? ", " : "") + item.show(value);
        return result + "]";
    }
};

// { "old@example.com" = "new@example.com" }
struct TextMap {
    using Type = std::map<std::string, std::string>;
    [[nodiscard]] std::optional<Type> read(const Value& value, const FaultSink& fault) const;
};

// smarthost.port: a number or "auto".
struct Ports {
    using Type = std::vector<std::uint16_t>;
    [[nodiscard]] static const Type& automatic();
    [[nodiscard]] std::optional<Type> read(const Value& value, const FaultSink& fault) const;
    [[nodiscard]] std::string show(const Type& value) const;
};

}  // namespace config
