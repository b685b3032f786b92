#include "relay/sink_options.hpp"

#include "tests/support/catch.hpp"

using relay::SinkFaults;

TEST_CASE("a fault's reply is read as it would be sent", "[sink]") {
    struct Case {
        std::string_view text;
        int code;
        std::string_view enhanced, words;
    };
    const Case c = GENERATE(values<Case>({
        {"451 4.3.0 Try later", 451, "4.3.0", "Try later"},
        {"535 No", 535, "", "No"},
        {"250", 250, "", "As told"},
        {"550 5.1.1", 550, "5.1.1", "As told"},
        {"450 4.3 x", 450, "", "4.3 x"},
    }));
    CAPTURE(c.text);
    const auto reply = relay::parse_fault_reply(c.text);
    REQUIRE(reply.has_value());
    CHECK(reply->code == c.code);
    CHECK(reply->enhanced == c.enhanced);
    CHECK(reply->text == c.words);
}

TEST_CASE("what is no reply is refused with an example", "[sink]") {
    for (const char* text : {"", "abc", "45 x", "1000 x", "199 x", "600 x", "451x"}) {
        CAPTURE(text);
        const auto reply = relay::parse_fault_reply(text);
        REQUIRE(reply.has_error());
        CHECK(reply.error().message.find("451 4.3.0") != std::string::npos);
    }
}

TEST_CASE("a refusal is a pattern with or without a reply", "[sink]") {
    const smtp::Reply usual{550, "5.1.1", "No such user here"};
    const auto bare = relay::parse_refusal("*@a.example", usual);
    REQUIRE(bare.has_value());
    CHECK(bare->pattern == "*@a.example");
    CHECK(bare->reply == usual);
    const auto full = relay::parse_refusal("b@a.example=450 4.2.0 later", usual);
    REQUIRE(full.has_value());
    CHECK(full->pattern == "b@a.example");
    CHECK(full->reply.code == 450);
    CHECK(relay::parse_refusal("=550 x", usual).has_error());
    CHECK(relay::parse_refusal("a=never", usual).has_error());
    const auto no_refusal = relay::parse_refusal("*=250 ok", usual);
    REQUIRE(no_refusal.has_error());
    CHECK(no_refusal.error().message.find("from 400 to 599") != std::string::npos);
    CHECK(relay::parse_refusing_reply("399 x").has_error());
    CHECK(relay::parse_refusing_reply("454 4.7.0 Later")->code == 454);
}

TEST_CASE("the stages to drop at are the catalogue's words", "[sink]") {
    const auto last = relay::parse_drop_stage("final-dot");
    REQUIRE(last.has_value());
    CHECK((*last == smtp::Stage::final_dot));
    const auto first = relay::parse_drop_stage("connect");
    REQUIRE(first.has_value());
    CHECK((*first == smtp::Stage::connect));
    const auto unknown = relay::parse_drop_stage("dot");
    REQUIRE(unknown.has_error());
    CHECK(unknown.error().message.find("connect, greeting") != std::string::npos);
    CHECK(relay::parse_drop_stage("quit").has_error());  // nothing is lost there
}

TEST_CASE("replies on their way out are changed as told", "[sink]") {
    struct Case {
        std::string_view name;
        std::vector<std::string> hidden;
        std::string auth, output, expected;
    };
    const std::string ehlo = "250-sink\r\n250-SIZE 10\r\n250-CHUNKING\r\n250 STARTTLS\r\n";
    const Case c = GENERATE_COPY(values<Case>({
        {"nothing to change", {}, "", ehlo, ehlo},
        {"one in the middle",
         {"CHUNKING"},
         "",
         ehlo,
         "250-sink\r\n250-SIZE 10\r\n250 STARTTLS\r\n"},
        {"one with a parameter",
         {"SIZE"},
         "",
         ehlo,
         "250-sink\r\n250-CHUNKING\r\n250 STARTTLS\r\n"},
        {"the last", {"STARTTLS"}, "", ehlo, "250-sink\r\n250-SIZE 10\r\n250 CHUNKING\r\n"},
        {"the last two", {"STARTTLS", "CHUNKING"}, "", ehlo, "250-sink\r\n250 SIZE 10\r\n"},
        {"another reply in the same write",
         {"STARTTLS"},
         "",
         ehlo + "250 2.0.0 Ok\r\n",
         "250-sink\r\n250-SIZE 10\r\n250 CHUNKING\r\n250 2.0.0 Ok\r\n"},
        {"a word in other replies stays", {"SIZE"}, "", "250 2.0.0 SIZE\r\n", "250 2.0.0 SIZE\r\n"},
        {"the answer to AUTH", {}, "454 4.7.0 Busy", "535 5.7.8 No\r\n", "454 4.7.0 Busy\r\n"},
        {"535 elsewhere in a line stays", {}, "454 4.7.0 Busy", "250 535 x\r\n", "250 535 x\r\n"},
    }));
    CAPTURE(c.name);
    SinkFaults faults;
    faults.hidden = c.hidden;
    if (!c.auth.empty()) faults.auth_reply = *relay::parse_fault_reply(c.auth);
    CHECK(relay::apply_faults(c.output, faults) == c.expected);
    CHECK(relay::apply_faults("", faults).empty());
}
