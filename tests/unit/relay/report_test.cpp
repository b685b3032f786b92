#include <boost/json/parse.hpp>
#include <string>

#include "relay/queue_report.hpp"
#include "relay/queue_selection.hpp"
#include "relay/status_report.hpp"
#include "tests/support/catch.hpp"

using namespace relay;
namespace json = boost::json;

namespace {

const base::Time now = *parse_iso8601("2026-11-24T12:00:00.000Z");

json::object message(const std::string& state) {
    json::value value = json::parse(R"({
        "id":"35bt20v96png","state":"","received":"2026-11-24T11:55:00.000Z",
        "due":"2026-11-24T12:00:30.000Z","finished":null,"from":"",
        "recipients":[{"address":"a@example.org","state":"pending","reply":"450 4.2.1 Busy\u001b[31m",
                       "problem":null},
                      {"address":"b@example.org","state":"delivered","reply":"250 Ok","problem":null}],
        "subject":"Hello","size":2048,"attempts":1,
        "origin":{"client":"127.0.0.1","client_name":"app","user":null,"protocol":"ESMTP"},
        "history":[{"at":"2026-11-24T11:59:00.000Z","smarthost":"example","remote":"192.0.2.1:587",
                    "tls":"TLSv1.3","stage":"rcpt","outcome":"partial","reply":"450 4.2.1 Busy",
                    "ms":1200}],
        "last_attempt":{"reply":"450 4.2.1 Busy"}})");
    value.as_object()["state"] = state;
    return value.as_object();
}

}  // namespace

TEST_CASE("without a relay a story promises no attempt of its own", "[report]") {
    const auto parse = [](const char* text) { return boost::json::parse(text).as_object(); };
    const auto unknown = parse(R"({"id":"1","state":"unknown","due":"2026-11-24T12:00:00.176Z"})");
    const std::string story = message_story(ApiView{unknown}, Terminal{}, now, false);
    CHECK_THAT(story, Catch::Contains("attempt as soon as relay runs; the last one ended"));
    CHECK_THAT(story, !Catch::Contains("No attempt yet"));
    const auto soon = parse(R"({"id":"1","state":"queued","due":"2026-11-24T12:00:27.000Z"})");
    CHECK_THAT(message_story(ApiView{soon}, Terminal{}, now, false),
               Catch::Contains("attempt in 27s, if relay runs then"));
    const auto later = parse(R"({"id":"1","state":"queued","due":"2026-11-24T12:05:00.000Z"})");
    CHECK_THAT(
        message_story(ApiView{later}, Terminal{}, now, false),
        Catch::Contains("attempt in 5m, if relay runs then") && Catch::Contains("No attempt yet"));
}

TEST_CASE("times are read back as they were written", "[relay]") {
    const base::Time time = base::SystemClock{}.now();
    CHECK(parse_iso8601(base::format_iso8601(time)) == time);
    for (const char* bad : {"", "2026-13-24T12:00:00.000Z", "2026-11-24", "now"}) {
        CHECK_FALSE(parse_iso8601(bad).has_value());
    }
}

TEST_CASE("durations in tables have one unit", "[relay]") {
    using namespace std::chrono_literals;
    CHECK(short_duration(-5s) == "0s");
    CHECK(short_duration(119s) == "119s");
    CHECK(short_duration(120s) == "2m");
    CHECK(short_duration(119min) == "119m");
    CHECK(short_duration(120min) == "2h");
    CHECK(short_duration(49h) == "2d");
}

TEST_CASE("a row of the queue says what waits, for what, and why", "[relay]") {
    json::array messages;
    messages.push_back(message("queued"));
    CHECK(message_table(messages, Terminal{}, now) ==
          "35bt20v96png  queued  5m  2.0 KiB  <>  a@example.org +1  in 30s  450 4.2.1 "
          "Busy\\x1b[31m\n");
}

