#include "relay/run_alone.hpp"

#include <stdexcept>
#include <vector>

#include "tests/support/catch.hpp"

namespace asio = boost::asio;
using Answer = base::Result<std::vector<int>>;

namespace {

enum class End { well, in_vain, broken };

asio::awaitable<Answer> task(End end) {
    if (end == End::broken) throw std::runtime_error{"a bug"};
    if (end == End::in_vain) co_return base::error("no luck");
    co_return std::vector{1, 2};
}

}  // namespace

TEST_CASE("a command gets its task's answer, and an error for an exception", "[relay]") {
    const Answer well = relay::run_alone(task(End::well));
    REQUIRE(well.has_value());
    CHECK(*well == std::vector{1, 2});
    const Answer in_vain = relay::run_alone(task(End::in_vain));
    REQUIRE(in_vain.has_error());
    CHECK(in_vain.error().message == "no luck");
    const Answer broken = relay::run_alone(task(End::broken));
    REQUIRE(broken.has_error());
    CHECK(broken.error().message == "an internal error of relay ended this");
}
