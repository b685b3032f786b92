#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/clock.hpp"

namespace spool {

enum class Durability : std::uint8_t { full, none };

// Who opens the spool, for the words to whoever finds it in use.
enum class Opener : std::uint8_t { server, command };

struct Options {
    std::filesystem::path directory;
    Durability durability = Durability::full;
    std::uint64_t min_free = 256ULL << 20;                 // bytes; below this new mail gets 452
    std::optional<std::uint64_t> max_size;                 // bytes of bodies held
    base::Duration keep_delivered = std::chrono::days{7};  // metadata only; zero: none
    std::uint64_t inline_limit = 128ULL << 10;             // larger bodies are files
    Opener opener = Opener::server;
    base::Duration patience = std::chrono::seconds{5};  // with a command that has the spool
};

}  // namespace spool
