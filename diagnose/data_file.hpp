#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <string>
#include <vector>

// Reads values of the built-in data files. Their schema tests have checked the types, so what has
// another type counts as missing.
namespace diagnose {

using DataView = toml::node_view<const toml::node>;

// Empty when missing.
std::string text_of(const DataView& node);

// A list of texts, or one text alone.
std::vector<std::string> texts_of(const DataView& node);

std::vector<std::uint16_t> ports_of(const DataView& node);

}  // namespace diagnose
