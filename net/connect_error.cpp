#include "net/connect_error.hpp"

#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/ip/address.hpp>
#include <cstring>

namespace net {
namespace {

namespace ip = boost::asio::ip;

// The offender stands behind the extended error in the control message.
std::string offender_of(const sock_extended_err* error) {
    const sockaddr* from = SO_EE_OFFENDER(error);
    if (from->sa_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(from);
        return ip::address_v4{ntohl(v4->sin_addr.s_addr)}.to_string();
    }
    if (from->sa_family == AF_INET6) {
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(from);
        ip::address_v6::bytes_type bytes;
        std::memcpy(bytes.data(), &v6->sin6_addr, bytes.size());
        const ip::address_v6 address{bytes};
        return address.to_string();
    }
    return {};
}

}  // namespace

void keep_icmp_errors(int socket, bool v6, bool keep) {
    const int on = keep ? 1 : 0;
    if (v6) {
        ::setsockopt(socket, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
    } else {
        ::setsockopt(socket, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    }
}

std::optional<ConnectError> take_connect_error(int socket) {
    std::array<char, 512> control{}, payload{};
    iovec piece{payload.data(), payload.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(socket, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return std::nullopt;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
        const bool v4 = part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_RECVERR;
        const bool v6 = part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_RECVERR;
        if (!v4 && !v6) continue;
        const auto* error = reinterpret_cast<const sock_extended_err*>(CMSG_DATA(part));
        ConnectError found;
        found.error_number = static_cast<int>(error->ee_errno);
        const bool icmp6 = error->ee_origin == SO_EE_ORIGIN_ICMP6;
        if (icmp6 || error->ee_origin == SO_EE_ORIGIN_ICMP) {
            found.icmp = IcmpError{error->ee_type, error->ee_code, offender_of(error), icmp6};
        }
        return found;
    }
    return std::nullopt;
}

// RFC 4443 section 3.1: 1 prohibited, 5 source policy, 6 reject route.
bool is_prohibition(const IcmpError& icmp) {
    if (icmp.v6) {
        return icmp.type == ICMP6_DST_UNREACH &&
               (icmp.code == ICMP6_DST_UNREACH_ADMIN || icmp.code == 5 || icmp.code == 6);
    }
    return icmp.type == ICMP_DEST_UNREACH &&
           (icmp.code == ICMP_NET_ANO || icmp.code == ICMP_HOST_ANO ||
            icmp.code == ICMP_PKT_FILTERED);
}

}  // namespace net
