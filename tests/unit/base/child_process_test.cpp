#include "base/child_process.hpp"

#include <chrono>

#include "tests/support/catch.hpp"

using base::ChildLimits;
using base::ChildResult;

TEST_CASE("a program's output and end are told", "[base]") {
    const ChildResult result = base::run_child({"/bin/echo", "a  b", "c"}, {});
    CHECK(result.succeeded());
    CHECK(result.output == "a  b c\n");
    CHECK(base::run_child({"/bin/sh", "-c", "exit 3"}, {}).how_it_ended() ==
          "ended with exit status 3");
    CHECK(base::run_child({"/bin/sh", "-c", "kill -9 $$"}, {}).how_it_ended() ==
          "was ended by signal 9");
    CHECK(base::run_child({"/nowhere/tool"}, {}).end == ChildResult::End::not_started);
}

TEST_CASE("a program that goes on and on is ended at the limit", "[base]") {
    ChildLimits limits;
    limits.time = std::chrono::milliseconds{200};
    limits.output = 1000;
    for (const char* command : {"yes", "sleep 100", "exec >&-; sleep 100"}) {
        CAPTURE(command);
        const ChildResult result = base::run_child({"/bin/sh", "-c", command}, limits);
        CHECK(result.end == ChildResult::End::timed_out);
        CHECK(result.output.size() <= limits.output);
    }
}

TEST_CASE("output beyond the limit is cut, and said to be", "[base]") {
    ChildLimits limits;
    limits.output = 10;
    const ChildResult result = base::run_child({"/bin/echo", "0123456789abc"}, limits);
    CHECK(result.succeeded());
    CHECK(result.output == "0123456789");
    CHECK(result.output_cut);
}
