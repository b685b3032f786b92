#pragma once

#include <initializer_list>
#include <string_view>

#include "base/secret.hpp"
#include "config/table_reader.hpp"

namespace config {

enum class SecretForm : std::uint8_t { inline_value, file, environment, command, credential };

// Reads a secret given in one of its forms: KEY, KEY_file, KEY_env, KEY_command, KEY_credential.
// Tells what is wrong with it, and shows where it came from but never what it is. False when none
// is given; a faulty one counts as given.
bool read_secret(TableReader& reader, std::string_view key,
                 std::initializer_list<SecretForm> allowed, base::Secret& secret);

}  // namespace config
