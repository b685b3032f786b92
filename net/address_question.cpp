#include "net/address_question.hpp"

#include "base/text.hpp"
#include "net/await.hpp"

namespace net {
namespace {

namespace asio = boost::asio;
namespace ip = boost::asio::ip;
using Answer = Reply<Addresses>;

// So long a server may take for both families at once before each is asked for alone. Where it is
// only slow, the first question is still the one that is answered first.
constexpr base::Duration patience{500};

bool is_localhost(std::string_view host) {
    if (host.ends_with('.')) host.remove_suffix(1);
    constexpr std::string_view name = "localhost";
    if (host.size() > name.size() && host[host.size() - name.size() - 1] != '.') return false;
    return host.size() >= name.size() &&
           base::equals_ignoring_case(host.substr(host.size() - name.size()), name);
}

// Both families are asked for in one question, which c-ares holds back until both are answered.
// After a while each is asked for alone, and the first answer that settles the matter counts.
void ask_both(const std::shared_ptr<AresChannel>& channel, const asio::any_io_executor& executor,
              const std::string& host, AresChannel::Found found) {
    struct Race {
        Race(const asio::any_io_executor& on, AresChannel::Found callback)
            : timer(on), done(std::move(callback)) {}
        void end(int status, Addresses addresses) {
            if (!done) return;
            timer.cancel();
            std::exchange(done, nullptr)(status, std::move(addresses));
        }
        asio::steady_timer timer;
        AresChannel::Found done;
    };
    const auto race = std::make_shared<Race>(executor, std::move(found));
    race->timer.expires_after(patience);
    race->timer.async_wait([race, channel, host](boost::system::error_code cancelled) {
        if (cancelled || !race->done) return;
        for (const int family : {AF_INET, AF_INET6}) {
            channel->addresses(host, family, [race, family](int status, Addresses addresses) {
                // Servers that say so of AAAA where only A exists are known: RFC 4074 section 4.2.
                const bool unknown = status == ARES_ENOTFOUND && family == AF_INET;
                const bool known = status == ARES_SUCCESS && !addresses.empty();
                if (known || unknown) race->end(status, std::move(addresses));
            });
        }
    });
    channel->addresses(host, AF_UNSPEC, [race](int status, Addresses addresses) {
        race->end(status, std::move(addresses));
    });
}

}  // namespace

Addresses known_addresses(const std::string& host) {
    boost::system::error_code failed;
    const ip::address literal = ip::make_address(host, failed);
    if (!failed) return {literal};
    if (!is_localhost(host)) return {};
    return {ip::address_v6::loopback(), ip::address_v4::loopback()};
}

Addresses of_family(const Addresses& addresses, Family family) {
    Addresses chosen;
    for (const ip::address& address : addresses) {
        if (family == Family::ipv4 && !address.is_v4()) continue;
        if (family == Family::ipv6 && !address.is_v6()) continue;
        chosen.push_back(address);
    }
    return chosen;
}

std::string_view address_words(Family family) {
    if (family == Family::any) return "address";
    return family == Family::ipv4 ? "IPv4 address" : "IPv6 address";
}

asio::awaitable<Reply<Addresses>> ask_addresses(Asking asking, std::string host, Family family) {
    const auto start = [asking, host, family](std::function<void(Answer)> done) {
        if (!asking.channel) return done(Answer{ARES_ENOTINITIALIZED, {}});
        const auto found = with_deadline<Addresses>(asking.executor, asking.limit, std::move(done));
        if (family == Family::any) {
            ask_both(asking.channel, asking.executor, host, found);
        } else {
            asking.channel->addresses(host, family == Family::ipv4 ? AF_INET : AF_INET6, found);
        }
    };
    return await_callback<Answer>(start);
}

}  // namespace net
