#include <algorithm>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "admin/metrics.hpp"
#include "base/text.hpp"
#include "bed.hpp"
#include "tests/support/catch.hpp"

using admin_test::Bed;
using namespace std::chrono_literals;
namespace json = boost::json;

TEST_CASE("a path that is not there, and a method that a path does not take", "[admin]") {
    struct Case {
        const char *method, *target;
        unsigned status;
        const char *code, *allow;
    };
    const Case c = GENERATE(values<Case>({
        {"GET", "/nothing", 404, "not_found", ""},
        {"GET", "/api/v1/status/", 404, "not_found", ""},
        {"GET", "/api/v1", 404, "not_found", ""},
        {"GET", "/../../etc/passwd", 404, "not_found", ""},
        {"GET", "/api/v1/messages/..%2F..%2Fetc", 404, "not_found", ""},
        {"GET", "no-slash", 400, "bad_target", ""},
        {"GET", "/bad%zzescape", 400, "bad_target", ""},
        {"POST", "/metrics", 405, "method_not_allowed", "GET, HEAD"},
        {"PUT", "/api/v1/messages/0123456789ab", 405, "method_not_allowed", "GET, HEAD, DELETE"},
        {"GET", "/api/v1/messages/0123456789ab/hold", 405, "method_not_allowed", "POST"},
        {"POST", "/api/v1/events", 405, "method_not_allowed", "GET, HEAD"},
        {"GET", "/api/v1/diagnose", 405, "method_not_allowed", "POST"},
        {"POST", "/api/v1/diagnose", 503, "not_running", ""},
    }));
    CAPTURE(c.method, c.target);
    Bed bed;
    const admin::ApiResponse response = bed.call(c.method, c.target);
    CHECK(response.status == c.status);
    CHECK(bed.error_code(response) == c.code);
    std::string allow;
    for (const auto& [name, value] : response.headers) {
        if (name == "Allow") allow = value;
    }
    CHECK(allow == c.allow);
}

TEST_CASE("a diagnosis is answered when it has ended, and refused while another runs", "[admin]") {
    Bed bed;
    admin::DiagnosisStart start = admin::DiagnosisStart::started;
    bed.services.diagnose = [&](std::function<void(diagnose::Report)> done) {
        if (start == admin::DiagnosisStart::started) {
            diagnose::Report report;
            report.verdict.summary = "Port 25 is open.";
            report.verdict.code = diagnose::VerdictCode::ok_direct;
            // As a server does: later, on the same loop.
            admin_test::asio::post(bed.loop, [done, report] { done(report); });
        }
        return start;
    };
    const admin::ApiResponse answer = bed.call("POST", "/api/v1/diagnose");
    CHECK(answer.status == 200);
    CHECK(json::parse(answer.body).at("verdict").at("code") == "ok-direct");
    CHECK(json::parse(answer.body).at("schema") == 1);
    start = admin::DiagnosisStart::running;
    CHECK(bed.call("POST", "/api/v1/diagnose").status == 409);
    start = admin::DiagnosisStart::too_soon;
    const admin::ApiResponse refused = bed.call("POST", "/api/v1/diagnose");
    CHECK(refused.status == 429);
    CHECK(bed.error_code(refused) == "too_soon");
    CHECK(refused.headers.at(0).first == "Retry-After");
}

TEST_CASE("messages are listed newest first, page by page, and the last page says so", "[admin]") {
    Bed bed;
    std::vector<std::string> added;
    for (int i = 0; i < 5; ++i) added.push_back(bed.add());
    std::vector<std::string> listed;
    std::string cursor;
    int pages = 0;
    do {
        const json::value page = bed.get("/api/v1/messages?limit=2&cursor=" + cursor);
        for (const auto& message : page.at("messages").as_array()) {
            listed.emplace_back(message.at("id").as_string());
        }
        cursor = page.at("next").is_null() ? "" : std::string(page.at("next").as_string());
        ++pages;
    } while (!cursor.empty());
    std::reverse(added.begin(), added.end());
    CHECK(listed == added);
    CHECK(pages == 3);
    // A page that is exactly full is known to be the last.
    CHECK(bed.get("/api/v1/messages?limit=5").at("next").is_null());
}

TEST_CASE("messages are found by state, address and text", "[admin]") {
    Bed bed;
    Bed::Mail mail;
    mail.to = {"zoe@example.net", "yan@example.net"};
    mail.subject = "Invoice 17 & more";
    const std::string wanted = bed.add(mail);
    bed.add();
    const std::string target = GENERATE("to=*@example.net", "to=zoe%40example.net", "q=Invoice",
                                        "q=17%20%26", "state=queued&to=yan@*",
                                        "from=app@*&q=invoice", "state=held,queued&q=Invoice&to=");
    CAPTURE(target);
    const json::value page = bed.get("/api/v1/messages?" + target);
    REQUIRE(page.at("messages").as_array().size() == 1);
    CHECK(page.at("messages").at(0).at("id").as_string() == wanted);
    CHECK(page.at("messages").at(0).at("recipients").as_array().size() == 2);
    CHECK(bed.get("/api/v1/messages?state=held").at("messages").as_array().empty());
}

