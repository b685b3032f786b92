#include "net/handover.hpp"

#include <sys/resource.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

std::unique_ptr<net::Handover> open(asio::io_context& loop) {
    auto opened = net::Handover::open(loop);
    REQUIRE(opened.has_value());
    return std::move(*opened);
}

template <class Done>
void run_until(asio::io_context& loop, Done done) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!done() && std::chrono::steady_clock::now() < end) {
        loop.restart();
        loop.run_one_for(10ms);
    }
    REQUIRE(done());
}

}  // namespace

TEST_CASE("work of another thread runs on the loop, in its order", "[net]") {
    asio::io_context loop{1};
    const auto handover = open(loop);
    constexpr int most = 20000;
    std::vector<int> seen;
    bool elsewhere = false;
    const auto here = std::this_thread::get_id();
    std::jthread other{[&] {
        for (int i = 0; i < most; ++i) {
            handover->post([&, i] {
                seen.push_back(i);
                elsewhere = elsewhere || std::this_thread::get_id() != here;
            });
        }
    }};
    run_until(loop, [&] { return seen.size() == most; });
    CHECK_FALSE(elsewhere);
    for (int i = 0; i < most; ++i) REQUIRE(seen[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a loop that sleeps is woken for each work", "[net]") {
    asio::io_context loop{1};
    const auto handover = open(loop);
    std::atomic<int> answered = 0;
    std::jthread other{[&] {
        for (int i = 0; i < 200; ++i) {
            handover->post([&] { ++answered; });
            // The next is handed over only when this one is done, so that the loop sleeps between.
            const auto end = std::chrono::steady_clock::now() + 20s;
            while (answered <= i && std::chrono::steady_clock::now() < end) {
                std::this_thread::yield();
            }
        }
    }};
    run_until(loop, [&] { return answered == 200; });
}

TEST_CASE("work handed over on the loop's own thread runs later", "[net]") {
    asio::io_context loop{1};
    const auto handover = open(loop);
    std::vector<int> order;
    asio::post(loop, [&] {
        handover->post([&] { order.push_back(2); });
        order.push_back(1);
    });
    run_until(loop, [&] { return order.size() == 2; });
    CHECK(order == std::vector{1, 2});
}

TEST_CASE("work that throws ends the turn, not the handing over", "[net]") {
    asio::io_context loop{1};
    const auto handover = open(loop);
    bool ran = false;
    std::jthread{[&] { handover->post([] { throw std::runtime_error{"a bug"}; }); }}.join();
    CHECK_THROWS_AS(run_until(loop, [&] { return ran; }), std::runtime_error);
    std::jthread{[&] { handover->post([&] { ran = true; }); }}.join();
    run_until(loop, [&] { return ran; });
}

TEST_CASE("what waits when it ends is dropped, also by a loop that goes on", "[net]") {
    asio::io_context loop{1};
    bool ran = false;
    auto handover = open(loop);
    std::jthread{[&] { handover->post([&] { ran = true; }); }}.join();
    SECTION("before the loop has heard of it") { handover.reset(); }
    SECTION("in the same turn") {
        asio::post(loop, [&] { handover.reset(); });
    }
    loop.run_for(50ms);
    CHECK_FALSE(ran);
}

TEST_CASE("a process that may open no more files is told so", "[net]") {
    asio::io_context loop{1};
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit none = before;
    none.rlim_cur = 0;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto opened = net::Handover::open(loop);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().message ==
          "cannot open what wakes the network's thread: too many open files");
}
