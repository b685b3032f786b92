#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "diagnose/firewall_listing.hpp"
#include "diagnose/observations.hpp"

namespace diagnose {

// The value of a TcpExt counter in the text of /proc/self/net/netstat; none when it is not there.
[[nodiscard]] std::optional<long> tcp_counter(std::string_view netstat, std::string_view name);

// The kernel's count, so far, of SYNs and segments that could not be sent again.
[[nodiscard]] std::optional<long> failed_retransmissions();

// What the packet filter's rules say about connections to this address and port, when they could
// be read. "" as the address: any public one. Reads /proc/self/net/route, nothing else.
[[nodiscard]] LocalSigns signs_of_rules(const FirewallReading& reading, const std::string& address,
                                        net::Family family, std::uint16_t port);

// The rule that stops look-ups at these name servers, as they stand in /etc/resolv.conf. They go by
// "udp", or by "tcp" where its option use-vc says so.
[[nodiscard]] std::optional<RuleMatch> rule_against_dns(
    const FirewallReading& reading, const std::vector<std::string>& name_servers,
    const std::string& transport);

// The rules that spare this user and stop another one's mail or look-ups: of the packaged service's
// user first. The users' names are those of /etc/passwd.
[[nodiscard]] std::vector<RuleForUser> rules_against_others(
    const FirewallReading& reading, const std::vector<std::uint16_t>& ports,
    const std::vector<std::string>& name_servers, const std::string& transport, net::Family family);

// As signs_of_rules(), and without a rule one silent connect, long enough for two SYNs to be sent
// again, between two looks at the kernel's counter: about 4 s. Only one at a time, as the counter
// is one for all.
[[nodiscard]] boost::asio::awaitable<LocalSigns> look_at_this_host(
    boost::asio::any_io_executor executor, FirewallReading reading,
    boost::asio::ip::address silent_address, std::uint16_t port);

}  // namespace diagnose