TEST_CASE("a row of the queue quotes the recipient who makes the state what it is", "[relay]") {
    const auto row = [](const std::string& state, const char* recipients) {
        json::object object = message(state);
        object["recipients"] = json::parse(recipients);
        json::array messages;
        messages.push_back(object);
        return message_table(messages, Terminal{}, now);
    };
    const char* finished_first = R"([
        {"address":"a@example.org","state":"failed","reply":"550 No such user","problem":null},
        {"address":"b@example.org","state":"pending","reply":"450 Busy","problem":null}])";
    CHECK_THAT(row("queued", finished_first),
               Catch::Contains("b@example.org +1") && Catch::EndsWith("  450 Busy\n"));
    CHECK_THAT(row("failed", finished_first),
               Catch::Contains("a@example.org +1") && Catch::EndsWith("  550 No such user\n"));
    const char* expired = R"([
        {"address":"a@example.org","state":"failed","reply":null,
         "problem":"given up after 5 days: 450 Busy"}])";
    CHECK_THAT(row("failed", expired), Catch::EndsWith("  given up after 5 days: 450 Busy\n"));
    const char* both = R"([
        {"address":"a@example.org","state":"failed","reply":"450 Busy",
         "problem":"given up after 5 days"}])";
    CHECK_THAT(row("failed", both), Catch::EndsWith("  given up after 5 days: 450 Busy\n"));
    const char* silent = R"([
        {"address":"a@example.org","state":"pending","reply":null,"problem":null}])";
    CHECK_THAT(row("queued", silent), Catch::EndsWith("  450 4.2.1 Busy\n"));
}

TEST_CASE("a message's story names everyone, every attempt and what comes next", "[relay]") {
    const json::object queued = message("queued");
    const std::string story = message_story(ApiView{queued}, Terminal{}, now);
    for (const char* part :
         {"35bt20v96png  queued\n", "127.0.0.1 (app) by ESMTP\n", "sender      <>\n",
          "pending   a@example.org: 450 4.2.1 Busy", "delivered b@example.org: 250 Ok\n",
          "partial   example (192.0.2.1:587) TLSv1.3 at rcpt after 1.2s: 450 4.2.1 Busy\n",
          "next        attempt in 30s\n"}) {
        CHECK_THAT(story, Catch::Contains(part));
    }
    CHECK(story.find('\x1b') == std::string::npos);
    const auto next = [&](const char* state) {
        const json::object object = message(state);
        const std::string text = message_story(ApiView{object}, Terminal{}, now);
        return text.substr(text.find("\nnext "));
    };
    CHECK_THAT(next("held"), Catch::Contains("relay queue release 35bt20v96png"));
    CHECK_THAT(next("unknown"), Catch::Contains("may have it already"));
    CHECK_THAT(next("delivered"), Catch::Contains("every recipient has it"));
    CHECK_THAT(next("failed"), Catch::Contains("given up"));

    json::object under_way = message("queued");
    under_way["under_way"] = true;
    const auto comes_next = [&] { return message_story(ApiView{under_way}, Terminal{}, now); };
    CHECK_THAT(comes_next(), Catch::Contains("an attempt is under way\n"));
    under_way["asked"] = "hold";
    CHECK_THAT(comes_next(), Catch::Contains("held as soon as the attempt under way ends\n"));
    under_way["asked"] = "delete";
    CHECK_THAT(comes_next(), Catch::Contains("deleted as soon as the attempt under way ends\n"));
}

TEST_CASE("a message's story tells which smarthost was tried before, and why it went on",
          "[relay]") {
    json::object object = message("delivered");
    object["history"] = json::parse(R"([
        {"at":"2026-11-24T11:59:00.000Z","smarthost":"first","remote":null,"tls":null,
         "stage":"connect","outcome":"failover","reply":null,
         "problem":"first.example:587: connection refused","ms":0},
        {"at":"2026-11-24T11:59:01.000Z","smarthost":"second","remote":"192.0.2.2:587",
         "tls":"TLSv1.3","stage":"final-dot","outcome":"delivered","reply":"250 Ok",
         "problem":null,"ms":1200}])");
    CHECK_THAT(message_story(ApiView{object}, Terminal{}, now),
               Catch::Contains("failover  first at connect: first.example:587: connection refused; "
                               "the next one was tried at once\n") &&
                   Catch::Contains("delivered second (192.0.2.2:587) TLSv1.3 at final-dot after "
                                   "1.2s: 250 Ok\n"));
}

