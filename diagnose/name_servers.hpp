#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "diagnose/report.hpp"
#include "net/resolver.hpp"

// Each name server of resolv.conf for itself: a dead one hides behind the others and costs time.
namespace diagnose {

struct NameServer {
    std::string address;
    std::optional<net::DnsStatus> status;  // none: its answer was not waited for
    base::Duration took{};                 // the last answer

    [[nodiscard]] bool answers() const;
};

// A question about a well-known domain to this server and no other, about a second and a third one
// where it says that it knows no such name or fails.
[[nodiscard]] boost::asio::awaitable<NameServer> ask_name_server(
    boost::asio::any_io_executor executor, std::string address, base::Duration limit);

// Some answer and some do not.
[[nodiscard]] bool some_are_dead(const std::vector<NameServer>& servers);

// With `rotate` they take turns to be asked first (resolv.conf(5)).
[[nodiscard]] Check name_servers_check(const std::vector<NameServer>& servers, bool rotate = false);
// For some that are dead; without steps when there are none, or nothing but such.
[[nodiscard]] Fix name_servers_fix(const std::vector<NameServer>& servers, bool rotate = false);

}  // namespace diagnose
