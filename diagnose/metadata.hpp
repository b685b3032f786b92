#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "diagnose/host_catalogue.hpp"
#include "net/resolver.hpp"

namespace diagnose {

// Which metadata services may answer on this host, so that no other is asked: a known cloud's own,
// where it tells the public address; all of them on a machine that may be a cloud's without saying
// so (a bare hypervisor, or no DMI to read); none on hardware of one's own. Pure.
[[nodiscard]] std::vector<const CloudMarks*> worth_asking(const HostMarks& marks,
                                                          const CloudPolicy* known);

struct MetadataAnswer {
    const CloudMarks* cloud = nullptr;  // nullptr: none answered as its own
    std::string public_address;         // "": it does not tell
};

// Asks them side by side; the first in the list that answers wins. 1.4 s at most: 0.4 s to see
// whether anybody is there, which ends it on most hosts, and a second for the answers.
[[nodiscard]] boost::asio::awaitable<MetadataAnswer> ask_metadata(
    boost::asio::any_io_executor executor, net::Resolver& resolver,
    std::vector<const CloudMarks*> clouds);

}  // namespace diagnose
