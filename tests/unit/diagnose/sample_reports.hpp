#pragma once

#include <string>
#include <vector>

#include "diagnose/report.hpp"

// Reports of situations that people are in, made up in full, to judge how a report reads.
namespace samples {

struct Sample {
    std::string name;
    diagnose::Report report;
};

[[nodiscard]] std::vector<Sample> all();
[[nodiscard]] diagnose::Report hostile();  // every text is a stranger's attack

}  // namespace samples
