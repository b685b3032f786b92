// The wall clock is set while mail waits by it.
#include <fstream>
#include <iterator>

#include "base/log.hpp"
#include "bed.hpp"

using namespace delivery_test;
using delivery::Health;
using spool::MessageState;

TEST_CASE("a clock that is set back keeps neither mail nor a smarthost waiting", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    bed.use(host);
    host.stop_listening();
    SECTION("while both wait") {
        bed.start();
        const base::MessageId id = bed.submit();
        bed.run_until([&] { return bed.engine->status().active == 0; });
        REQUIRE(bed.smarthost().health == Health::failing);
        REQUIRE(bed.state(id) == MessageState::queued);
        bed.set_clock(-24h);
        host.listen_again();
        SECTION("the mail that waits") {
            bed.engine->start();
            bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
        }
        SECTION("and what comes then") {
            const base::MessageId next = bed.submit();
            bed.run_until([&] { return bed.state(next) == MessageState::delivered; });
        }
    }
    SECTION("between two runs") {
        host.listen_again();
        const base::MessageId id = bed.leave();
        bed.set_clock(-24h);
        bed.start();
        bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    }
}

TEST_CASE("a clock that is set back gives no negative delay in the log", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    bed.use(host);
    const spool::test::Folder folder;
    const std::filesystem::path log = folder.path() / "log";
    REQUIRE(
        base::open_log({base::LogLevel::info, base::LogFormat::text, log.string()}).has_value());
    const base::MessageId id = bed.leave();
    bed.set_clock(-2h);
    bed.start();
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    std::ifstream file{log};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    CHECK_THAT(text, Catch::Contains("delay_ms=0"));
}

TEST_CASE("a small correction of the clock ends no rest", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.on("connect", hang_up("421 4.3.2 not now"));
    bed.use(host);
    bed.start();
    bed.submit();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    bed.set_clock(-2s);
    bed.engine->start();
    bed.submit();
    bed.settle();
    CHECK(host.connections() == 1);
}

TEST_CASE("a clock that is set forward makes fresh mail no older", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    bed.use(host);
    SECTION("in the queue") {
        host.on("MAIL", "451 4.3.0 later");
        bed.start();
        const base::MessageId id = bed.submit();
        bed.run_until([&] { return bed.engine->status().active == 0; });
        bed.set_clock(6 * 24h);
        bed.engine->start();
        bed.run_until([&] { return host.heard("MAIL") == 2; });
        bed.run_until([&] { return bed.engine->status().active == 0; });
        const spool::Message message = bed.show(id).message;
        CHECK(message.state == MessageState::queued);
        CHECK_FALSE(message.warned);
        CHECK(bed.clock.now() - message.received < 1min);  // for later runs, too
        CHECK(bed.list().size() == 1);                     // no report

        bed.advance(5 * 24h - 1min);
        bed.run_until([&] { return host.heard("MAIL") >= 3; });
        bed.run_until([&] { return bed.engine->status().active == 0; });
        CHECK(bed.state(id) == MessageState::queued);
        bed.advance(1h);
        bed.run_until([&] { return bed.state(id) == MessageState::failed; });
    }
    SECTION("under way") {
        host.on("dot", held("451 4.3.0 later"));
        bed.start();
        const base::MessageId id = bed.submit();
        bed.run_until([&] { return host.taken().size() == 1; });
        bed.set_clock(6 * 24h);
        host.release();
        bed.run_until([&] { return bed.engine->status().active == 0; });
        CHECK(bed.state(id) == MessageState::queued);
    }
}

TEST_CASE("a clock that is set forward makes mail of an earlier run no older", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.on("MAIL", "451 4.3.0 later");
    bed.use(host);
    const base::MessageId id = bed.leave();
    bed.set_clock(24h);
    bed.start();
    bed.run_until([&] { return host.heard("MAIL") == 1; });
    bed.run_until([&] { return bed.engine->status().active == 0; });
    bed.set_clock(6 * 24h);
    bed.engine->start();
    bed.run_until([&] { return host.heard("MAIL") == 2; });
    bed.run_until([&] { return bed.engine->status().active == 0; });
    CHECK(bed.state(id) == MessageState::queued);
    bed.advance(4 * 24h);
    bed.run_until([&] { return bed.state(id) == MessageState::failed; });
}

TEST_CASE("mail from before a clock was lost is as old as the clock says once it is right",
          "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.on("MAIL", "451 4.3.0 later");
    bed.use(host);
    const base::MessageId id = bed.leave();
    bed.set_clock(-1000 * 24h);
    bed.start();
    bed.run_until([&] { return host.heard("MAIL") == 1; });
    bed.run_until([&] { return bed.engine->status().active == 0; });
    CHECK(bed.state(id) == MessageState::queued);
    bed.set_clock(1006 * 24h);
    bed.engine->start();
    bed.run_until([&] { return bed.state(id) == MessageState::failed; });
}

TEST_CASE("mail that waited its time is given up, whoever was there to see it wait", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.on("MAIL", "451 4.3.0 later");
    bed.use(host);
    const base::MessageId id = bed.leave();
    const bool off = GENERATE(true, false);  // the clock of a host that was off jumps as well
    if (off) {
        bed.set_clock(6 * 24h);
        bed.start();
    } else {
        bed.start();
        bed.run_until([&] { return host.heard("MAIL") == 1; });
        bed.run_until([&] { return bed.engine->status().active == 0; });
        bed.advance(5 * 24h);
    }
    bed.run_until([&] { return bed.state(id) == MessageState::failed; });
}
