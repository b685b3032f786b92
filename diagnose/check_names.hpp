#pragma once

#include <string>
#include <string_view>

#include "diagnose/report.hpp"

namespace diagnose {

// The one name of a check: in its report, and on the terminal while it runs. A check that began
// under another name than it ended would stay on the terminal as if it still ran.
struct CheckName {
    std::string_view id, title;
};

namespace check_name {
inline constexpr CheckName network{"network", "Routes and the way to the web"};
inline constexpr CheckName dns{"dns", "Names of mail servers"};
inline constexpr CheckName name_servers{"name-servers", "Each name server of this host"};
inline constexpr CheckName host{"host", "Where this host stands"};
inline constexpr CheckName port_25{"port-25", "Port 25 of unrelated mail operators"};
inline constexpr CheckName submission{"submission",
                                      "Other mail ports of the same operators and of relays"};
inline constexpr CheckName interception{"interception",
                                        "Whether the servers that answer on 25 are genuine"};
inline constexpr CheckName local_firewall{"local-firewall", "This host's own rules for port 25"};
inline constexpr CheckName path{"path", "How far port 25 gets"};
inline constexpr CheckName answers{"answers",
                                   "Whether port 25 is answered from the server's place"};
inline constexpr CheckName delivery{"delivery", "Each mail server, each address, up to RCPT"};
inline constexpr CheckName mx{"mx", "Mail servers (MX)"};
}  // namespace check_name

// Skipped, until it is known better.
[[nodiscard]] inline Check new_check(const CheckName& name) {
    Check check;
    check.id = name.id;
    check.title = name.title;
    return check;
}

[[nodiscard]] inline std::string smarthost_title(const std::string& name) {
    return "Smarthost " + name;
}

[[nodiscard]] inline std::string other_ports_title(const std::string& smarthost) {
    return "Other ports of smarthost " + smarthost;
}

}  // namespace diagnose
