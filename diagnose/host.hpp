#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "diagnose/report.hpp"
#include "net/resolver.hpp"

namespace diagnose {

// What a hosting platform does to mail, from config/data/clouds.toml.
struct CloudPolicy {
    std::string id, name, kind;          // kind: "iaas", "serverless", "paas"
    std::vector<std::uint16_t> blocked;  // by default
    std::string blocked_scope;
    std::string lift;  // "form", "ticket", "self-service", "plan", "subscription", "never", ...
    std::string lift_how, lift_url, native_relay, rdns, note;
    std::vector<std::uint16_t> relay_ports;
    std::vector<std::uint16_t> open;  // that it is known to leave open
    bool documented = false, checked = false;
};

// An access network's rules, from config/data/isps.toml.
struct IspPolicy {
    std::string id, name, policy, scope, lift, note;
    std::vector<std::string> smarthosts;
    std::vector<std::uint16_t> ports;
    bool documented = false, checked = false;
};

// Where this host stands. Explains a measurement, never replaces one.
struct HostIdentity {
    HostIdentity() = default;
    const CloudPolicy* cloud = nullptr;  // static storage
    bool cloud_certain = false;          // by DMI, metadata or environment, not by a weak mark
    std::string cloud_how;               // "DMI sys_vendor is \"Amazon EC2\""
    std::string container;               // "Docker", "Kubernetes", "LXC", "systemd sandbox", ""
    std::string container_meaning;       // what that does to a failed connect
    const IspPolicy* isp = nullptr;
    bool residential = false;                 // the PTR looks like an end user's
    std::string ptr;                          // of the first public address that has one
    std::map<std::string, std::string> ptrs;  // of each that was looked up; "": it has none
    std::vector<std::string> public_addresses;
    bool behind_nat = false;  // the public address is none of this host's
};

enum class Metadata : std::uint8_t { ask, leave_alone };

// What is learnt without the network's help but for a cloud's link-local metadata services, which
// are asked only where the hardware can be a cloud's; 1.5 s at most.
[[nodiscard]] boost::asio::awaitable<HostIdentity> identify_host(
    boost::asio::any_io_executor executor, net::Resolver& resolver,
    Metadata metadata = Metadata::ask);

// Adds what the addresses tell that mail servers echoed to us: PTR, ISP, cloud by its PTR, NAT.
[[nodiscard]] boost::asio::awaitable<void> identify_network(
    boost::asio::any_io_executor executor, net::Resolver& resolver,
    std::vector<std::string> echoed_addresses, base::Duration timeout, HostIdentity& identity);

// As a check of the report ("host").
[[nodiscard]] Check host_check(const HostIdentity& identity);

}  // namespace diagnose
