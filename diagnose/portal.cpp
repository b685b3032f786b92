#include "diagnose/portal.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "diagnose/probe_targets.hpp"
#include "net/http_client.hpp"

namespace diagnose {
namespace {

using PlainControl = TargetCatalogue::PlainControl;

std::string strange_answer(const PlainControl& expected, const net::HttpResponse& response) {
    const bool same = response.status == expected.status &&
                      response.body.starts_with(expected.body) &&
                      (!expected.body.empty() || response.body.empty());
    if (same) return {};
    const std::string location = response.header("Location");
    if (!location.empty()) {
        return fmt::format("{} leads to {}", expected.url, base::printable(location, 120));
    }
    return fmt::format("{} answers with status {} and another page", expected.url, response.status);
}

}  // namespace

boost::asio::awaitable<std::string> find_portal(boost::asio::any_io_executor executor,
                                                net::Resolver& resolver) {
    for (const PlainControl& control : built_in_targets().plain_controls) {
        net::HttpRequest request{"GET", control.url};
        request.timeout = std::chrono::seconds{3};
        const base::Result<net::HttpResponse> response =
            co_await net::http_request(executor, resolver, request);
        // The first that answers decides; one that does not may be down.
        if (response.has_value()) co_return strange_answer(control, *response);
    }
    co_return std::string{};
}

}  // namespace diagnose
