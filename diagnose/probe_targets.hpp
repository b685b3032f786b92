#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace diagnose {

struct HostPorts {
    std::string host;
    std::vector<std::uint16_t> ports;
};

// One operator to ask whether port 25 is open.
struct ProbeTarget {
    std::string operator_name;
    std::string mx_domain;            // "": hosts are asked as they stand
    std::vector<std::string> hosts;   // used when the MX look-up says nothing
    std::uint16_t port = 25;          // tests and labs let another port play its part
    std::vector<HostPorts> controls;  // the operator's own submission hosts
    std::string banner;               // part of its 220 line, "" when not known
    bool starttls = false;            // known to offer it on port 25
    bool control_echo = false;        // the first control tells the client's address
};

// Whom to ask; alternates are services on ports that stay open where 25, 465 and 587 are closed.
struct TargetCatalogue {
    std::vector<ProbeTarget> quorum;  // unrelated operators, without regional ones
    std::vector<ProbeTarget> all;
    std::vector<HostPorts> alternates;
    std::vector<HostPorts> addresses;  // literals that answer without a name look-up
    struct PlainControl {
        std::string url;
        unsigned status = 0;
        std::string body;  // begins with this
    };
    std::vector<PlainControl> plain_controls;  // a captive portal answers them otherwise
};

// config/data/targets.toml.
[[nodiscard]] const TargetCatalogue& built_in_targets();

// A mail domain ("gmail.com", with the built-in operator's controls when there is one) or
// "host:port" ("127.0.0.1:2600", "[::1]:2600").
[[nodiscard]] base::Result<ProbeTarget> parse_probe_target(std::string_view text);

}  // namespace diagnose