TEST_CASE("mail that only waits says for what", "[relay]") {
    json::object waiting = message("queued");
    waiting["last_attempt"] = nullptr;
    json::object& recipient = waiting["recipients"].as_array()[0].as_object();
    recipient["reply"] = nullptr;
    recipient["problem"] = "no route to the smarthost";
    json::array messages;
    messages.push_back(waiting);
    CHECK_THAT(message_table(messages, Terminal{}, now),
               Catch::Contains("no route to the smarthost"));
}

TEST_CASE("status is shown with what there is, and does without the rest", "[relay]") {
    json::value status = json::parse(R"({
        "running":true,"ready":true,"version":"1.2.3","uptime_seconds":120,
        "config_file":"relay.toml","listener":{"addresses":["127.0.0.1:2525","[::1]:2525"],
            "connections":1,"connections_total":5,"connections_refused":0,
            "messages_accepted":10,"messages_refused":2,"bytes_accepted":1024},
        "last_minute":{"accepted":4,"delivered":7},
        "verdict":{"code":"outbound-25-dropped","summary":"Port 25 is closed."},
        "smarthosts":[{"name":"example","host":"smtp.example.com","port":587,"health":"paused",
            "problem":"535 5.7.8 No","since":"2026-11-24T11:59:00.000Z",
            "next_attempt":"2026-11-24T12:01:00.000Z"}],
        "queue":{"queued":3,"held":1,"unknown":0,"delivered":9,"failed":0,"bytes":4096,
            "oldest":"2026-11-24T11:00:00.000Z","free_bytes":1048576}})");
    const std::string text = status_text(ApiView{status.as_object()}, Terminal{}, now);
    for (const char* part :
         {"1.2.3", "127.0.0.1:2525, [::1]:2525", "10 accepted, 1.0 KiB; 2 refused",
          "last minute 4 messages accepted, 7 recipients delivered",
          "outbound-25-dropped: Port 25 is closed.",
          "example (smtp.example.com:587) paused for 1m: 535 5.7.8 No; next try in 1m",
          "3 queued, 1 held", "9 delivered"}) {
        CHECK_THAT(text, Catch::Contains(part));
    }
    CHECK_THAT(text, Catch::Contains("1.2.3, up 2m\n"));
    json::object& object = status.as_object();
    object["uptime_seconds"] = 0;
    CHECK_THAT(status_text(ApiView{object}, Terminal{}, now - std::chrono::hours{2}),
               Catch::Contains("1.2.3, just started\n") &&
                   Catch::Contains("the oldest has waited for 0ms\n"));
    object["verdict"] = nullptr;
    object["probing"] = true;
    CHECK_THAT(status_text(ApiView{object}, Terminal{}, now),
               Catch::Contains("port 25     not looked at yet\n"));
    object["probing"] = false;
    CHECK_THAT(status_text(ApiView{object}, Terminal{}, now),
               Catch::Contains("port 25     not looked at: probe.enabled is false\n"));
    const json::object empty;
    CHECK(status_text(ApiView{empty}, Terminal{}, now) == "relay       not running\n");
}

TEST_CASE("selections mean what waits, unless said otherwise", "[relay]") {
    SelectionOptions options;
    CHECK(options.problem().has_value());
    options.all = true;
    CHECK_FALSE(options.problem().has_value());
    CHECK(options.body() == R"({"all":true,"state":"queued,held,unknown"})");
    options.ids = {"35bt20v96png"};
    CHECK(options.problem().has_value());
    options = {};
    options.to = "*@example.com";
    options.state = "held";
    CHECK(options.query() == "state=held&to=%2A%40example.com");
    CHECK(options.words() == "to *@example.com is held");
}
