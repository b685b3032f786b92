#include "diagnose/path.hpp"

#include "tests/support/catch.hpp"

using diagnose::ConnectResult;
using diagnose::PathFinding;

namespace {

// "e" a router's time exceeded, "." silence, "o" open, "r" RST, "p" prohibited by ICMP from router
// p, "d" denied by this host, " " not asked. Routers are 10.0.0.TTL.
diagnose::Trace trace(std::uint16_t port, std::string_view shape, std::string_view from = "") {
    diagnose::Trace result;
    result.port = port;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        diagnose::Trace::Hop hop;
        hop.asked = shape[i] != ' ';
        const std::string router = "10.0.0." + std::to_string(i + 1);
        if (shape[i] == 'e') {
            hop.result = ConnectResult::expired;
            hop.icmp = diagnose::IcmpError{11, 0, router, false};
        } else if (shape[i] == 'p') {
            hop.result = ConnectResult::prohibited;
            hop.icmp = diagnose::IcmpError{3, 13, std::string{from}, false};
        } else if (shape[i] == 'o') {
            hop.result = ConnectResult::open;
        } else if (shape[i] == 'r') {
            hop.result = ConnectResult::refused;
        } else if (shape[i] == 'd') {
            hop.result = ConnectResult::denied;
        }
        result.hops.push_back(hop);
    }
    return result;
}

diagnose::PathReading read(std::string_view direct, std::string_view control,
                           std::string_view from = "") {
    diagnose::PathTrace path;
    path.direct = trace(25, direct, from);
    path.control = trace(443, control);
    return diagnose::read_path(path);
}

}  // namespace

TEST_CASE("two traces say where port 25 stops", "[diagnose]") {
    struct Case {
        std::string_view name, direct, control;
        PathFinding finding;
        std::optional<int> hop, hops;
        std::string_view address;
    };
    const Case c = GENERATE(values<Case>({
        {"open", "eeeo", "eeeo", PathFinding::clear, 4, 4, ""},
        {"open, control closed by the host", "eeeo", "eeer", PathFinding::clear, 4, 4, ""},
        {"open, control silent at the host", "eeeo", "eee...", PathFinding::clear, 4, 4, ""},
        {"dropped by hop 2", "ee....", "eeeo", PathFinding::stops_at, 2, 4, "10.0.0.2"},
        {"dropped before routing at hop 2", "e.....", "eeeo", PathFinding::stops_at, 1, 4,
         "10.0.0.1"},
        {"dropped on this host", "......", "eeeo", PathFinding::stops_here, 0, 4, ""},
        {"denied by this host", "dddddd", "eeeo", PathFinding::stops_here, 0, 4, ""},
        {"dropped by the last router or the host", "eee...", "eeeo", PathFinding::stops_late, 3, 4,
         "10.0.0.3"},
        {"silent, control silent too at the host",
         "eee...",
         "eee...",
         PathFinding::stops_late,
         3,
         {},
         "10.0.0.3"},
        {"RST by hop 1", "err", "eeeo", PathFinding::rejected, 1, 4, "10.0.0.1"},
        {"RST by the last router or the host", "eeer", "eeeo", PathFinding::rejected, 3, 4,
         "10.0.0.3"},
        {"RST by this host", "rrr", "eeeo", PathFinding::reset_here, 0, 4, ""},
        {"answered by hop 2", "eo", "eeeo", PathFinding::intercepted, 2, 4, "10.0.0.2"},
        {"answered by hop 1", "o", "eeeo", PathFinding::intercepted, 1, 4, "10.0.0.1"},
        {"nothing is heard", "......", "......", PathFinding::hidden, {}, {}, ""},
        {"hops are hidden, the host answers", "...o", "...o", PathFinding::clear, 4, 4, ""},
        {"hops are hidden, only the control answers",
         "......",
         "...o",
         PathFinding::hidden,
         {},
         4,
         ""},
    }));
    CAPTURE(c.name);
    const diagnose::PathReading reading = read(c.direct, c.control);
    CHECK(reading.finding == c.finding);
    CHECK(reading.hop == c.hop);
    CHECK(reading.hops == c.hops);
    CHECK(reading.hop_address == c.address);
}

TEST_CASE("a box that rejects by ICMP is found by its address", "[diagnose]") {
    const diagnose::PathReading by_router = read("eepp", "eeeo", "10.0.0.2");
    CHECK(by_router.finding == PathFinding::rejected);
    CHECK(by_router.hop == 2);
    CHECK(by_router.hop_address == "10.0.0.2");
    // Routers limit their errors: its own "time exceeded" need not come.
    CHECK(read("e.pp", "e.eo", "10.0.0.2").hop == 2);
    const diagnose::PathReading by_stranger = read("epp", "eeeo", "192.0.2.77");
    CHECK(by_stranger.hop == 1);
    CHECK(by_stranger.hop_address == "192.0.2.77");
}

TEST_CASE("the picture has every hop that either port saw", "[diagnose]") {
    diagnose::PathTrace path;
    path.direct = trace(25, "e.....");
    path.control = trace(443, "e.eo");
    const diagnose::PathPicture picture = diagnose::picture_of(path);
    REQUIRE(picture.hops.size() == 3);
    CHECK(picture.hops[0].answers_direct);
    CHECK(picture.hops[1].address.empty());
    CHECK(picture.hops[2].address == "10.0.0.3");
    CHECK_FALSE(picture.hops[2].answers_direct);
    CHECK(picture.reached_control == 4);
    CHECK_FALSE(picture.reached_direct.has_value());
}
