#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace relay {

// The two small protocols between systemd and a service, which systemd promises to keep. libsystemd
// speaks them too, but brings seven libraries along that every start would have to load.

// sd_notify(3): tells systemd a state such as "READY=1"; nothing where systemd does not ask.
void notify_systemd(std::string_view state);

struct PassedSocket {
    int descriptor = -1;
    std::string name;  // FileDescriptorName= of the .socket unit, "unknown" when there is none
};

// sd_listen_fds(3): the sockets handed over to this process; a program started by it gets none.
[[nodiscard]] std::vector<PassedSocket> passed_sockets();

}  // namespace relay
