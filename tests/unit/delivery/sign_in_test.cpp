// Smarthosts that refuse a sign-in, want one, or fail before it.
#include "bed.hpp"

using namespace delivery_test;
using delivery::Health;
using spool::MessageState;

TEST_CASE("a refused sign-in counts as deferred and keeps the mail", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.extensions.push_back("AUTH PLAIN");
    host.on("AUTH", "535 5.7.8 wrong password");
    delivery::SmarthostOptions& options = bed.use(host);
    options.auth = smtp::AuthMechanism::plain;
    options.username = "user";
    options.password = base::Secret{"wrong"};
    bed.start();
    const base::MessageId id = bed.submit({"a@b.example", "c@b.example"});
    bed.run_until([&] { return bed.engine->status().active == 0; });
    CHECK(bed.smarthost().health == Health::paused);
    CHECK(bed.smarthost().deferred == 2);
    REQUIRE(bed.show(id).attempts.size() == 1);
    CHECK(bed.show(id).attempts[0].stage == smtp::Stage::auth);

    SECTION("for as long as it takes") {
        for (int day = 0; day < 7; ++day) {
            const std::size_t tried = host.heard("AUTH");
            bed.advance(24h);
            bed.run_until([&] { return host.heard("AUTH") > tried; });
            bed.run_until([&] { return bed.engine->status().active == 0; });
        }
        CHECK(bed.state(id) == MessageState::queued);
    }
    SECTION("one connection tries it, however much waits") {
        for (int i = 0; i < 30; ++i) bed.leave();
        bed.advance(31s);
        bed.run_until([&] { return host.heard("AUTH") == 2; });
        bed.settle();
        CHECK(host.heard("AUTH") == 2);
        CHECK(host.most_open() == 1);
    }
    SECTION("and a reload tries at once") {
        host.normal("AUTH");
        host.on("AUTH", "235 2.7.0 welcome");
        bed.reload();
        bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    }
    SECTION("as does a person") {
        host.on("AUTH", "235 2.7.0 welcome");
        spool::Selection all;
        all.query.emplace();
        bed.spool->retry(all, bed.clock.now(), [&](auto) { bed.engine->attempt_now(); });
        bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    }
}

TEST_CASE("a smarthost that wants a sign-in at MAIL keeps the mail like one that refuses AUTH",
          "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.on("MAIL", "530 5.7.0 Authentication required");
    bed.use(host);
    bed.options.retry.warn_after = 30 * 24h;
    bed.start();
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    CHECK(bed.smarthost().health == Health::paused);
    CHECK(bed.smarthost().problem.find("530 5.7.0 Authentication required") != std::string::npos);
    REQUIRE(bed.show(id).attempts.size() == 1);
    CHECK(bed.show(id).attempts[0].stage == smtp::Stage::auth);

    SECTION("for as long as it takes, asked ever more seldom") {
        base::Duration rest{};
        for (int day = 0; day < 7; ++day) {
            const base::Duration before = rest;
            rest = *bed.smarthost().next_attempt - bed.clock.now();
            CHECK(rest >= std::min<base::Duration>(before, 1h));
            const std::size_t tried = host.heard("MAIL");
            bed.advance(24h);
            bed.run_until([&] { return host.heard("MAIL") > tried; });
            bed.run_until([&] { return bed.engine->status().active == 0; });
            CHECK(bed.smarthost().health == Health::paused);
        }
        CHECK(rest > 30s);
        CHECK(bed.state(id) == MessageState::queued);
        CHECK(bed.list().size() == 1);  // no report says that it failed
    }
    SECTION("until it takes mail") {
        host.normal("MAIL");
        bed.advance(1h);
        bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
        bed.run_until([&] { return bed.smarthost().health == Health::ok; });
    }
}

TEST_CASE("mail is kept for a refused sign-in, also where another smarthost is down",
          "[delivery]") {
    Bed bed;
    ScriptedSmarthost refusing{bed.loop}, down{bed.loop};
    refusing.extensions.push_back("AUTH PLAIN");
    refusing.on("AUTH", "535 5.7.8 wrong password");
    down.stop_listening();
    delivery::SmarthostOptions& options = bed.use(refusing, "refusing");
    options.auth = smtp::AuthMechanism::plain;
    options.username = "user";
    options.password = base::Secret{"wrong"};
    bed.use(down, "down").priority = 10;
    bed.options.retry.warn_after = 30 * 24h;
    bed.start();
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    for (int day = 0; day < 7; ++day) {
        const std::size_t tried = refusing.heard("AUTH");
        bed.advance(24h);
        bed.run_until([&] { return refusing.heard("AUTH") > tried; });
        bed.run_until([&] { return bed.engine->status().active == 0; });
    }
    CHECK(bed.state(id) == MessageState::queued);
    CHECK(bed.list().size() == 1);
}

TEST_CASE("mail that waits tells at which stage its smarthost fails", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.on("connect", "554 5.3.2 not you");
    bed.use(host);
    bed.start();
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    REQUIRE(bed.show(id).attempts.size() == 1);
    CHECK(bed.show(id).attempts[0].stage == smtp::Stage::greeting);
}

TEST_CASE("what one connection's password was told keeps the others from sending it",
          "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.extensions.push_back("AUTH PLAIN");
    host.on("AUTH", "235 2.7.0 welcome");
    delivery::SmarthostOptions& options = bed.use(host);
    options.auth = smtp::AuthMechanism::plain;
    options.username = "user";
    options.password = base::Secret{"changed"};
    options.max_connections = 5;
    bed.start();
    bed.submit();
    bed.run_until([&] { return host.taken().size() == 1; });
    host.close_all();
    bed.run_until([&] { return bed.smarthost().connections == 0; });

    // Five are opened together; the first is refused while the others still wait for EHLO's reply.
    host.on("AUTH", "535 5.7.8 revoked");
    host.on("EHLO", [](const ScriptedSmarthost::Heard& heard) {
        const std::string offer = "250-smarthost.example\r\n250 AUTH PLAIN";
        return heard.connection == 2 ? Answer{offer} : held(offer);
    });
    for (int i = 0; i < 20; ++i) bed.leave();
    bed.engine->note_waiting();
    bed.run_until([&] { return bed.smarthost().health == Health::paused; });
    bed.run_until([&] { return host.heard("EHLO") == 6; });
    host.release();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    bed.run_until([&] { return bed.smarthost().connections == 0; });
    CHECK(host.heard("AUTH") == 2);
    CHECK(bed.list().size() == 21);
}
