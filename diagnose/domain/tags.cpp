#include "diagnose/domain/tags.hpp"

#include "base/text.hpp"

namespace diagnose {

Tags parse_tags(std::string_view text) {
    Tags tags;
    for (const std::string_view part : base::split(text, ';')) {
        const std::size_t equals = part.find('=');
        if (equals == part.npos) continue;
        tags.emplace_back(base::to_lower(base::trim(part.substr(0, equals))),
                          std::string(base::trim(part.substr(equals + 1))));
    }
    return tags;
}

const std::string* find_tag(const Tags& tags, std::string_view name) {
    for (const auto& [key, value] : tags) {
        if (key == name) return &value;
    }
    return nullptr;
}

}  // namespace diagnose
