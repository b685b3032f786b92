#include "diagnose/metadata.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <memory>

#include "base/text.hpp"
#include "diagnose/connect.hpp"
#include "diagnose/together.hpp"
#include "net/http_client.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;

constexpr base::Duration answer_time{1000};
constexpr base::Duration knock_time{400};
constexpr const char* metadata_address = "169.254.169.254";

// Shared, so that an answer that comes late is written into memory that is still there.
using SharedAnswer = std::shared_ptr<MetadataAnswer>;

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

asio::awaitable<std::string> fetch(asio::any_io_executor executor, net::Resolver& resolver,
                                   std::string url, MetadataService service, std::string token) {
    net::HttpRequest request{"GET", std::move(url)};
    request.timeout = answer_time;
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
    request.timeout = answer_time;
    add_header(request, service.put_header, "");
    const base::Result<net::HttpResponse> answer =
        co_await net::http_request(executor, resolver, request);
    if (!answer.has_value() || answer->status != 200) co_return std::string{};
    co_return std::string{base::trim(answer->body)};
}

asio::awaitable<void> try_service(asio::any_io_executor executor, net::Resolver& resolver,
                                  const CloudMarks* cloud, SharedAnswer answer) {
    const MetadataService& service = cloud->metadata;
    const std::string token = co_await fetch_token(executor, resolver, service);
    if (!service.put_first.empty() && token.empty()) co_return;
    const std::string own = co_await fetch(executor, resolver, service.url, service, token);
    if (own.empty()) co_return;
    answer->cloud = cloud;
    if (service.public_ip.empty()) co_return;
    MetadataService plain = service;
    plain.answer_prefix.clear();
    const std::string address = co_await fetch(executor, resolver, service.public_ip, plain, token);
    boost::system::error_code failure;
    const auto parsed = asio::ip::make_address(address, failure);
    if (!failure) answer->public_address = parsed.to_string();
}

asio::awaitable<bool> somebody_there(asio::any_io_executor executor) {
    const auto address = asio::ip::make_address(metadata_address);
    const ConnectAsk ask{address, 80, knock_time};
    const ConnectOutcome outcome = co_await connect_once(executor, ask);
    co_return outcome.result == ConnectResult::open;
}

// Machines that are rented out run under these; a guest of one's own does too, so that they tell
// nothing else.
bool hypervisor(const std::string& maker) {
    static constexpr std::array words{"qemu",      "kvm",       "xen",      "vmware",
                                      "microsoft", "openstack", "red hat",  "bochs",
                                      "nutanix",   "ovirt",     "kubevirt", "virtual machine"};
    const std::string lower = base::to_lower(maker);
    return std::any_of(words.begin(), words.end(),
                       [&](const char* word) { return lower.find(word) != std::string::npos; });
}

bool may_be_rented(const HostMarks& marks) {
    const auto maker = marks.dmi.find("sys_vendor");
    const auto product = marks.dmi.find("product_name");
    const bool silent = maker == marks.dmi.end() && product == marks.dmi.end();
    return silent || (maker != marks.dmi.end() && hypervisor(maker->second)) ||
           (product != marks.dmi.end() && hypervisor(product->second));
}

}  // namespace

std::vector<const CloudMarks*> worth_asking(const HostMarks& marks, const CloudPolicy* known) {
    std::vector<const CloudMarks*> clouds;
    const bool any = known == nullptr && may_be_rented(marks);
    for (const CloudMarks& cloud : host_catalogue().clouds) {
        if (cloud.metadata.url.empty()) continue;
        const bool own = cloud.policy == known && !cloud.metadata.public_ip.empty();
        if (any || own) clouds.push_back(&cloud);
    }
    return clouds;
}

asio::awaitable<MetadataAnswer> ask_metadata(asio::any_io_executor executor,
                                             net::Resolver& resolver,
                                             std::vector<const CloudMarks*> clouds) {
    MetadataAnswer none;
    if (clouds.empty()) co_return none;
    // Several clouds call the link-local service by a name of their own.
    if (clouds.size() > 1) {
        const bool there = co_await somebody_there(executor);
        if (!there) co_return none;
    }
    std::vector<SharedAnswer> answers;
    std::vector<asio::awaitable<void>> tasks;
    for (const CloudMarks* cloud : clouds) {
        answers.push_back(std::make_shared<MetadataAnswer>());
        tasks.push_back(try_service(executor, resolver, cloud, answers.back()));
    }
    co_await run_together(executor, std::move(tasks), answer_time);
    for (const SharedAnswer& answer : answers) {
        if (answer->cloud != nullptr) co_return *answer;
    }
    co_return none;
}

}  // namespace diagnose
