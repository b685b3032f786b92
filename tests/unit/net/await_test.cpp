#include "net/await.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <stdexcept>
#include <string>
#include <thread>

#include "base/result.hpp"
#include "tests/support/catch.hpp"

namespace asio = boost::asio;
using Answer = base::Result<std::string>;  // not default constructible as an error
using Done = std::function<void(Answer)>;

namespace {

template <class Start>
asio::awaitable<void> record(Start start, std::string& seen) {
    const Answer answer = co_await net::await_callback<Answer>(start);
    seen += answer ? *answer : answer.error().message;
}

template <class Start>
std::string run(Start start) {
    asio::io_context loop;
    std::string seen;
    asio::co_spawn(loop, record(start, seen), asio::detached);
    loop.run();
    return seen;
}

}  // namespace

TEST_CASE("a callback resumes its coroutine with the value or the error", "[net]") {
    CHECK(run([](Done done) { done(std::string{"at once"}); }) == "at once");
    CHECK(run([](Done done) { done(base::error("no luck")); }) == "no luck");
}

TEST_CASE("only the first result of a callback counts", "[net]") {
    CHECK(run([](Done done) {
              done(std::string{"one"});
              done(std::string{"two"});
          }) == "one");
}

TEST_CASE("a callback may come from another thread while the loop has nothing else", "[net]") {
    std::thread worker;
    const auto start = [&worker](Done done) {
        worker = std::thread([done] { done(std::string{"from afar"}); });
    };
    CHECK(run(start) == "from afar");
    worker.join();
}

TEST_CASE("an exception of the call that starts the wait comes to its coroutine", "[net]") {
    asio::io_context loop;
    std::string seen;
    const auto start = [](Done) { throw std::runtime_error{"a bug"}; };
    asio::co_spawn(loop, record(start, seen), [&seen](const std::exception_ptr& problem) {
        CHECK_THROWS_WITH(std::rethrow_exception(problem), "a bug");
        seen = "ended";
    });
    CHECK_NOTHROW(loop.run());
    CHECK(seen == "ended");
}

TEST_CASE("a callback that is dropped ends its coroutine", "[net]") {
    CHECK(run([](Done) {}).empty());
}
