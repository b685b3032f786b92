#include <stdexcept>
#include "bed.hpp"

using namespace delivery_test;
using delivery::Health;
using spool::MessageState;

TEST_CASE("a message is delivered and its attempt is written down", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    bed.use(host);
    bed.start();
    const base::MessageId id = bed.submit({"a@b.example", "c@b.example"});
    bed.run_until([&] { return bed.engine->status().active == 0; });

    REQUIRE(host.taken().size() == 1);
    CHECK(host.taken()[0].content == "Subject: x\r\n\r\nHi\r\n");
    CHECK(host.taken()[0].recipients.size() == 2);
    const spool::Details details = bed.show(id);
    CHECK(details.message.state == MessageState::delivered);
    REQUIRE(details.attempts.size() == 1);
    CHECK(details.attempts[0].smarthost == "main");
    CHECK(details.attempts[0].outcome == "delivered");
    CHECK(details.attempts[0].reply == "250 2.0.0 ok");
    CHECK(bed.smarthost().delivered == 2);
    CHECK(bed.smarthost().health == Health::ok);
}

TEST_CASE("a backlog uses every connection, also when one is warm already", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    bed.use(host).max_connections = 4;
    bed.start();
    bed.submit();
    bed.run_until([&] { return host.taken().size() == 1; });

    host.on("dot", held("250 2.0.0 ok"));
    for (int i = 0; i < 20; ++i) bed.leave();
    bed.engine->note_waiting();
    bed.run_until([&] { return host.taken().size() == 5; });  // one each, and nobody is answered
    CHECK(host.connections() == 4);
    host.normal("dot");
    host.release();
    bed.run_until([&] { return host.taken().size() == 21; });
    CHECK(host.most_open() == 4);
}

TEST_CASE("one message opens one connection, whatever could be opened", "[delivery]") {
    Bed bed;
    ScriptedSmarthost first{bed.loop}, second{bed.loop};
    bed.use(first, "first");
    bed.use(second, "second");
    bed.start();
    bed.submit();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    bed.settle();
    CHECK(first.connections() + second.connections() == 1);
}

TEST_CASE("equal priorities share a trickle", "[delivery]") {
    Bed bed;
    ScriptedSmarthost first{bed.loop}, second{bed.loop};
    bed.use(first, "first");
    bed.use(second, "second");
    bed.start();
    for (int i = 0; i < 10; ++i) {
        bed.submit();
        bed.run_until([&] { return bed.engine->status().active == 0; });
    }
    CHECK(first.taken().size() == 5);
    CHECK(second.taken().size() == 5);
    CHECK(first.connections() == 1);  // and reuse what they have
    CHECK(second.connections() == 1);
}

TEST_CASE("mail that meets a resting smarthost makes no attempt", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.stop_listening();
    bed.use(host);
    bed.start();
    const base::MessageId tried = bed.submit();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    CHECK(bed.show(tried).attempts.size() == 1);
    CHECK(bed.smarthost().health == Health::failing);
    CHECK(bed.smarthost().deferred == 1);

    const base::MessageId waiting = bed.submit();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    const spool::Details details = bed.show(waiting);
    CHECK(details.attempts.empty());
    CHECK(details.message.attempts == 0);
    CHECK(details.message.state == MessageState::queued);
    CHECK(details.message.due == *bed.smarthost().next_attempt);
    CHECK(details.message.recipients[0].last_problem == bed.smarthost().problem);

    host.listen_again();
    bed.advance(31s);
    bed.run_until([&] { return host.taken().size() >= 1; });
    bed.run_until([&] { return bed.state(waiting) == MessageState::delivered; });
    CHECK(bed.show(waiting).attempts.size() == 1);
}

TEST_CASE("what a reload mends is tried at once", "[delivery]") {
    Bed bed;
    ScriptedSmarthost wrong{bed.loop}, right{bed.loop};
    wrong.stop_listening();
    bed.use(wrong);
    bed.start();
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    CHECK(bed.smarthost().health == Health::failing);
    bed.options.smarthosts.clear();
    bed.use(right);
    bed.reload();
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
}

TEST_CASE("a message whose dot is never answered is put on hold the third time", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    const Answer answer = GENERATE(hang_up(), silence(), drip("250-"));
    CAPTURE(answer.close, answer.drip);
    host.on("dot", answer);
    bed.use(host).final_timeout = 20ms;
    bed.start();
    const base::MessageId id = bed.submit();
    for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
        bed.run_until([&] { return bed.engine->status().active == 0; });
        const spool::Message message = bed.show(id).message;
        CHECK(message.wedged == attempt);
        CHECK(message.state == (attempt < 3 ? MessageState::unknown : MessageState::held));
        if (attempt < 3) {
            bed.advance(1h);
            bed.run_until([&] { return host.heard("dot") == attempt + 1; });
        }
    }
    const spool::Details details = bed.show(id);
    CHECK(details.attempts.size() == 3);
    CHECK(details.message.recipients[0].last_problem.find("on hold") != std::string::npos);
    bed.advance(24h);
    bed.settle();
    CHECK(host.heard("dot") == 3);
}

