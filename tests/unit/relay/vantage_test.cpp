#include "relay/vantage.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <string>
#include <vector>

#include "diagnose/inbound/vantage_client.hpp"
#include "net/resolver.hpp"
#include "tests/support/catch.hpp"

namespace asio = boost::asio;

namespace {

constexpr const char* token = "0123456789abcdef";

// The client and the server of one vantage on one loop.
std::vector<diagnose::VantageView> ask(const std::string& client_token) {
    asio::io_context loop{1};
    relay::VantageOptions options;
    options.listen = {"127.0.0.1:0"};
    options.token = base::Secret{token};
    options.banner_timeout = std::chrono::milliseconds{100};
    auto vantage = relay::Vantage::open(loop.get_executor(), options, [](std::string_view) {});
    REQUIRE(vantage.has_value());
    (*vantage)->start();
    const auto resolver = net::make_resolver(loop.get_executor());
    diagnose::VantageAsk question;
    question.url = "http://" + (*vantage)->addresses().at(0) + "/#" + client_token;
    std::vector<diagnose::VantageView> views;
    asio::co_spawn(loop, diagnose::ask_vantage(loop.get_executor(), *resolver, question),
                   [&](const std::exception_ptr&, std::vector<diagnose::VantageView> result) {
                       views = std::move(result);
                       loop.stop();
                   });
    loop.run();
    return views;
}

}  // namespace

TEST_CASE("the client of a vantage hears what it saw, by family", "[vantage]") {
    const auto views = ask(token);
    REQUIRE(views.size() == 2);
    CHECK(views[0].family == net::Family::ipv4);
    CHECK(views[0].problem.empty());
    CHECK(views[0].address == "127.0.0.1");
    for (const std::uint16_t port : {25, 465, 587, 2525}) {
        REQUIRE(views[0].port(port) != nullptr);
        CHECK_FALSE(views[0].port(port)->result.empty());
    }
    CHECK(views[1].family == net::Family::ipv6);
    CHECK_FALSE(views[1].problem.empty());  // the vantage's URL is an IPv4 address
}

TEST_CASE("a wrong token is told as what it is, and not shown", "[vantage]") {
    const auto views = ask("a-wrong-token-here");
    REQUIRE(views.size() == 2);
    CHECK(views[0].problem.find("401") != std::string::npos);
    CHECK(views[0].problem.find("a-wrong-token") == std::string::npos);
}
