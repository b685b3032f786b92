#pragma once

#include <cstdint>

#include "diagnose/host.hpp"
#include "diagnose/report.hpp"

// A cloud or an access provider as the cause, with what its catalogue entry tells. Pure.
namespace diagnose {

[[nodiscard]] bool cloud_blocks(const HostIdentity& host, std::uint16_t port);

// The host stands in a cloud.
void blame_cloud(const HostIdentity& host, Cause& cause);

// The access network is known by its provider or its PTR names.
void blame_access_network(const HostIdentity& host, Cause& cause);

}  // namespace diagnose
