#include "relay/client_share.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

namespace relay {
namespace ip = boost::asio::ip;

std::string share_of(const std::string& client) {
    boost::system::error_code no_address;
    const ip::address address = ip::make_address(client, no_address);
    if (no_address || !address.is_v6()) return client;
    const ip::address_v6 v6 = address.to_v6();
    if (v6.is_loopback()) return client;
    // A dual-stack listener sees IPv4 clients so.
    if (v6.is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, v6).to_string();
    ip::address_v6::bytes_type bytes = v6.to_bytes();
    std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
    return ip::address_v6{bytes, v6.scope_id()}.to_string() + "/64";
}

}  // namespace relay
