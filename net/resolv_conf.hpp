#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace net {

// What /etc/resolv.conf says, as far as somebody but c-ares has to know it.
struct ResolvConf {
    std::vector<std::string> servers;  // in its order
    bool use_vc = false;               // every question by TCP (resolv.conf(5), "use-vc")
    bool rotate = false;               // look-ups take turns among the servers
};

// `more` stands for the environment's RES_OPTIONS, which adds to the file's options.
[[nodiscard]] ResolvConf parse_resolv_conf(std::string_view text, std::string_view more = {});
[[nodiscard]] ResolvConf read_resolv_conf(const std::string& path = "/etc/resolv.conf");

}  // namespace net
