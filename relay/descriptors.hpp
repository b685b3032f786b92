#pragma once

#include <cstdint>

namespace relay {

// How the files that this process may have open are shared out. Clients can take only their part,
// however many connect: what delivers, stores, resolves and answers `relay status` keeps its own.
struct DescriptorPlan {
    std::uint64_t limit = 0;
    std::uint32_t clients = 0;  // connections from them, at most the configured number
    std::uint32_t admin = 0;    // connections over TCP, and as many over control.sock
    std::uint64_t wanted = 0;   // the limit at which all configured connections would fit
};

// `clients` are server.max_connections, `smarthosts` the sum of theirs.
[[nodiscard]] DescriptorPlan plan_descriptors(std::uint64_t limit, std::uint32_t clients,
                                              std::uint64_t smarthosts);

// Raises the process's soft limit of open files to the hard one, and tells what it is then.
[[nodiscard]] std::uint64_t raise_descriptor_limit();

}  // namespace relay