TEST_CASE("a wrong parameter is refused with words that name it", "[admin]") {
    struct Case {
        const char *query, *words;
    };
    const Case c = GENERATE(values<Case>({
        {"limit=0", "1 to 1000"},
        {"limit=1001", "1 to 1000"},
        {"limit=-1", "1 to 1000"},
        {"limit=2x", "1 to 1000"},
        {"state=lost", "queued, held, unknown, delivered, failed"},
        {"cursor=zz", "not a message id"},
        {"stat=queued", "\"state\""},
    }));
    CAPTURE(c.query);
    Bed bed;
    const admin::ApiResponse response = bed.call("GET", std::string("/api/v1/messages?") + c.query);
    CHECK(response.status == 400);
    CHECK_THAT(response.body,
               Catch::Contains(json::serialize(json::string(c.words))
                                   .substr(1, json::serialize(json::string(c.words)).size() - 2)));
    CHECK(bed.call("GET", "/api/v1/messages?limit=1000").status == 200);
}

TEST_CASE("a message's story and its content", "[admin]") {
    Bed bed;
    const bool large = GENERATE(false, true);  // past inline_limit it is a file
    CAPTURE(large);
    Bed::Mail mail;
    if (large) mail.content += std::string(9000, 'x') + "\r\n";
    const std::string id = bed.add(mail);

    const json::value message = bed.get("/api/v1/messages/" + id);
    CHECK(message.at("state").as_string() == "queued");
    CHECK(message.at("from").as_string() == "app@example.com");
    CHECK(message.at("size").to_number<std::size_t>() == mail.content.size());
    CHECK(message.at("origin").at("client").as_string() == "127.0.0.1");
    CHECK(message.at("history").as_array().empty());

    const admin::ApiResponse raw = bed.call("GET", "/api/v1/messages/" + id + "/raw");
    CHECK(raw.content_type == "message/rfc822");
    CHECK(raw.file.empty() == !large);
    std::stringstream content;
    content << raw.body;
    if (large) content << std::ifstream{raw.file, std::ios::binary}.rdbuf();
    CHECK(content.str() == mail.content);

    for (const char* missing : {"0000000000a1", "nonsense"}) {
        CHECK(bed.call("GET", std::string("/api/v1/messages/") + missing).status == 404);
        CHECK(bed.call("GET", std::string("/api/v1/messages/") + missing + "/raw").status == 404);
    }
}

TEST_CASE("one message is held, released, retried and deleted", "[admin]") {
    Bed bed;
    const std::string path = "/api/v1/messages/" + bed.add();
    const auto state = [&] { return bed.get(path).at("state").as_string(); };

    CHECK(bed.call("POST", path + "/release").status == 409);
    CHECK(bed.call("POST", path + "/hold").body == "{\"changed\":1}\n");
    CHECK(state() == "held");
    CHECK(bed.get(path).at("due").is_null());
    const admin::ApiResponse refused = bed.call("POST", path + "/retry");
    CHECK(refused.status == 409);
    CHECK_THAT(refused.body, Catch::Contains("release it first"));
    CHECK(bed.call("POST", path + "/release").body == "{\"changed\":1}\n");
    CHECK(state() == "queued");
    const int wakes = bed.wakes;
    CHECK(bed.call("POST", path + "/retry").body == "{\"changed\":1}\n");
    CHECK(bed.wakes == wakes + 1);
    CHECK(bed.call("DELETE", path).body == "{\"changed\":1}\n");
    CHECK(bed.call("GET", path).status == 404);
    CHECK(bed.call("DELETE", path).status == 404);
    CHECK(bed.call("POST", "/api/v1/messages/nonsense/hold").status == 404);
}

