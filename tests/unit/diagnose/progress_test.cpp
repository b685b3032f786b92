#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <map>

#include "diagnose/domain/domain.hpp"
#include "diagnose/domain/recipient.hpp"
#include "diagnose/inbound/inbound.hpp"
#include "diagnose/outbound.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/domain/fake_zone.hpp"

using namespace diagnose;
using diagnose_test::FakeZone;
namespace asio = boost::asio;

namespace {

// What a terminal would show: the lines that are there, and whether each still runs.
struct Lines {
    std::map<std::string, bool> running;
    std::vector<std::string> unknown;  // ended without having begun
    std::vector<std::string> ended;    // in this order

    Progress callbacks() {
        Progress progress;
        progress.began = [this](const std::string& title) { running[title] = true; };
        progress.ended = [this](const Check& check) {
            if (running.count(check.title) == 0) unknown.push_back(check.title);
            running[check.title] = false;
            ended.push_back(check.title);
        };
        return progress;
    }
};

void check_lines(const Lines& lines, const Report& report) {
    CHECK_FALSE(lines.running.empty());
    CHECK(lines.unknown == std::vector<std::string>{});
    for (const auto& [title, running] : lines.running) {
        CAPTURE(title);
        CHECK_FALSE(running);
        CHECK(std::any_of(report.checks.begin(), report.checks.end(),
                          [&title = title](const Check& check) { return check.title == title; }));
    }
}

// A port of this host that answers nothing but the connect, and is gone when the test ends.
struct SilentServer {
    explicit SilentServer(asio::io_context& loop)
        : acceptor(loop, {asio::ip::address_v4::loopback(), 0}) {}
    [[nodiscard]] std::uint16_t port() const { return acceptor.local_endpoint().port(); }
    asio::ip::tcp::acceptor acceptor;
};

}  // namespace

TEST_CASE("each line of an outbound diagnosis ends under the name it began with", "[diagnose]") {
    asio::io_context loop;
    FakeZone zone;
    Lines lines;
    const SilentServer server{loop};
    OutboundAsk ask;
    ask.probe.targets = {"127.0.0.1:" + std::to_string(server.port())};
    for (const char* name : {"one", "two"}) {
        SmarthostAsk smarthost;
        smarthost.name = name;
        smarthost.host = std::string{name} + ".invalid";
        smarthost.ports = {{587, smtp::ClientTls::starttls}};
        ask.smarthosts.push_back(smarthost);
    }
    ask.timeout = std::chrono::seconds{3};
    ask.progress = lines.callbacks();
    const Report report =
        diagnose_test::run(loop, diagnose_outbound(loop.get_executor(), zone, ask));
    CHECK(lines.running.count("Smarthost two") == 1);
    check_lines(lines, report);
    // What waits for the survey has not ended before it.
    const auto survey =
        std::find(lines.ended.begin(), lines.ended.end(), "Port 25 of unrelated mail operators");
    for (const char* title : {"Where this host stands", "This host's own rules for port 25"}) {
        CAPTURE(title);
        CHECK(std::find(lines.ended.begin(), survey, title) == survey);
    }
}

TEST_CASE("each line of the other diagnoses ends under the name it began with", "[diagnose]") {
    asio::io_context loop;
    FakeZone zone;
    zone.exchanger("d.example", 10, "mx.d.example");
    Lines lines;
    SECTION("--domain") {
        DomainAsk ask;
        ask.domain = "d.example";
        ask.progress = lines.callbacks();
        check_lines(lines, diagnose_test::run(
                               loop, diagnose_domain(loop.get_executor(), zone, std::move(ask))));
    }
    SECTION("--to") {
        zone.address("mx.d.example", "10.0.0.1");
        RecipientAsk ask;
        ask.address = "a@d.example";
        ask.ipv4 = false;
        ask.progress = lines.callbacks();
        check_lines(lines,
                    diagnose_test::run(loop, diagnose_recipient(loop.get_executor(), zone, ask)));
    }
    SECTION("--inbound") {
        InboundAsk ask;
        ask.domain = "d.example";
        ask.hostname = "mail.d.example";
        ask.progress = lines.callbacks();
        check_lines(lines,
                    diagnose_test::run(loop, diagnose_inbound(loop.get_executor(), zone, ask)));
    }
}
