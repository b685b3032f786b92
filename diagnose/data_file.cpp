#include "diagnose/data_file.hpp"

namespace diagnose {

std::string text_of(const DataView& node) { return node.value_or(std::string{}); }

std::vector<std::string> texts_of(const DataView& node) {
    std::vector<std::string> texts;
    if (const toml::array* array = node.as_array()) {
        for (const toml::node& item : *array) texts.push_back(item.value_or(std::string{}));
    } else if (node) {
        texts.push_back(text_of(node));
    }
    return texts;
}

std::vector<std::uint16_t> ports_of(const DataView& node) {
    std::vector<std::uint16_t> ports;
    if (const toml::array* array = node.as_array()) {
        for (const toml::node& item : *array) {
            ports.push_back(static_cast<std::uint16_t>(item.value_or(std::int64_t{0})));
        }
    }
    return ports;
}

}  // namespace diagnose
