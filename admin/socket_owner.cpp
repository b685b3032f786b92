#include "admin/socket_owner.hpp"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace admin {
namespace {

using boost::asio::ip::address;

struct Request {
    nlmsghdr header{};
    inet_diag_req_v2 what{};
};

struct Answer {
    nlmsghdr header{};
    union {
        inet_diag_msg found;
        nlmsgerr refused;
    } body{};
};

class NetlinkSocket {
 public:
    NetlinkSocket()
        : number_(
              ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG)) {}
    ~NetlinkSocket() {
        if (number_ >= 0) ::close(number_);
    }
    NetlinkSocket(const NetlinkSocket&) = delete;
    NetlinkSocket& operator=(const NetlinkSocket&) = delete;

    // The kernel answers within the call that asks.
    [[nodiscard]] bool ask(const Request& request, Answer& answer) const {
        if (number_ < 0 || ::send(number_, &request, sizeof request, 0) < 0) return false;
        // Attributes behind it are cut off.
        const ssize_t count = ::recv(number_, &answer, sizeof answer, 0);
        return count >= static_cast<ssize_t>(sizeof answer.header + sizeof answer.body.refused);
    }

 private:
    int number_;
};

template <class Words>
void write_address(const address& from, Words& to) {
    if (from.is_v4()) {
        const auto bytes = from.to_v4().to_bytes();
        std::memcpy(&to, bytes.data(), bytes.size());
    } else {
        const auto bytes = from.to_v6().to_bytes();
        std::memcpy(&to, bytes.data(), bytes.size());
    }
}

Request request_for(const PeerEnds& ends) {
    Request request;
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST;
    request.what.sdiag_family = ends.own.address().is_v4() ? AF_INET : AF_INET6;
    request.what.sdiag_protocol = IPPROTO_TCP;
    request.what.idiag_states = ~std::uint32_t{0};
    inet_diag_sockid& id = request.what.id;
    id.idiag_sport = htons(ends.own.port());
    id.idiag_dport = htons(ends.other.port());
    write_address(ends.own.address(), id.idiag_src);
    write_address(ends.other.address(), id.idiag_dst);
    id.idiag_cookie[0] = id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    return request;
}

// As in the kernel's tables: what nobody holds is told as root's, and has no inode.
bool is_held(const inet_diag_msg& found) {
    const auto state = found.idiag_state;
    return state != TCP_SYN_SENT && state != TCP_SYN_RECV && state != TCP_TIME_WAIT &&
           found.idiag_inode != 0;
}

}  // namespace

std::optional<SocketOwner> socket_owner(const PeerEnds& ends) {
    // "No such entry" is the answer for a socket that is gone, and that of a kernel that has no
    // answers: which of them, an earlier answer tells.
    static std::atomic<bool> answers = false;
    Answer answer;
    if (!NetlinkSocket{}.ask(request_for(ends), answer)) return std::nullopt;
    if (answer.header.nlmsg_type == NLMSG_ERROR) {
        const bool none = answer.body.refused.error == -ENOENT && answers;
        return none ? std::optional<SocketOwner>{SocketOwner{}} : std::nullopt;
    }
    if (answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;
    answers = true;
    const inet_diag_msg& found = answer.body.found;
    return SocketOwner{is_held(found) ? std::optional<uid_t>{found.idiag_uid} : std::nullopt};
}

}  // namespace admin
