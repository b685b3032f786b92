#pragma once

#include <string_view>

// The built-in data files, as they stand in this folder; their header comments describe the fields.
// Static storage: the views stay valid for the life of the program.
namespace config::data {

[[nodiscard]] std::string_view clouds_toml();
[[nodiscard]] std::string_view smarthosts_toml();
[[nodiscard]] std::string_view isps_toml();
[[nodiscard]] std::string_view targets_toml();
[[nodiscard]] std::string_view replies_toml();
[[nodiscard]] std::string_view errors_toml();

}  // namespace config::data
