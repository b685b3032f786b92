#pragma once

#include <filesystem>
#include <string>

#include "base/result.hpp"
#include "diagnose/report.hpp"

namespace relay {

// Where a configuration is put that there is none of yet: /etc/relay/relay.toml for root, the
// user's own otherwise.
[[nodiscard]] std::filesystem::path default_config_file();

// What the user says where a block has samples only.
struct BlockAnswers {
    std::string host, user, password_file;
};

// The block with the answers in the place of its samples. The error says which is missing or none.
[[nodiscard]] base::Result<std::string> fill_block(std::string config, const BlockAnswers& answers);

// Why answers to what the block lacks could not be put into this text of a configuration, so that
// nobody is asked for them; "" when they can. Pure.
[[nodiscard]] std::string why_not_to_ask(const std::string& text, const std::string& block);

// Offers to put the report's fix into the file: shows each line that would change, asks (unless
// yes), and writes. Host and account that the block lacks are asked for at a terminal. Tells on
// standard error what came of it. False when a fix was there, was wanted, and could not be written.
[[nodiscard]] bool write_fix(const diagnose::Report& report, const std::filesystem::path& file,
                             bool yes);

}  // namespace relay
