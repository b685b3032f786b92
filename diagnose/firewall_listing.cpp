#include "diagnose/firewall_listing.hpp"

#include <fmt/format.h>
#include <linux/capability.h>
#include <unistd.h>

#include <boost/asio/thread_pool.hpp>
#include <fstream>
#include <optional>
#include <sstream>

#include "base/child_process.hpp"
#include "net/run_on.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;

// Not by PATH: a service's is often without /usr/sbin, and root's should not decide what runs.
std::string find_tool(const std::string& name) {
    for (const char* folder : {"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/", "/usr/local/sbin/"}) {
        if (::access((folder + name).c_str(), X_OK) == 0) return folder + name;
    }
    return {};
}

bool may_list_rules() {
    std::ifstream status{"/proc/self/status"};
    for (std::string line; std::getline(status, line);) {
        if (!line.starts_with("CapEff:")) continue;
        const std::uint64_t capabilities = std::stoull(line.substr(7), nullptr, 16);
        return (capabilities >> CAP_NET_ADMIN & 1) != 0;
    }
    return false;
}

class Lister {
 public:
    // The output of a tool, "" with a note of why when there is none.
    std::string run(const std::string& tool, std::vector<std::string> arguments) {
        const std::string path = find_tool(tool);
        if (path.empty()) return {};
        found_ = true;
        arguments.insert(arguments.begin(), path);
        const base::ChildLimits limits{.time = std::chrono::milliseconds{3000},
                                       .output = std::size_t{32} * 1024 * 1024};
        base::ChildResult child = base::run_child(arguments, limits);
        if (child.succeeded() && !child.output_cut) return std::move(child.output);
        if (child.output_cut) {
            problem_ = fmt::format("{} lists more than {} MiB", tool, limits.output >> 20);
        } else if (child.end == base::ChildResult::End::exited) {
            problem_ = fmt::format("{} {}", tool, child.how_it_ended());
        } else {
            problem_ = tool + " did not answer";
        }
        return {};
    }
    [[nodiscard]] bool found() const { return found_; }
    [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
    bool found_ = false;
    std::string problem_;
};

void take_rules(const FirewallListing& listing, FirewallReading& reading) {
    base::Result<FirewallRules> rules = parse_firewall(listing);
    if (!rules.has_value()) {
        reading.why_not = rules.error().message;
        return;
    }
    reading.rules = std::move(*rules);
    reading.readable = true;
    if (!listing.nft_json.empty()) reading.tools = "nftables";
    if (!listing.iptables_save.empty() || !listing.ip6tables_save.empty()) {
        reading.tools += reading.tools.empty() ? "iptables" : ", iptables";
    }
}

// The fields of a route's line; default routes go through an interface that is up.
std::string interface_of_route(const std::string& line, net::Family family) {
    std::istringstream words{line};
    std::vector<std::string> fields;
    for (std::string word; words >> word;) fields.push_back(word);
    if (family == net::Family::ipv6) {
        const bool whole = fields.size() == 10 && fields[0] == std::string(32, '0') &&
                           fields[1] == "00" && fields[9] != "lo";
        return whole ? fields[9] : std::string{};
    }
    const bool whole = fields.size() > 7 && fields[1] == "00000000" && fields[7] == "00000000";
    return whole ? fields[0] : std::string{};
}

}  // namespace

FirewallReading read_firewall_now() {
    FirewallReading reading;
    if (!may_list_rules()) {
        reading.why_not =
            "The rules of this host's firewall can be read by root only; run this again with sudo "
            "to have the matching rule quoted.";
        return reading;
    }
    Lister lister;
    FirewallListing listing;
    listing.nft_json = lister.run("nft", {"-j", "list", "ruleset"});
    if (!listing.nft_json.empty()) {
        listing.nft_text = lister.run("nft", {"-a", "list", "ruleset"});
    }
    listing.iptables_save = lister.run("iptables-save", {"-c"});
    listing.ip6tables_save = lister.run("ip6tables-save", {"-c"});
    const bool nothing =
        listing.nft_json.empty() && listing.iptables_save.empty() && listing.ip6tables_save.empty();
    if (nothing && !lister.found()) {
        reading.why_not =
            "Neither nft nor iptables-save is installed here, so the rules of this "
            "host's firewall could not be listed.";
    } else if (nothing && !lister.problem().empty()) {
        reading.why_not = fmt::format("The rules of this host's firewall could not be listed: {}",
                                      lister.problem());
    } else {
        reading.why_not = lister.problem();
        take_rules(listing, reading);
    }
    return reading;
}

asio::awaitable<FirewallReading> read_firewall() {
    asio::thread_pool worker{1};
    const auto read = []() -> base::Result<FirewallReading> { return read_firewall_now(); };
    base::Result<FirewallReading> reading = co_await net::run_on(worker.get_executor(), read);
    if (reading) co_return *std::move(reading);
    FirewallReading none;
    none.why_not =
        "The rules of this host's firewall could not be listed: " + reading.error().message;
    co_return none;
}

std::string default_interface(net::Family family) {
    std::ifstream routes{family == net::Family::ipv6 ? "/proc/self/net/ipv6_route"
                                                     : "/proc/self/net/route"};
    for (std::string line; std::getline(routes, line);) {
        std::string name = interface_of_route(line, family);
        if (!name.empty()) return name;
    }
    return {};
}

}  // namespace diagnose