TEST_CASE("many messages are changed by ids or by selection", "[admin]") {
    Bed bed;
    Bed::Mail other;
    other.to = {"b@example.net"};
    const std::string first = bed.add();
    const std::string second = bed.add();
    bed.add(other);
    const std::string hold = "/api/v1/messages/hold";

    const std::string ids = first + R"(","0000000000a1",")" + first;  // one of them twice
    CHECK(bed.call("POST", hold, R"({"ids":[")" + ids + R"("]})").body == "{\"changed\":1}\n");
    CHECK(bed.call("POST", hold, R"({"to":"*@example.net"})").body == "{\"changed\":1}\n");
    CHECK(bed.get("/api/v1/stats").at("held").to_number<int>() == 2);
    CHECK(bed.call("POST", "/api/v1/messages/release", R"({"all":true,"state":"held"})").body ==
          "{\"changed\":2}\n");
    CHECK(bed.call("POST", "/api/v1/messages/delete", R"({"all":true})").body ==
          "{\"changed\":3}\n");
    CHECK(bed.get("/api/v1/messages").at("messages").as_array().empty());
}

TEST_CASE("a selection that says nothing changes nothing", "[admin]") {
    Bed bed;
    bed.add();
    std::string ids = "{\"ids\":[";
    for (int i = 0; i <= 10000; ++i) ids += std::string(i == 0 ? "" : ",") + "\"0000000000a1\"";
    const std::string body = GENERATE_COPY(
        std::string(""), std::string("{}"), std::string("[]"), std::string("{\"all\":false}"),
        std::string("{\"to\":\"\"}"), std::string("{\"ids\":[]}"), std::string("{\"ids\":[17]}"),
        std::string("{\"ids\":[\"short\"]}"), std::string("{\"al\":true}"),
        std::string("{\"all\":1}"), std::string("{\"all\":true,\"state\":\"lost\"}"),
        std::string("{\"all\":true,\"ids\":[\"0000000000a1\"]}"), ids + "]}");
    CAPTURE(body.substr(0, 60));
    const admin::ApiResponse response = bed.call("POST", "/api/v1/messages/delete", body);
    CHECK(response.status == 400);
    CHECK(bed.error_code(response) == "bad_request");
    CHECK(bed.get("/api/v1/messages").at("messages").as_array().size() == 1);
}

TEST_CASE("bytes that are no UTF-8 and control characters leave as valid JSON", "[admin]") {
    Bed bed;
    Bed::Mail mail;
    mail.subject = std::string("bad \xff\xc3(\xed\xa0\x80 \x1b[31m \"quote\" </script>\n") +
                   "\xf0\x9f\x93\xa7";
    const std::string id = bed.add(mail);
    const std::string body = bed.call("GET", "/api/v1/messages/" + id).body;
    CHECK(base::is_valid_utf8(body));
    CHECK(body.find('\x1b') == std::string::npos);
    const std::string subject{json::parse(body).at("subject").as_string()};
    CHECK(subject ==
          "bad \xEF\xBF\xBD\xEF\xBF\xBD(\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD \x1b[31m \"quote\" "
          "</script>\n\xf0\x9f\x93\xa7");
}

TEST_CASE("ready only when mail can be taken", "[admin]") {
    Bed bed;
    bool ready = true;
    admin::ListenerStatus listener;
    listener.addresses = {"127.0.0.1:2525"};
    bed.services.ready = [&] { return ready; };
    bed.services.listener = [&] { return listener; };
    CHECK(bed.call("GET", "/healthz").body == "ok\n");
    CHECK(bed.call("GET", "/readyz").status == 200);
    ready = false;
    listener.addresses.clear();
    const admin::ApiResponse response = bed.call("GET", "/readyz");
    CHECK(response.status == 503);
    CHECK(json::parse(response.body).at("reasons").as_array().size() == 2);
    CHECK(bed.call("GET", "/healthz").status == 200);
}

namespace {

void fill_services(Bed& bed) {
    bed.services.listener = [] {
        admin::ListenerStatus listener;
        listener.addresses = {"127.0.0.1:2525"};
        listener.connections_total = 7;
        listener.messages_accepted = 5;
        return listener;
    };
    bed.services.delivery = [] {
        delivery::SmarthostStatus smarthost;
        smarthost.name = "smart \"host\"\n";
        smarthost.host = "smtp.example.com";
        smarthost.port = 587;
        smarthost.health = delivery::Health::paused;
        smarthost.problem = "sign-in refused";
        smarthost.delivered = 3;
        delivery::Status status;
        status.smarthosts.push_back(smarthost);
        status.active = 2;
        return status;
    };
    bed.services.verdict = [] {
        diagnose::StartupVerdict verdict;
        verdict.code = diagnose::VerdictCode::outbound_25_dropped;
        verdict.summary = "Port 25 is closed.";
        diagnose::SmarthostPorts ports;
        ports.name = "example";
        ports.ports.push_back({587, "open"});
        verdict.smarthosts.push_back(ports);
        return verdict;
    };
}

// "name{labels} value" lines by their name and labels; fails on a line of another shape.
std::map<std::string, std::string> parse_metrics(const std::string& text) {
    std::map<std::string, std::string> samples;
    std::set<std::string> typed;
    for (const std::string_view line : base::split(text, '\n')) {
        if (line.empty() || line.starts_with("# HELP ")) continue;
        if (line.starts_with("# TYPE ")) {
            const auto words = base::split(line, ' ');
            REQUIRE(words.size() == 4);
            CHECK(typed.insert(std::string(words[2])).second);
            CHECK((words[3] == "counter") == words[2].ends_with("_total"));
            continue;
        }
        const auto blank = line.rfind(' ');
        REQUIRE(blank != std::string_view::npos);
        const std::string_view sample = line.substr(0, blank);
        CHECK(sample.starts_with("relay_"));
        CHECK(typed.contains(std::string(sample.substr(0, sample.find('{')))));
        samples[std::string(sample)] = std::string(line.substr(blank + 1));
    }
    return samples;
}

}  // namespace

