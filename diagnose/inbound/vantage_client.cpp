#include "diagnose/inbound/vantage_client.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <memory>

#include "base/errno_name.hpp"
#include "base/text.hpp"
#include "net/http_client.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

std::string text_of(const json::object& object, std::string_view key, std::size_t limit) {
    const json::value* value = object.if_contains(key);
    if (value == nullptr || !value->is_string()) return {};
    return base::printable(std::string_view{value->get_string()}, limit);
}

std::int64_t number_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

// The words that a vantage has, and no others: whoever answers at the URL may say anything.
std::string result_of(const json::object& object) {
    std::string word = text_of(object, "result", 32);
    for (const std::string_view known :
         {"open", "dropped", "rejected", "unreachable", "expired", "failed"}) {
        if (word == known) return word;
    }
    return "failed";
}

VantagePort port_of(const json::object& object) {
    VantagePort port;
    port.port = static_cast<std::uint16_t>(number_of(object, "port"));
    port.result = result_of(object);
    port.banner = text_of(object, "banner", 512);
    port.error_number = base::errno_of(text_of(object, "errno", 32));
    port.took = base::Duration{number_of(object, "ms")};
    return port;
}

std::string refusal_text(const net::HttpResponse& response) {
    boost::system::error_code failure;
    const json::value body = json::parse(response.body, failure);
    std::string message;
    if (!failure && body.is_object()) {
        const json::value* error = body.get_object().if_contains("error");
        if (error && error->is_object()) message = text_of(error->get_object(), "message", 200);
    }
    return fmt::format("the vantage answers {}{}{}", response.status, message.empty() ? "" : ": ",
                       message);
}

asio::awaitable<VantageView> ask_one(asio::any_io_executor executor, net::Resolver& resolver,
                                     VantageAsk ask, net::Family family) {
    VantageView view;
    net::HttpRequest request{"GET", ask.url + "/probe"};
    request.headers.emplace_back("Authorization", "Bearer " + ask.token.reveal());
    request.timeout = ask.timeout;
    request.family = family;
    request.trust = ask.trust;
    const base::Result<net::HttpResponse> response =
        co_await net::http_request(executor, resolver, std::move(request));
    if (!response.has_value()) {
        view.problem = response.error().message;
    } else if (response->status != 200) {
        view.problem = refusal_text(*response);
    } else {
        base::Result<VantageView> parsed = parse_vantage_answer(response->body);
        if (parsed.has_value()) view = std::move(*parsed);
        if (!parsed.has_value()) view.problem = parsed.error().message;
    }
    view.family = family;
    co_return view;
}

constexpr std::array<net::Family, 2> families{net::Family::ipv4, net::Family::ipv6};

struct Gathered {
    explicit Gathered(asio::any_io_executor executor)
        : all_done(executor, asio::steady_timer::time_point::max()) {}
    std::vector<VantageView> views = std::vector<VantageView>(families.size());
    std::size_t left = families.size();
    asio::steady_timer all_done;
};

}  // namespace

const VantagePort* VantageView::port(std::uint16_t number) const {
    for (const VantagePort& item : ports) {
        if (item.port == number) return &item;
    }
    return nullptr;
}

base::Result<VantageView> parse_vantage_answer(std::string_view body) {
    boost::system::error_code failure;
    const json::value value = json::parse(json::string_view{body.data(), body.size()}, failure);
    const json::object* root = value.if_object();
    const json::value* ports = root ? root->if_contains("ports") : nullptr;
    if (failure || !ports || !ports->is_array()) {
        return base::error("what answers at the vantage's URL is no relay vantage");
    }
    VantageView view;
    view.address = text_of(*root, "address", 64);
    for (const json::value& item : ports->get_array()) {
        if (item.is_object()) view.ports.push_back(port_of(item.get_object()));
    }
    return view;
}

base::Result<VantageAsk> split_vantage_url(VantageAsk ask) {
    const std::size_t mark = ask.url.find('#');
    if (mark != ask.url.npos) {
        ask.token = base::Secret{ask.url.substr(mark + 1)};
        ask.url.erase(mark);
    }
    while (ask.url.ends_with('/')) ask.url.pop_back();
    const bool secure = base::starts_with_ignoring_case(ask.url, "https://");
    if (!secure && !base::starts_with_ignoring_case(ask.url, "http://")) {
        return base::error(
            "the vantage's URL must begin with http:// or https://, as relay vantage prints it");
    }
    if (ask.token.empty() || ask.token.reveal().find_first_of("\r\n \t") != std::string::npos) {
        return base::error(
            "the vantage's URL must end with '#' and the token that relay vantage printed");
    }
    return ask;
}

asio::awaitable<std::vector<VantageView>> ask_vantage(asio::any_io_executor executor,
                                                      net::Resolver& resolver, VantageAsk ask) {
    std::vector<VantageView> views(families.size());
    base::Result<VantageAsk> split = split_vantage_url(std::move(ask));
    for (std::size_t i = 0; i < families.size(); ++i) {
        views[i].family = families[i];
        if (!split.has_value()) views[i].problem = split.error().message;
    }
    if (!split.has_value()) co_return views;
    // Shared, so that an answer after the end of this call finds its place.
    const auto gathered = std::make_shared<Gathered>(executor);
    for (std::size_t i = 0; i < families.size(); ++i) {
        asio::co_spawn(executor, ask_one(executor, resolver, *split, families[i]),
                       [gathered, i](std::exception_ptr broken, VantageView view) {
                           view.family = families[i];
                           if (broken) view.problem = "the question ended by a fault of ours";
                           gathered->views[i] = std::move(view);
                           if (--gathered->left == 0) gathered->all_done.cancel();
                       });
    }
    while (gathered->left > 0) {
        co_await gathered->all_done.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return gathered->views;
}

}  // namespace diagnose
