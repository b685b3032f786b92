#include "net/run_on.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <stdexcept>
#include <string>
#include <thread>

#include "base/at_end.hpp"
#include "tests/support/catch.hpp"

namespace asio = boost::asio;
using Answer = base::Result<std::string>;

namespace {

struct Seen {
    std::string answer;
    std::thread::id worked, went_on;
};

template <class Work>
asio::awaitable<void> record(asio::thread_pool& elsewhere, Work work, Seen& seen) {
    const auto noted = [&] {
        seen.worked = std::this_thread::get_id();
        return work();
    };
    const Answer answer = co_await net::run_on(elsewhere.get_executor(), noted);
    seen.went_on = std::this_thread::get_id();
    seen.answer = answer ? *answer : answer.error().message;
}

template <class Work>
Seen run(Work work) {
    asio::thread_pool elsewhere{1};
    asio::io_context loop;
    Seen seen;
    asio::co_spawn(loop, record(elsewhere, work, seen), asio::detached);
    loop.run();
    return seen;
}

}  // namespace

TEST_CASE("work is done elsewhere, and its coroutine goes on at home", "[net]") {
    const auto here = std::this_thread::get_id();
    const Seen done = run([] { return Answer{"done"}; });
    CHECK(done.answer == "done");
    CHECK(done.worked != here);
    CHECK(done.went_on == here);
    CHECK(run([]() -> Answer { return base::error("no luck"); }).answer == "no luck");
}

TEST_CASE("also when an exception ends the work", "[net]") {
    const Seen broken = run([]() -> Answer { throw std::runtime_error{"a bug"}; });
    CHECK(broken.answer == "an internal error of relay");
    CHECK(broken.worked != broken.went_on);
    CHECK(broken.went_on == std::this_thread::get_id());
    CHECK(run([]() -> Answer { throw 7; }).answer == "an internal error of relay");
}

TEST_CASE("what is for the end of a scope is done whatever ends it", "[net]") {
    int done = 0;
    const auto leave = [&done](bool broken) {
        const base::AtEnd end{[&done] { ++done; }};
        if (broken) throw std::runtime_error{"a bug"};
    };
    leave(false);
    CHECK(done == 1);
    CHECK_THROWS(leave(true));
    CHECK(done == 2);
}