TEST_CASE("metrics are Prometheus text with every number of the status", "[admin]") {
    Bed bed;
    fill_services(bed);
    bed.add();
    const admin::ApiResponse response = bed.call("GET", "/metrics");
    CHECK(response.content_type == "text/plain; version=0.0.4; charset=utf-8");
    auto samples = parse_metrics(response.body);
    CHECK(samples["relay_build_info{version=\"1.2.3\"}"] == "1");
    CHECK(samples["relay_queue_messages{state=\"queued\"}"] == "1");
    CHECK(samples["relay_queue_messages{state=\"held\"}"] == "0");
    CHECK(samples["relay_connections_total"] == "7");
    CHECK(samples["relay_messages_accepted_total"] == "5");
    CHECK(samples["relay_spool_synced_messages_total"] == "1");
    CHECK(samples["relay_deliveries_active"] == "2");
    CHECK(samples["relay_smarthost_up{smarthost=\"smart \\\"host\\\"\\n\"}"] == "0");
    CHECK(samples["relay_smarthost_paused{smarthost=\"smart \\\"host\\\"\\n\"}"] == "1");
    CHECK(samples["relay_deliveries_total{smarthost=\"smart \\\"host\\\"\\n\",outcome="
                  "\"delivered\"}"] == "3");
    CHECK(samples["relay_port25_verdict_info{code=\"outbound-25-dropped\"}"] == "1");
    CHECK(std::stod(samples["relay_spool_free_bytes"]) > 0);
    CHECK(samples.contains("relay_queue_oldest_age_seconds"));
}

TEST_CASE("a clock that was set back makes nothing younger than nothing", "[admin]") {
    Bed bed;
    bed.services.started = base::SystemClock{}.now() + 2h;
    CHECK(bed.get("/api/v1/status").at("uptime_seconds").as_int64() == 0);
    CHECK_THAT(bed.call("GET", "/").body, Catch::StartsWith("relay 1.2.3, just started\n"));
    bed.services.started_uptime = base::uptime() - 90s;
    CHECK(bed.get("/api/v1/status").at("uptime_seconds").as_int64() == 90);
    CHECK_THAT(bed.call("GET", "/").body, Catch::StartsWith("relay 1.2.3, up 1m 30s\n"));

    admin::Snapshot snapshot;
    const base::Time now = base::SystemClock{}.now();
    snapshot.queue.oldest = now + 2h;
    auto samples = parse_metrics(admin::metrics_text(bed.services, snapshot, now));
    CHECK(samples["relay_queue_oldest_age_seconds"] == "0");
}

TEST_CASE("status has every part, and does without the parts that do not run", "[admin]") {
    Bed bed;
    json::value status = bed.get("/api/v1/status");
    CHECK(status.at("listener").is_null());
    CHECK(status.at("verdict").is_null());
    CHECK(status.at("smarthosts").as_array().empty());
    fill_services(bed);
    status = bed.get("/api/v1/status");
    CHECK(status.at("version").as_string() == "1.2.3");
    CHECK(status.at("ready").as_bool());
    CHECK(status.at("listener").at("messages_accepted").to_number<int>() == 5);
    CHECK(status.at("verdict").at("code").as_string() == "outbound-25-dropped");
    CHECK(status.at("verdict").at("smarthosts").at(0).at("ports").at("587").as_string() == "open");
    CHECK(status.at("smarthosts").at(0).at("health").as_string() == "paused");
    CHECK(status.at("active").to_number<int>() == 2);
    CHECK(status.at("queue").at("queued").to_number<int>() == 0);
    const admin::ApiResponse overview = bed.call("GET", "/");
    CHECK(overview.content_type == "text/plain; charset=utf-8");
    CHECK_THAT(overview.body, Catch::Contains("Port 25 is closed."));
    CHECK_THAT(overview.body, Catch::Contains("paused, sign-in refused"));
}
