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
#include "diagnose/connect.hpp"
#include "diagnose/host_catalogue.hpp"
#include "net/http_client.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;

constexpr base::Duration metadata_time{1000};
constexpr const char* metadata_address = "169.254.169.254";

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

// "Name: value", or a name alone whose value is the token.
void add_header(net::HttpRequest& request, const std::string& header, const std::string& token) {
    if (header.empty()) return;
    const std::size_t colon = header.find(':');
    if (colon == header.npos) {
        request.headers.emplace_back(header, token);
        return;
    }
    std::string value{base::trim(std::string_view{header}.substr(colon + 1))};
    if (value == "Bearer" && !token.empty()) value += " " + token;
    request.headers.emplace_back(header.substr(0, colon), std::move(value));
}

asio::awaitable<std::string> ask_metadata(asio::any_io_executor executor, net::Resolver& resolver,
                                          std::string url, MetadataService service,
                                          std::string token) {
    net::HttpRequest request{"GET", std::move(url)};
    request.timeout = metadata_time;
    add_header(request, service.header, token);
    const base::Result<net::HttpResponse> answer =
        co_await net::http_request(executor, resolver, request);
    if (!answer.has_value() || answer->status != 200 || answer->body.empty())
        co_return std::string{};
    const std::size_t colon = service.answer_header.find(':');
    const std::string name = service.answer_header.substr(0, colon);
    if (!name.empty() && answer->header(name).empty()) co_return std::string{};
    if (!answer->body.starts_with(service.answer_prefix)) co_return std::string{};
    co_return std::string{base::trim(answer->body)};
}

asio::awaitable<std::string> fetch_token(asio::any_io_executor executor, net::Resolver& resolver,
                                         MetadataService service) {
    if (service.put_first.empty()) co_return std::string{};
    net::HttpRequest request{"PUT", service.put_first};
    request.timeout = metadata_time;
    add_header(request, service.put_header, "");
    const base::Result<net::HttpResponse> answer =
        co_await net::http_request(executor, resolver, request);
    if (!answer.has_value() || answer->status != 200) co_return std::string{};
    co_return std::string{base::trim(answer->body)};
}

// True when the service is this cloud's; the public address is noted when it tells one.
asio::awaitable<bool> try_service(asio::any_io_executor executor, net::Resolver& resolver,
                                  const CloudMarks* cloud, HostIdentity* identity) {
    const MetadataService& service = cloud->metadata;
    const std::string token = co_await fetch_token(executor, resolver, service);
    if (!service.put_first.empty() && token.empty()) co_return false;
    const std::string answer =
        co_await ask_metadata(executor, resolver, service.url, service, token);
    if (answer.empty()) co_return false;
    if (identity->cloud == nullptr) {
        identity->cloud = cloud->policy;
        identity->cloud_certain = true;
        identity->cloud_how = "its metadata service answers at " + service.url;
    }
    if (service.public_ip.empty()) co_return true;
    MetadataService plain = service;
    plain.answer_prefix.clear();
    const std::string address =
        co_await ask_metadata(executor, resolver, service.public_ip, plain, token);
    boost::system::error_code failure;
    const auto parsed = asio::ip::make_address(address, failure);
    if (!failure) identity->public_addresses.push_back(parsed.to_string());
    co_return true;
}

asio::awaitable<bool> link_local_answers(asio::any_io_executor executor) {
    const auto address = asio::ip::make_address(metadata_address);
    const ConnectAsk ask{address, 80, base::Duration{400}};
    const ConnectOutcome outcome = co_await connect_once(executor, ask);
    co_return outcome.result == ConnectResult::open;
}

bool worth_asking(const CloudMarks& cloud, const HostIdentity& identity, bool link_local) {
    if (cloud.metadata.url.empty()) return false;
    if (identity.cloud != nullptr) {
        return cloud.policy == identity.cloud && !cloud.metadata.public_ip.empty();
    }
    // Several clouds call the link-local service by a name of their own.
    return link_local;
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

asio::awaitable<HostIdentity> identify_host(asio::any_io_executor executor,
                                            net::Resolver& resolver) {
    HostIdentity identity;
    match_marks(gather_marks(), identity);
    const bool link_local = co_await link_local_answers(executor);
    for (const CloudMarks& cloud : host_catalogue().clouds) {
        if (!worth_asking(cloud, identity, link_local)) continue;
        const bool found = co_await try_service(executor, resolver, &cloud, &identity);
        if (found) break;
    }
    co_return identity;
}

asio::awaitable<void> identify_network(asio::any_io_executor, net::Resolver& resolver,
                                       std::vector<std::string> echoed_addresses, base::Duration,
                                       HostIdentity& identity) {
    for (const std::string& address : echoed_addresses) {
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
        if (answer.status != net::DnsStatus::ok || answer.records.empty()) continue;
        match_ptr(answer.records.front(), address, identity);
    }
}

Check host_check(const HostIdentity& identity) {
    Check check;
    check.id = "host";
    check.title = "Where this host stands";
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
        row.result = identity.ptr.empty() ? "no PTR" : "PTR " + identity.ptr;
        check.evidence.push_back(std::move(row));
    }
    check.summary = parts.empty() ? "No mark of a cloud, container or access network was found."
                                  : base::join(parts, "; ") + ".";
    return check;
}

}  // namespace diagnose
