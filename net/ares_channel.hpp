#pragma once

#include <ares.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "base/result.hpp"
#include "net/resolver.hpp"

namespace net {

// One c-ares channel driven by an Asio loop: its sockets are watched, its timeouts kept. Used from
// the loop's thread only. A question under way keeps its channel alive.
class AresChannel : public std::enable_shared_from_this<AresChannel> {
 public:
    // Raw channels hand out every answer with its response code; the others go on to the next
    // server when one fails, as a lookup of addresses should.
    enum class Mode { raw, lookup };

    [[nodiscard]] static base::Result<std::shared_ptr<AresChannel>> open(
        boost::asio::any_io_executor executor, const ResolverOptions& options, Mode mode);

    explicit AresChannel(boost::asio::any_io_executor executor);
    AresChannel(const AresChannel&) = delete;
    AresChannel& operator=(const AresChannel&) = delete;
    ~AresChannel();

    // Both are called once: from c-ares's own code, perhaps before query() or addresses() returns.
    // bytes is empty unless status is ARES_SUCCESS.
    using Answered = std::function<void(int status, std::string bytes)>;
    using Found = std::function<void(int status, std::vector<boost::asio::ip::address>)>;
    void query(const std::string& name, int type, Answered answered);
    // The same, asking the server to say whether it has verified the answer (RFC 6840 section 5.7).
    void query_verified(const std::string& name, int type, Answered answered);
    void addresses(const std::string& host, int family, Found found);

    void cancel();  // ends every question with ARES_ECANCELLED

    // A server was silent when asked first, and so would be again: c-ares remembers nothing.
    [[nodiscard]] bool lost_time() const { return lost_time_; }
    // The servers it asks, the first one moved to the end; "" when there is no other.
    [[nodiscard]] std::string servers_rotated() const;

 private:
    struct Watched;
    template <class Done>
    struct Question;

    static void socket_changed(void* self, ares_socket_t descriptor, int readable, int writable);
    std::uint16_t fresh_id();
    static void query_done(void* question, int status, int timeouts, unsigned char* bytes,
                           int size);
    static void addresses_done(void* question, int status, int timeouts, ares_addrinfo* found);

    void watch(const std::shared_ptr<Watched>& watched, bool for_writing);
    void process(ares_socket_t readable, ares_socket_t writable);
    void arm_timer();

    boost::asio::any_io_executor executor_;
    boost::asio::steady_timer timer_;
    std::map<ares_socket_t, std::shared_ptr<Watched>> watched_;
    std::random_device random_;
    ares_channel channel_ = nullptr;
    bool lost_time_ = false;
};

}  // namespace net
