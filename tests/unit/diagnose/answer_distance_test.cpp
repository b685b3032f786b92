#include "diagnose/answer_distance.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/domain/fake_zone.hpp"

using namespace diagnose;
namespace asio = boost::asio;

namespace {

Answerer answerer(std::uint16_t port, ConnectResult result, int ttl) {
    Answerer made;
    made.port = port;
    made.result = result;
    made.ttl = ttl;
    return made;
}

AnswerPair pair(Answerer direct, Answerer control) {
    AnswerPair made;
    made.target = "mx.example";
    made.direct = std::move(direct);
    made.control = std::move(control);
    return made;
}

}  // namespace

TEST_CASE("any TTL is found in four rounds of three limits", "[diagnose]") {
    for (int ttl = 1; ttl <= 255; ++ttl) {
        CAPTURE(ttl);
        TtlSearch search;
        int rounds = 0;
        for (auto limits = search.next(); !limits.empty(); limits = search.next()) {
            REQUIRE(limits.size() <= 3);
            for (const int limit : limits) search.note(limit, limit <= ttl);
            REQUIRE(++rounds <= 5);
        }
        CHECK(search.ttl() == ttl);
    }
}

TEST_CASE("who is nearer is told by the distances of two answers", "[diagnose]") {
    constexpr auto open = ConnectResult::open, refused = ConnectResult::refused;
    struct Case {
        std::string_view name;
        ConnectResult result;
        int direct, control;
        AnswerFinding finding;
    };
    const Case c = GENERATE(values<Case>({
        {"equally far", open, 51, 51, AnswerFinding::same},
        {"another system's first TTL, equally far", open, 242, 51, AnswerFinding::same},
        {"a hop's difference is balancing", open, 52, 51, AnswerFinding::same},
        {"a proxy at the provider", open, 62, 51, AnswerFinding::nearer},
        {"a reset by the last router before the host", refused, 63, 62, AnswerFinding::nearer},
        {"a reset by the host itself", refused, 62, 62, AnswerFinding::same},
        {"further away is nobody in between", refused, 50, 62, AnswerFinding::same},
        {"no answer to compare with", refused, 63, 0, AnswerFinding::unknown},
        {"not measured", open, 0, 62, AnswerFinding::unknown},
    }));
    CAPTURE(c.name);
    const AnswerPair asked = pair(answerer(25, c.result, c.direct), answerer(443, open, c.control));
    CHECK(compare_answers(asked) == c.finding);
    CHECK_FALSE(answer_words(asked).empty());
}

TEST_CASE("the sentence claims no more than was measured", "[diagnose]") {
    const AnswerPair reset =
        pair(answerer(25, ConnectResult::refused, 63), answerer(443, ConnectResult::refused, 62));
    CHECK(answer_words(reset) ==
          "Somebody nearer than mx.example resets connections on port 25: the answer comes over 1 "
          "router, that of port 443 over 2 routers. It is at hop 1 or the next.");
}

TEST_CASE("distances that differ are both told", "[diagnose]") {
    const AnswerPair near =
        pair(answerer(25, ConnectResult::open, 63), answerer(443, ConnectResult::open, 62));
    CHECK(answer_words(near) ==
          "Port 25 of mx.example is answered over 1 router, port 443 over 2 routers: one less "
          "tells nothing by itself.");
    const AnswerPair far =
        pair(answerer(25, ConnectResult::open, 61), answerer(443, ConnectResult::open, 62));
    CHECK_THAT(answer_words(far), Catch::Contains("over 3 routers, port 443 over 2 routers"));
    const AnswerPair same =
        pair(answerer(25, ConnectResult::open, 62), answerer(443, ConnectResult::open, 62));
    CHECK_THAT(answer_words(same), Catch::Contains("equally far, over 2 routers"));
}

TEST_CASE("an open and a closed port of this host answer from no distance", "[diagnose]") {
    asio::io_context loop;
    asio::ip::tcp::acceptor open{loop, {asio::ip::address_v4::loopback(), 0}};
    asio::ip::tcp::acceptor gone{loop, {asio::ip::address_v4::loopback(), 0}};
    const std::uint16_t closed_port = gone.local_endpoint().port();
    gone.close();
    const AnswerPair seen = diagnose_test::run(
        loop, measure_answers(loop.get_executor(), "here", asio::ip::address_v4::loopback(),
                              closed_port, open.local_endpoint().port(), std::chrono::seconds{5}));
    CHECK(seen.direct.result == ConnectResult::refused);
    CHECK(seen.direct.distance() == 0);
    CHECK(seen.control.result == ConnectResult::open);
    CHECK(seen.control.distance() == 0);
    CHECK(compare_answers(seen) == AnswerFinding::same);
}
