#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/cidr.hpp"
#include "net/limited_log.hpp"
#include "relay/client_connection.hpp"
#include "relay/listen_socket.hpp"
#include "relay/options.hpp"
#include "relay/proxied.hpp"

namespace relay {

// Takes connections on all the configured addresses and keeps their limits. One thread.
class Listener {
 public:
    Listener(boost::asio::any_io_executor executor, ListenerOptions options,
             std::shared_ptr<const ConnectionServices> services, ListenerCounters& counters);

    // Binds every address; an address that this host does not have is skipped with a warning as
    // long as another one of its list is left. The error names the address and what stands in the
    // way.
    [[nodiscard]] base::Result<> start();
    // New settings for new connections. Addresses stay as they are bound.
    void reload(ListenerOptions options, std::shared_ptr<const ConnectionServices> services);
    // Whether max_connections was lowered to what the limit of open files allows, for the log.
    void set_short_of_files(bool is_short) { short_of_files_ = is_short; }
    // Takes no more connections and lets transactions end for at most grace.
    [[nodiscard]] boost::asio::awaitable<void> stop(base::Duration grace);
    void hurry() { all_ended_.cancel(); }  // no more grace for stop()
    [[nodiscard]] const std::vector<std::string>& addresses() const { return addresses_; }
    // Those of them that speak TLS from the first byte.
    [[nodiscard]] const std::vector<std::string>& tls_addresses() const { return tls_addresses_; }

 private:
    struct Refusal {
        smtp::Reply reply;
        std::string_view reason;  // for the log: names the setting
    };
    using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

    [[nodiscard]] base::Result<> open_all(const std::vector<std::string>& addresses,
                                          bool implicit_tls);
    [[nodiscard]] base::Result<> open(const std::string& address, bool implicit_tls,
                                      bool has_others);
    boost::asio::awaitable<void> accept_loop(std::shared_ptr<Acceptor> acceptor, bool implicit_tls);
    void take(tls::Socket socket, bool implicit_tls);
    boost::asio::awaitable<void> introduce(std::shared_ptr<Introduction> introduction);
    void admit(tls::Stream stream, Caller caller, bool implicit_tls);
    void refuse(tls::Stream stream, const std::string& client, const Refusal& refusal);
    boost::asio::awaitable<void> serve(std::shared_ptr<ClientConnection> connection);
    [[nodiscard]] bool is_proxy(const std::string& peer) const;
    [[nodiscard]] Caller caller_named_by(const smtp::ProxyHeader& header, std::string peer) const;
    [[nodiscard]] bool full() const;
    [[nodiscard]] const Refusal& too_many() const;
    [[nodiscard]] const Refusal* refusal_for(const Caller& caller);
    void notice_gateway(const std::string& client);
    void ended(const std::shared_ptr<ClientConnection>& connection);

    boost::asio::any_io_executor executor_;
    ListenerOptions options_;
    std::vector<net::Cidr> allowed_, proxies_;
    std::shared_ptr<const ConnectionServices> services_;
    ListenerCounters& counters_;
    net::LimitedLog refusals_;  // by their reasons
    std::vector<std::shared_ptr<Acceptor>> acceptors_;
    std::vector<std::string> addresses_, tls_addresses_;
    std::vector<std::string> unix_paths_;
    std::set<std::shared_ptr<ClientConnection>> connections_;
    std::set<std::shared_ptr<Introduction>> introductions_;
    std::map<std::string, std::uint32_t> per_client_;  // by share_of()
    boost::asio::steady_timer all_ended_;
    bool gateway_noticed_ = false;
    bool both_from_systemd_ = false;  // its sockets' names tell plain from TLS
    bool short_of_files_ = false;
    bool stopping_ = false;
};

}  // namespace relay
