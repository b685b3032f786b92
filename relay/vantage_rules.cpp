#include "relay/vantage_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <iterator>
#include <optional>

#include "base/text.hpp"
#include "relay/client_share.hpp"

namespace relay {
namespace {

namespace ip = boost::asio::ip;

std::optional<ip::address> parse_address(std::string_view text) {
    boost::system::error_code failure;
    const ip::address address = ip::make_address(std::string{base::trim(text)}, failure);
    if (failure) return std::nullopt;
    // A dual-stack listener sees IPv4 clients as ::ffff:a.b.c.d.
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
        return ip::make_address_v4(ip::v4_mapped, address.to_v6());
    }
    return address;
}

unsigned seconds_left(const std::deque<VantageLimits::Time>& window, const base::Rate& rate,
                      VantageLimits::Time now) {
    if (window.size() < rate.count) return 0;
    const auto free_again = window[window.size() - rate.count] + rate.per;
    if (free_again <= now) return 0;
    const auto left = std::chrono::ceil<std::chrono::seconds>(free_again - now);
    return static_cast<unsigned>(std::max<std::int64_t>(left.count(), 1));
}

base::Result<std::vector<std::uint16_t>> parse_ports(std::string_view list) {
    std::vector<std::uint16_t> ports;
    for (const std::string_view text : base::split(list, ',')) {
        std::uint16_t port = 0;
        const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
        const bool number = failure == std::errc{} && end == text.data() + text.size();
        const auto known = std::find(std::begin(vantage_ports), std::end(vantage_ports), port);
        if (!number || known == std::end(vantage_ports)) {
            return base::error("only the ports 25, 465, 587 and 2525 are tested");
        }
        if (std::find(ports.begin(), ports.end(), port) == ports.end()) ports.push_back(port);
    }
    return ports;
}

}  // namespace

base::Result<std::string> asking_address(const std::string& peer, std::string_view forwarded_for,
                                         const std::vector<net::Cidr>& trusted) {
    std::optional<ip::address> address = parse_address(peer);
    if (!address) return base::error("the connection has no IP address");
    if (!net::any_contains(trusted, address->to_string())) return address->to_string();
    std::vector<std::string_view> entries = base::split(forwarded_for, ',');
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
        address = parse_address(*entry);
        if (!address) break;
        if (!net::any_contains(trusted, address->to_string())) return address->to_string();
    }
    return base::error("the proxy in front of this vantage names no client in X-Forwarded-For");
}

base::Result<std::vector<std::uint16_t>> requested_ports(std::string_view target) {
    const std::size_t mark = target.find('?');
    if (target.substr(0, mark) != "/probe") return base::error("there is only /probe here");
    const std::string_view query = mark == target.npos ? "" : target.substr(mark + 1);
    if (query.empty()) {
        return std::vector<std::uint16_t>{std::begin(vantage_ports), std::end(vantage_ports)};
    }
    if (!query.starts_with("ports=")) return base::error("the only parameter is ports=25,465,...");
    return parse_ports(query.substr(6));
}

void VantageLimits::forget_old(Time now) {
    const auto trim = [now](Window& window, const base::Rate& rate) {
        while (!window.empty() && window.front() + rate.per <= now) window.pop_front();
    };
    trim(all_, in_all_);
    // Bounded by the limit in all, but for windows longer than its own.
    for (auto entry = addresses_.begin(); entry != addresses_.end();) {
        trim(entry->second, per_address_);
        entry = entry->second.empty() ? addresses_.erase(entry) : std::next(entry);
    }
}

unsigned VantageLimits::admit(const std::string& address, Time now) {
    constexpr std::size_t most_addresses = 10'000;
    forget_old(now);
    const std::string key = share_of(address);
    const auto found = addresses_.find(key);
    unsigned wait = seconds_left(all_, in_all_, now);
    if (found != addresses_.end()) {
        wait = std::max(wait, seconds_left(found->second, per_address_, now));
    } else if (addresses_.size() >= most_addresses) {
        wait = std::max(wait, 60u);
    }
    if (wait > 0) return wait;
    addresses_[key].push_back(now);
    all_.push_back(now);
    return 0;
}

}  // namespace relay
