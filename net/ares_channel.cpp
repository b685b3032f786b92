#include "net/ares_channel.hpp"

#include <arpa/nameser.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/time.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <optional>
#include <vector>

#include "net/resolv_conf.hpp"

namespace net {
namespace {

namespace asio = boost::asio;
namespace ip = boost::asio::ip;
using boost::system::error_code;

// Doubled at each try: 1.5 + 3 + 6 seconds for one server, so that a slow answer still arrives and
// the caller's deadline is what ends a dead one.
constexpr int first_timeout_ms = 1500;
constexpr int tries = 3;

// Process-wide; ares_library_cleanup() would only give back memory that goes with the process.
int initialize_library() {
    static const int status = ares_library_init(ARES_LIB_INIT_ALL);
    return status;
}

std::optional<ip::address> address_of(const sockaddr* from) {
    if (from->sa_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(from);
        return ip::address_v4{ntohl(v4->sin_addr.s_addr)};
    }
    if (from->sa_family == AF_INET6) {
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(from);
        ip::address_v6::bytes_type bytes;
        std::copy_n(v6->sin6_addr.s6_addr, bytes.size(), bytes.begin());
        return ip::address_v6{bytes, v6->sin6_scope_id};
    }
    return std::nullopt;
}

// As ares_set_servers_ports_csv() reads it; "" for what it could not.
std::string server_text(const ares_addr_port_node& server) {
    const std::string port = server.udp_port > 0 ? fmt::format(":{}", server.udp_port) : "";
    if (server.family == AF_INET) {
        const ip::address_v4 address{ntohl(server.addr.addr4.s_addr)};
        return address.to_string() + port;
    }
    ip::address_v6::bytes_type bytes;
    std::copy_n(reinterpret_cast<const unsigned char*>(&server.addr.addr6), bytes.size(),
                bytes.begin());
    const ip::address_v6 address{bytes};
    return address.is_link_local() ? "" : "[" + address.to_string() + "]" + port;
}

}  // namespace

// A socket of c-ares, which opens and closes it; the descriptor here only waits.
struct AresChannel::Watched {
    Watched(const asio::any_io_executor& executor, ares_socket_t socket)
        : descriptor(executor, socket), number(socket) {}
    // Closing is c-ares's part.
    ~Watched() {
        if (descriptor.is_open()) descriptor.release();
    }
    asio::posix::stream_descriptor descriptor;
    ares_socket_t number;
    bool wants_read = false, wants_write = false;
    bool reading = false, writing = false;  // a wait is under way
    bool gone = false;
};

// What c-ares carries for us. Keeps the channel alive, and lets it go outside c-ares's code, which
// goes on using the channel after the callback.
template <class Done>
struct AresChannel::Question {
    Question(std::shared_ptr<AresChannel> owner, Done callback)
        : channel(std::move(owner)), done(std::move(callback)) {}
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;
    ~Question() {
        const asio::any_io_executor executor = channel->executor_;
        asio::post(executor, [kept = std::move(channel)] {});
    }
    std::shared_ptr<AresChannel> channel;
    Done done;
};

AresChannel::AresChannel(asio::any_io_executor executor)
    : executor_(std::move(executor)), timer_(executor_) {}

AresChannel::~AresChannel() {
    if (channel_ != nullptr) ares_destroy(channel_);
    for (const auto& [number, watched] : watched_) watched->gone = true;
}

base::Result<std::shared_ptr<AresChannel>> AresChannel::open(asio::any_io_executor executor,
                                                             const ResolverOptions& options,
                                                             Mode mode) {
    auto made = std::make_shared<AresChannel>(std::move(executor));
    int status = initialize_library();
    ares_options settings{};
    settings.flags = mode == Mode::raw ? ARES_FLAG_NOCHECKRESP : 0;
    // c-ares before 1.24 does not know this option of resolv.conf.
    if (read_resolv_conf(options.resolv_conf).use_vc) settings.flags |= ARES_FLAG_USEVC;
    settings.timeout = first_timeout_ms;
    settings.tries = tries;
    settings.sock_state_cb = socket_changed;
    settings.sock_state_cb_data = made.get();
    std::string resolv_conf = options.resolv_conf;
    settings.resolvconf_path = resolv_conf.data();
    const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
                     ARES_OPT_RESOLVCONF;
    if (status == ARES_SUCCESS) status = ares_init_options(&made->channel_, &settings, mask);
    if (status == ARES_SUCCESS && !options.servers.empty()) {
        status = ares_set_servers_ports_csv(made->channel_, options.servers.c_str());
    }
    if (status == ARES_SUCCESS) return made;
    return base::error(fmt::format("cannot set up the DNS resolver: {}", ares_strerror(status)));
}

void AresChannel::query(const std::string& name, int type, Answered answered) {
    auto question = std::make_unique<Question<Answered>>(shared_from_this(), std::move(answered));
    const auto keep_alive = shared_from_this();
    ares_query(channel_, name.c_str(), C_IN, type, query_done, question.release());
    arm_timer();
}

// RFC 5452 section 4.3: not to be guessed.
std::uint16_t AresChannel::fresh_id() { return static_cast<std::uint16_t>(random_()); }

void AresChannel::query_verified(const std::string& name, int type, Answered answered) {
    unsigned char* packet = nullptr;
    int size = 0;
    constexpr int recursion = 1, largest_udp = 1232;
    const int status = ares_create_query(name.c_str(), C_IN, type, fresh_id(), recursion, &packet,
                                         &size, largest_udp);
    if (status != ARES_SUCCESS) return answered(status, {});
    packet[3] |= 0x20U;  // AD in the header's flags
    auto question = std::make_unique<Question<Answered>>(shared_from_this(), std::move(answered));
    const auto keep_alive = shared_from_this();
    ares_send(channel_, packet, size, query_done, question.release());
    ares_free_string(packet);
    arm_timer();
}

void AresChannel::query_done(void* question, int status, int timeouts, unsigned char* bytes,
                             int size) {
    const std::unique_ptr<Question<Answered>> asked{static_cast<Question<Answered>*>(question)};
    if (timeouts > 0) asked->channel->lost_time_ = true;
    std::string answer;
    // Without a check of the response code a refusal counts as success too; with bytes it is one.
    if (bytes != nullptr && size > 0) {
        answer.assign(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
        status = ARES_SUCCESS;
    }
    asked->done(status, std::move(answer));
}

void AresChannel::addresses(const std::string& host, int family, Found found) {
    auto question = std::make_unique<Question<Found>>(shared_from_this(), std::move(found));
    const auto keep_alive = shared_from_this();
    ares_addrinfo_hints hints{};
    hints.ai_family = family;
    ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, addresses_done, question.release());
    arm_timer();
}

void AresChannel::addresses_done(void* question, int status, int timeouts, ares_addrinfo* found) {
    const std::unique_ptr<Question<Found>> asked{static_cast<Question<Found>*>(question)};
    if (timeouts > 0) asked->channel->lost_time_ = true;
    std::vector<ip::address> addresses;
    for (const ares_addrinfo_node* node = found != nullptr ? found->nodes : nullptr;
         node != nullptr; node = node->ai_next) {
        const std::optional<ip::address> address = address_of(node->ai_addr);
        const bool known =
            address && std::find(addresses.begin(), addresses.end(), *address) != addresses.end();
        if (address && !known) addresses.push_back(*address);
    }
    if (found != nullptr) ares_freeaddrinfo(found);
    asked->done(status, std::move(addresses));
}

std::string AresChannel::servers_rotated() const {
    ares_addr_port_node* list = nullptr;
    if (ares_get_servers_ports(channel_, &list) != ARES_SUCCESS) return {};
    std::vector<std::string> servers;
    for (const ares_addr_port_node* node = list; node != nullptr; node = node->next) {
        servers.push_back(server_text(*node));
    }
    ares_free_data(list);
    // A link-local address would lose its interface here.
    const bool movable = std::none_of(servers.begin(), servers.end(),
                                      [](const std::string& text) { return text.empty(); });
    if (servers.size() < 2 || !movable) return {};
    std::rotate(servers.begin(), servers.begin() + 1, servers.end());
    return fmt::format("{}", fmt::join(servers, ","));
}

void AresChannel::cancel() {
    const auto keep_alive = shared_from_this();
    ares_cancel(channel_);
    timer_.cancel();
}

void AresChannel::socket_changed(void* self, ares_socket_t number, int readable, int writable) {
    auto& channel = *static_cast<AresChannel*>(self);
    auto found = channel.watched_.find(number);
    if (readable == 0 && writable == 0) {
        if (found == channel.watched_.end()) return;
        found->second->gone = true;
        found->second->descriptor.release();
        channel.watched_.erase(found);
        return;
    }
    if (found == channel.watched_.end()) {
        auto watched = std::make_shared<Watched>(channel.executor_, number);
        found = channel.watched_.emplace(number, std::move(watched)).first;
    }
    const std::shared_ptr<Watched> watched = found->second;
    watched->wants_read = readable != 0;
    watched->wants_write = writable != 0;
    channel.watch(watched, false);
    channel.watch(watched, true);
}

// The number of a closed socket comes back at once for the next one, so waits hold the object.
void AresChannel::watch(const std::shared_ptr<Watched>& watched, bool for_writing) {
    const bool wanted = for_writing ? watched->wants_write : watched->wants_read;
    bool& waiting = for_writing ? watched->writing : watched->reading;
    if (!wanted || waiting || watched->gone) return;
    waiting = true;
    using Descriptor = asio::posix::descriptor_base;
    watched->descriptor.async_wait(
        for_writing ? Descriptor::wait_write : Descriptor::wait_read,
        [weak = weak_from_this(), watched, for_writing](error_code failed) {
            (for_writing ? watched->writing : watched->reading) = false;
            const std::shared_ptr<AresChannel> self = weak.lock();
            if (!self || failed || watched->gone) return;
            if (for_writing) {
                self->process(ARES_SOCKET_BAD, watched->number);
            } else {
                self->process(watched->number, ARES_SOCKET_BAD);
            }
            self->watch(watched, for_writing);
        });
}

void AresChannel::process(ares_socket_t readable, ares_socket_t writable) {
    ares_process_fd(channel_, readable, writable);
    arm_timer();
}

void AresChannel::arm_timer() {
    timeval room{};
    const timeval* next = ares_timeout(channel_, nullptr, &room);
    if (next == nullptr) {
        timer_.cancel();
        return;
    }
    // Rounded up: a timer that fires just too early would spin.
    const std::chrono::milliseconds wait{next->tv_sec * 1000 + next->tv_usec / 1000 + 1};
    timer_.expires_after(wait);
    timer_.async_wait([weak = weak_from_this()](error_code cancelled) {
        const std::shared_ptr<AresChannel> self = weak.lock();
        if (self && !cancelled) self->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    });
}

}  // namespace net
