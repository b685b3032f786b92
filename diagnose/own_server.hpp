#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <string>
#include <string_view>

// A rule of this host that leads port 25 to its own mail server (cPanel, CSF) cannot be read
// without root; that far servers greet as this host's own one does gives it away.
namespace diagnose {

// The first line that port 25 of this host's loopback says; "" where nothing greets there.
[[nodiscard]] boost::asio::awaitable<std::string> own_greeting(
    boost::asio::any_io_executor executor);

// Both lines are one server's: they give the same full host name. What stands behind it may change
// (a date, a number). Pure.
[[nodiscard]] bool same_server(std::string_view own, std::string_view other);
// They are of two: both give a full host name, and not the same one. Pure.
[[nodiscard]] bool other_server(std::string_view own, std::string_view other);

// The server's name in the first line of its greeting: "220 NAME ESMTP" or "220-NAME ESMTP". Pure.
[[nodiscard]] std::string_view name_in_greeting(std::string_view line);

}  // namespace diagnose