TEST_CASE("an exception in a delivery gives the message back, and the third holds it",
          "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    bed.use(host);
    bed.options.bounce_to = delivery::BounceTo::none;
    bed.start();
    bed.spool->throws_at_dot = true;
    const base::MessageId id = bed.submit();
    for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
        bed.run_until([&] { return bed.engine->status().active == 0; });
        const spool::Details details = bed.show(id);
        CHECK(details.attempts.size() == attempt);
        CHECK(details.message.state == (attempt < 3 ? MessageState::queued : MessageState::held));
        if (attempt == 3) break;
        bed.advance(1h);
        bed.run_until([&] { return host.connections() == attempt + 1; });
    }
    bed.spool->throws_at_dot = false;
    const base::MessageId next = bed.submit();  // the pool lives on
    bed.run_until([&] { return bed.state(next) == MessageState::delivered; });
    CHECK(bed.smarthost().connections == 1);
}

TEST_CASE("an exception while a connection is opened lets its mail go on elsewhere", "[delivery]") {
    Bed bed;
    ScriptedSmarthost first{bed.loop}, second{bed.loop};
    bed.use(first, "first");
    bed.use(second, "second").priority = 10;
    first.on("connect", hang_up("554 5.7.1 no"));
    bed.explain = [](const auto&, auto, const auto&) -> std::string {
        throw std::runtime_error{"a fault of the test"};
    };
    bed.start();
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    CHECK(second.taken().size() == 1);
    CHECK(first.connections() == 1);  // it rests, as after other trouble
    CHECK(bed.smarthost(0).connections == 0);
}

TEST_CASE("an exception before a delivery begins gives the message back", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    bed.use(host);
    const base::MessageId id = bed.leave();
    bed.spool->crashed = bed.spool->throws_at_begin = true;
    bed.clock.advance(1s);  // what comes now is newer
    bed.start();
    bed.run_until([&] { return bed.show(id).attempts.size() == 1; });
    CHECK(bed.state(id) == MessageState::queued);
    bed.spool->throws_at_begin = false;
    bed.advance(1h);
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
}

TEST_CASE("connections that still say QUIT count against the limit", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    delivery::SmarthostOptions& options = bed.use(host);
    options.max_connections = 1;
    options.messages_per_connection = 1;
    host.on("QUIT", [&](const auto&) {
        Answer answer = held("221 2.0.0 bye");
        return answer;
    });
    bed.start();
    bed.submit();
    bed.submit();
    bed.run_until([&] { return host.heard("QUIT") == 1; });
    bed.settle();
    CHECK(host.connections() == 1);
    host.on("QUIT", hang_up("221 2.0.0 bye"));
    host.close_all();
    bed.run_until([&] { return host.taken().size() == 2; });
    CHECK(host.most_open() == 1);
}

TEST_CASE("a smarthost that takes few connections stays in use", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.on("connect", [&](const ScriptedSmarthost::Heard& heard) {
        return heard.connection > 2 ? hang_up("421 4.7.0 too many connections")
                                    : Answer{"220 smarthost.example"};
    });
    bed.use(host).max_connections = 5;
    bed.start();
    bed.submit();
    bed.run_until([&] { return host.taken().size() == 1; });
    host.on("dot", held("250 2.0.0 ok"));
    for (int i = 0; i < 10; ++i) bed.submit();
    bed.run_until([&] { return host.connections() >= 3 && host.taken().size() >= 3; });
    host.normal("dot");
    host.release();
    bed.run_until([&] { return host.taken().size() == 11; });
    bed.run_until([&] { return bed.engine->status().active == 0; });
    CHECK(bed.smarthost().health == Health::ok);
    CHECK(bed.smarthost().deferred == 0);
}

TEST_CASE("connections that fail together count as one failure", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    bed.use(host).max_connections = 5;
    bed.start();
    bed.submit();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    host.close_all();
    host.on("connect", hang_up("554 5.3.2 no service"));
    for (int i = 0; i < 10; ++i) bed.submit();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    CHECK(bed.smarthost().health == Health::failing);
    CHECK(*bed.smarthost().next_attempt == bed.clock.now() + 30s);  // not 60, 120 ...
}

TEST_CASE("stopping lets a transaction end, or cuts it after the grace", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.on("dot", held("250 2.0.0 ok"));
    bed.use(host);
    bed.start();
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return host.taken().size() == 1; });
    SECTION("ends") {
        asio::post(bed.loop, [&] { host.release(); });
        bed.stop(20s);
        CHECK(bed.state(id) == MessageState::delivered);
    }
    SECTION("is cut: nobody knows what became of it") {
        bed.stop(0ms);
        CHECK(bed.state(id) == MessageState::unknown);
    }
}

