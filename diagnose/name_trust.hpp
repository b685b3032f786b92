#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "diagnose/report.hpp"
#include "net/resolver.hpp"

// Whether this host's name servers can be believed about a name.
namespace diagnose {

enum class NameTrust : std::uint8_t {
    unknown,        // not asked, or not in time
    good,           // a name that is known to exist was found
    silent,         // nobody answered about it
    knows_nothing,  // it is said not to exist: a server for internal names, a filter, a portal
};

// Asks for the mail servers of up to two large mail domains.
[[nodiscard]] boost::asio::awaitable<NameTrust> test_name_servers(net::Resolver& resolver);

// The address that is given for a name that cannot exist (RFC 6761 section 6.4), as that of a
// provider's search page; "" when there is none.
[[nodiscard]] boost::asio::awaitable<std::string> find_search_page(net::Resolver& resolver);

// What such name servers make of any report that rests on them: verdict, cause and fix. False, and
// nothing done, where they are good or unknown.
[[nodiscard]] bool blame_name_servers(NameTrust trust, const std::string& asked_about,
                                      Report& report);

}  // namespace diagnose
