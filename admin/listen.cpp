#include "admin/listen.hpp"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/socket_base.hpp>
#include <cerrno>

#include "admin/access.hpp"
#include "base/text.hpp"

namespace admin {

namespace asio = boost::asio;
using asio::ip::tcp;
using local = asio::local::stream_protocol;

namespace {

base::Error cannot_listen(const std::string& where, const boost::system::error_code& error) {
    std::string message = "cannot listen on " + where + ": " + base::errno_text(error.value());
    if (error == asio::error::address_in_use) {
        message += "; another program uses it, choose another address in admin.listen";
    } else if (error == asio::error::access_denied) {
        message += "; ports below 1024 need privileges: choose a port such as 8025 in admin.listen";
    } else if (error.value() == EADDRNOTAVAIL) {
        message += "; this host has no such address: choose another one in admin.listen";
    }
    return base::error(std::move(message));
}

base::Result<tcp::endpoint> resolve_listen(const std::string& text, bool token_set) {
    const auto parts = parse_host_port(text, 0);
    const auto malformed = [&] {
        return base::error("admin.listen: \"" + base::printable(text, 128) +
                           "\" is not an address and a port such as 127.0.0.1:8025 or [::1]:8025");
    };
    if (!parts || text.ends_with(']') || text.find(':') == std::string::npos) return malformed();
    boost::system::error_code error;
    const bool localhost = base::equals_ignoring_case(parts->host, "localhost");
    const auto address =
        asio::ip::make_address(localhost ? std::string("127.0.0.1") : parts->host, error);
    if (error) return malformed();
    if (!address.is_loopback() && !token_set) {
        return base::error("admin.listen: " + text +
                           " can be reached from other hosts: set admin.token or "
                           "admin.token_file, or listen on 127.0.0.1");
    }
    return tcp::endpoint{address, parts->port};
}

bool answers(asio::any_io_executor executor, const std::string& path) {
    local::socket socket{executor};
    boost::system::error_code error;
    socket.connect(local::endpoint{path}, error);
    // A full backlog or a missing permission still means that somebody is there.
    return error != asio::error::connection_refused && error.value() != ENOENT;
}

// Makes room for the socket's file.
base::Result<void> clear_path(asio::any_io_executor executor, const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) {
        if (errno == ENOENT) return {};
        return base::error("cannot look at " + path + ": " + base::errno_text(errno));
    }
    if (!S_ISSOCK(status.st_mode)) {
        return base::error(path + " is in the way: it is not a socket; remove it");
    }
    if (answers(std::move(executor), path)) {
        return base::error("another relay answers on " + path +
                           ": stop it first, or give this one its own spool.directory");
    }
    if (::unlink(path.c_str()) != 0) {
        return base::error("cannot remove the stale socket " + path + ": " +
                           base::errno_text(errno));
    }
    return {};
}

}  // namespace

base::Result<tcp::acceptor> listen_tcp(asio::any_io_executor executor, const std::string& address,
                                       bool token_set) {
    const auto endpoint = resolve_listen(address, token_set);
    if (!endpoint) return endpoint.error();
    tcp::acceptor acceptor{executor};
    boost::system::error_code error;
    acceptor.open(endpoint->protocol(), error);
    if (error) return cannot_listen(address, error);
    acceptor.set_option(asio::socket_base::reuse_address(true), error);
    // So that [::]:8025 and 0.0.0.0:8025 can both be listed.
    if (endpoint->address().is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
    acceptor.bind(*endpoint, error);
    if (error) return cannot_listen(address, error);
    acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) return cannot_listen(address, error);
    return acceptor;
}

base::Result<local::acceptor> listen_unix(asio::any_io_executor executor, const std::string& path) {
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
        return base::error(path + " is too long for a socket's name (" +
                           std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
                           " bytes at most): set a shorter spool.directory");
    }
    if (const auto clear = clear_path(executor, path); !clear) return clear.error();
    local::acceptor acceptor{executor};
    boost::system::error_code error;
    acceptor.open(local{}, error);
    if (error) return cannot_listen(path, error);
    // Linux gives the file the mode of the unbound socket: there is no moment at which others
    // could connect, and no process-wide umask to change.
    if (::fchmod(acceptor.native_handle(), 0600) != 0) {
        return base::error("cannot restrict " + path + ": " + base::errno_text(errno));
    }
    acceptor.bind(local::endpoint{path}, error);
    if (error) return cannot_listen(path, error);
    acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) return cannot_listen(path, error);
    return acceptor;
}

}  // namespace admin
