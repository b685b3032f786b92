#include "diagnose/host.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "diagnose/check_names.hpp"
#include "diagnose/host_catalogue.hpp"
#include "diagnose/metadata.hpp"
#include "net/address_scope.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;

std::string contents(const std::filesystem::path& path) {
    std::ifstream file{path};
    std::stringstream text;
    text << file.rdbuf();
    return std::string{base::trim(text.str())};
}

// process 1's $container, readable for its owner only.
std::string container_of_init() {
    const std::string environment = contents("/proc/1/environ");
    for (const std::string_view entry : base::split(environment, '\0')) {
        if (entry.starts_with("container=")) return std::string{entry.substr(10)};
    }
    const char* own = std::getenv("container");
    return own == nullptr ? "" : own;
}

HostMarks gather_marks() {
    HostMarks marks;
    std::error_code failure;
    for (const auto& entry : std::filesystem::directory_iterator{"/sys/class/dmi/id", failure}) {
        if (!entry.is_regular_file(failure)) continue;
        const std::string value = contents(entry.path());
        if (!value.empty()) marks.dmi[entry.path().filename()] = value;
    }
    std::vector<std::string> names{"KUBERNETES_SERVICE_HOST"};
    std::vector<std::string> files{"/.dockerenv", "/run/.containerenv"};
    for (const CloudMarks& cloud : host_catalogue().clouds) {
        names.insert(names.end(), cloud.env.begin(), cloud.env.end());
        if (!cloud.file.empty()) files.push_back(cloud.file);
    }
    for (const std::string& name : names) {
        if (const char* value = std::getenv(name.c_str())) marks.env[name] = value;
    }
    for (const std::string& file : files) {
        if (std::filesystem::exists(file, failure)) marks.files.push_back(file);
    }
    marks.kernel_cmdline = contents("/proc/cmdline");
    marks.cgroup = contents("/proc/1/cgroup");
    marks.container = container_of_init();
    return marks;
}

std::vector<std::string> interface_addresses() {
    std::vector<std::string> addresses;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return addresses;
    for (const ifaddrs* item = list; item != nullptr; item = item->ifa_next) {
        if (item->ifa_addr == nullptr) continue;
        if (item->ifa_addr->sa_family == AF_INET) {
            const auto* v4 = reinterpret_cast<const sockaddr_in*>(item->ifa_addr);
            addresses.push_back(asio::ip::address_v4{ntohl(v4->sin_addr.s_addr)}.to_string());
        } else if (item->ifa_addr->sa_family == AF_INET6) {
            const auto* v6 = reinterpret_cast<const sockaddr_in6*>(item->ifa_addr);
            asio::ip::address_v6::bytes_type bytes;
            std::memcpy(bytes.data(), &v6->sin6_addr, bytes.size());
            addresses.push_back(asio::ip::address_v6{bytes}.to_string());
        }
    }
    ::freeifaddrs(list);
    return addresses;
}

bool is_one_of(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

asio::awaitable<HostIdentity> identify_host(asio::any_io_executor executor, net::Resolver& resolver,
                                            Metadata metadata) {
    HostIdentity identity;
    const HostMarks marks = gather_marks();
    match_marks(marks, identity);
    if (metadata == Metadata::leave_alone) co_return identity;
    const std::vector<const CloudMarks*> worth = worth_asking(marks, identity.cloud);
    const MetadataAnswer answer = co_await ask_metadata(executor, resolver, worth);
    if (answer.cloud == nullptr) co_return identity;
    if (identity.cloud == nullptr) {
        identity.cloud = answer.cloud->policy;
        identity.cloud_certain = true;
        identity.cloud_how = "its metadata service answers at " + answer.cloud->metadata.url;
    }
    if (!answer.public_address.empty()) {
        identity.public_addresses.push_back(answer.public_address);
    }
    co_return identity;
}

asio::awaitable<void> identify_network(asio::any_io_executor, net::Resolver& resolver,
                                       std::vector<std::string> echoed_addresses, base::Duration,
                                       HostIdentity& identity) {
    for (const std::string& address : echoed_addresses) {
        // A server inside this network, or a box in front of one, echoes what it sees.
        if (net::scope_of(address) != net::AddressScope::global) continue;
        if (!is_one_of(identity.public_addresses, address)) {
            identity.public_addresses.push_back(address);
        }
    }
    if (identity.public_addresses.empty()) co_return;
    // Names of IPv4 addresses say more: few IPv6 addresses have one.
    std::stable_partition(identity.public_addresses.begin(), identity.public_addresses.end(),
                          [](const std::string& a) { return a.find(':') == a.npos; });
    const std::vector<std::string> own = interface_addresses();
    identity.behind_nat = !is_one_of(own, identity.public_addresses.front());
    const std::vector<std::string> addresses = identity.public_addresses;
    for (const std::string& address : addresses) {
        const auto parsed = asio::ip::make_address(address);
        const auto answer = co_await resolver.ptr(parsed);
        const bool none = answer.status == net::DnsStatus::no_such_name ||
                          answer.status == net::DnsStatus::no_data;
        if (none) identity.ptrs[address] = "";
        if (answer.status != net::DnsStatus::ok || answer.records.empty()) continue;
        identity.ptrs[address] = answer.records.front();
        match_ptr(answer.records.front(), address, identity);
    }
}

Check host_check(const HostIdentity& identity) {
    Check check = new_check(check_name::host);
    check.status = CheckStatus::ok;
    std::vector<std::string> parts;
    if (!identity.container.empty()) parts.push_back("a " + identity.container);
    if (identity.cloud != nullptr) {
        parts.push_back((identity.cloud_certain ? "" : "perhaps ") + identity.cloud->name + " (" +
                        identity.cloud_how + ")");
    }
    if (identity.isp != nullptr) {
        parts.push_back("a customer of " + identity.isp->name);
    } else if (identity.residential) {
        parts.push_back("an end user's address (" + identity.ptr + ")");
    }
    if (identity.behind_nat) parts.push_back("behind NAT");
    for (const std::string& address : identity.public_addresses) {
        Evidence row;
        row.target = "public address";
        row.address = address;
        const auto ptr = identity.ptrs.find(address);
        row.result = ptr == identity.ptrs.end() ? "PTR not known"
                     : ptr->second.empty()      ? "no PTR"
                                                : "PTR " + ptr->second;
        check.evidence.push_back(std::move(row));
    }
    check.summary = parts.empty() ? "No mark of a cloud, container or access network was found."
                                  : base::join(parts, "; ") + ".";
    // "a Docker container", "behind NAT"
    char& first = check.summary.front();
    if (first >= 'a' && first <= 'z') first = static_cast<char>(first - 'a' + 'A');
    return check;
}

}  // namespace diagnose
