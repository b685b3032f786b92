#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "diagnose/observations.hpp"
#include "diagnose/rejecting_router.hpp"

namespace diagnose {

// Who is at fault when a smarthost's port, STARTTLS or certificate fails.
enum class Blame : std::uint8_t {
    here,    // this host lets the port out to nobody
    config,  // this host lacks what it takes: a route of the family, a trust store, the right time
    path,    // unrelated operators show the same on the same port, or a router says that it rejects
    far,     // they do not: it is the smarthost, its network, or a filter on this one host
    unknown  // nobody else could be asked
};

struct SmarthostBlame {
    Blame who = Blame::unknown;
    std::uint16_t port = 0;
    net::Family family = net::Family::any;  // the only one over which it failed, and is compared
    std::string words;                      // what that rests on, as a sentence; "" for unknown
    std::string lacking;                    // with config: "no IPv6 route on this host"
    std::string remedy;                     // with config: what to do about it
    std::string certificate_name;     // with config: host is an address, the certificate has this
    const RuleMatch* rule = nullptr;  // of this host, that stops the port
    bool large_packets = false;       // with path: it loses them, so that no handshake ends
    bool mute = false;                // with path: it takes connections there, and speaks no SMTP
    bool dead_family = false;         // with path: the only family it has leads nowhere
    std::optional<RejectingRouter> router;  // with path: it names itself
    bool only_this = false;                 // and it lets the same port of others pass
    bool by_counter = false;  // with here: the kernel's account of our SYNs is all there is
};

// By comparison with what others show on the same port. Pure.
[[nodiscard]] SmarthostBlame blame_for(const Observations& seen, std::size_t smarthost);

// The same of the smarthost with this name.
[[nodiscard]] SmarthostBlame blame_for(const Observations& seen, const std::string& smarthost);

// How far the smarthost with this name was gone through; nullptr for none.
[[nodiscard]] const SmarthostStages* stages_of(const Observations& seen,
                                               const std::string& smarthost);

// A smarthost that has not greeted yet may be slow. Not where unrelated operators are as mute on
// the same port: its evidence is made to say so.
void expose_mute_ports(Observations& seen);

}  // namespace diagnose
