#pragma once

#include <string>

#include "diagnose/host_catalogue.hpp"

// What the catalogues know of a network's rules about mail ports, in a sentence. Pure.
namespace diagnose {

[[nodiscard]] std::string policy_of(const CloudPolicy& cloud);
[[nodiscard]] std::string policy_of(const IspPolicy& isp);

}  // namespace diagnose