TEST_CASE("stopping waits for no smarthost that has been given nothing", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    const std::string verb = GENERATE("connect", "EHLO");
    CAPTURE(verb);
    host.on(verb, silence());
    bed.use(host);
    bed.start();
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return host.heard(verb) == 1; });
    const auto began = std::chrono::steady_clock::now();
    bed.stop(20s);
    CHECK(std::chrono::steady_clock::now() - began < 10s);
    CHECK(bed.state(id) == MessageState::queued);
    CHECK(bed.show(id).attempts.empty());
}

TEST_CASE("a reload ends with the old connections what they had begun", "[delivery]") {
    Bed bed;
    ScriptedSmarthost before{bed.loop}, after{bed.loop};
    before.on("dot", held("250 2.0.0 ok"));
    bed.use(before);
    bed.start();
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return before.taken().size() == 1; });
    bed.options.smarthosts.clear();
    bed.use(after);
    bed.reload();
    const base::MessageId next = bed.submit();
    bed.run_until([&] { return bed.state(next) == MessageState::delivered; });
    CHECK(after.taken().size() == 1);
    before.release();
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    CHECK(after.taken().size() == 1);
    bed.run_until([&] { return before.open() == 0; });
}

TEST_CASE("a reload goes on counting, and judges the smarthost anew", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    bed.use(host);
    bed.start();
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    bed.reload();
    const delivery::SmarthostStatus status = bed.engine->status().smarthosts.front();
    CHECK(status.delivered == 1);
    CHECK(status.sessions == 1);
    CHECK(status.health == delivery::Health::untried);
    CHECK(status.tls.empty());
    bed.options.smarthosts.front().name = "another";
    bed.reload();
    CHECK(bed.engine->status().smarthosts.front().delivered == 0);
    CHECK(bed.engine->status().delivered == 1);  // what is counted never shrinks
}

TEST_CASE("a refusal is reported to the sender, and the report is delivered", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.on("RCPT", [&](const ScriptedSmarthost::Heard& heard) {
        return heard.line.find("gone@") == std::string::npos ? Answer{"250 ok"}
                                                             : Answer{"550 5.1.1 no such user"};
    });
    bed.use(host);
    bed.start();
    const base::MessageId id = bed.submit({"gone@b.example", "to@b.example"});
    bed.run_until([&] { return host.taken().size() == 2; });
    bed.run_until([&] { return bed.engine->status().active == 0; });
    CHECK(bed.state(id) == MessageState::failed);
    const std::string& report = host.taken()[1].content;
    CHECK(host.taken()[1].recipients[0] == "RCPT TO:<from@a.example>");
    CHECK(report.find("550 5.1.1 no such user") != std::string::npos);
    CHECK(report.find("Subject: x") != std::string::npos);
}

TEST_CASE("a refusal in the midst of the content is read although the smarthost closes",
          "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.break_content(100'000, "552 5.3.4 message too big for us");
    bed.use(host);
    bed.start();
    std::string content = "Subject: x\r\n\r\n";
    while (content.size() < 20'000'000) content += std::string(70, 'x') + "\r\n";
    const base::MessageId id = bed.submit({"a@b.example"}, content);
    bed.run_until([&] { return bed.state(id) == MessageState::failed; });
    CHECK(bed.show(id).attempts[0].reply == "552 5.3.4 message too big for us");
}

TEST_CASE("a server whose certificate is not checked never gets a password", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.extensions.push_back("AUTH PLAIN");
    delivery::SmarthostOptions& options = bed.use(host);
    options.host = "mail.localhost";  // here, but by a name that could be anywhere
    options.auth = smtp::AuthMechanism::plain;
    options.username = "user";
    options.password = base::Secret{"secret"};
    options.verification.verify = false;
    bed.start();
    bed.submit();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    CHECK(host.connections() == 0);
    CHECK(bed.smarthost().problem.find("certificate is not checked") != std::string::npos);
}

TEST_CASE("a hold on a message under way shows, and takes effect when the attempt ends",
          "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.on("dot", held("451 4.3.0 later"));
    bed.use(host);
    bed.start();
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return host.taken().size() == 1; });
    CHECK(bed.show(id).under_way);
    CHECK_FALSE(bed.show(id).hold_asked);
    spool::Selection selection;
    selection.ids.push_back(id);
    bool asked = false;
    bed.spool->hold(selection, [&](auto) { asked = true; });
    bed.run_until([&] { return asked; });
    CHECK(bed.show(id).hold_asked);
    CHECK(bed.state(id) == MessageState::queued);
    host.release();
    bed.run_until([&] { return bed.state(id) == MessageState::held; });
    CHECK_FALSE(bed.show(id).under_way);
    CHECK_FALSE(bed.show(id).hold_asked);
}
