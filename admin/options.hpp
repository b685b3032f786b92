#pragma once

#include <string>
#include <vector>

#include "base/secret.hpp"

namespace admin {

struct Options {
    std::vector<std::string> listen{"127.0.0.1:8025"};
    base::Secret token;  // needed off loopback
};

}  // namespace admin
