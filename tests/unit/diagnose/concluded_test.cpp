#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "diagnose/report_text.hpp"
#include "diagnose/report_words.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/seen.hpp"

// What people read at the end, concluded from what was seen: the words of all parts together.

using namespace diagnose;

namespace {

struct Story {
    std::string name;
    Observations seen;
};

Observations with_cloud(std::string_view id) {
    Observations all = seen::network("dropped", "open");
    all.host.cloud = seen::cloud(id);
    all.host.cloud_certain = true;
    all.host.cloud_how = "DMI sys_vendor";
    all.host.public_addresses = {"203.0.113.80"};
    return all;
}

Observations home_with_smarthost() {
    Observations all = seen::network("dropped", "open");
    all.host.residential = true;
    all.host.ptr = "p1.dynamic.isp.example";
    seen::add_smarthost(all, smtp::Stage::rcpt, 250, "OK");
    return all;
}

Observations wrong_password() {
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, smtp::Stage::auth, 535, "5.7.8 Error: authentication failed");
    return all;
}

Observations local_rule() {
    Observations all = seen::network("dropped", "open");
    RuleMatch rule;
    rule.tool = "nftables";
    rule.family = "inet";
    rule.table = "filter";
    rule.chain = rule.base_chain = rule.hook = "output";
    rule.rule = "tcp dport 25 drop";
    rule.names_port = true;
    rule.remove = "nft delete rule inet filter output handle 12";
    all.local.rules_read = true;
    all.local.rule = rule;
    return all;
}

Observations own_drop_without_root() {
    Observations all = seen::network("dropped", "open");
    all.local.counter_read = true;
    all.local.retransmissions = all.local.failed_retransmissions = 2;
    return all;
}

Observations masked() {
    Observations all = seen::network("open", "open");
    for (PortEvidence& item : all.ports) {
        if (item.role == ProbeRole::direct) item.identity = Identity::masked;
    }
    return all;
}

Observations reset_nearby() {
    Observations all = seen::network("rejected", "open");
    AnswerPair pair;
    pair.target = "mx.Google.example";
    pair.address = "192.0.2.1";
    pair.direct.port = 25;
    pair.direct.result = ConnectResult::refused;
    pair.direct.ttl = 63;
    pair.control.port = 443;
    pair.control.result = ConnectResult::open;
    pair.control.ttl = 62;
    all.answers = {pair};
    return all;
}

Observations families_differ() {
    Observations all = seen::network("genuine", "open");
    all.route_v6 = true;
    for (const std::string_view name : seen::operators) {
        PortEvidence item = seen::port(ProbeRole::direct, name, 25, "dropped");
        item.family = net::Family::ipv6;
        item.address = "2001:db8::1";
        all.ports.push_back(item);
    }
    return all;
}

Observations no_network() {
    Observations all;
    for (const std::string_view name : seen::operators) {
        PortEvidence item = seen::port(ProbeRole::direct, name, 25, "unreachable");
        item.connect = ConnectResult::no_route;
        all.ports.push_back(item);
    }
    return all;
}

Observations dead_names() {
    Observations all = seen::network("dns", "dns", "dns");
    PortEvidence literal = seen::port(ProbeRole::address, "192.0.2.99", 443, "open");
    all.ports.push_back(literal);
    return all;
}

Observations own_target() {
    Observations all;
    all.route_v4 = true;
    all.probe.targets = {"mx.example.com:25"};
    PortEvidence item = seen::port(ProbeRole::direct, "mx.example.com", 25, "genuine");
    item.host = "mx.example.com";
    all.ports = {item};
    all.direct_path = true;
    return all;
}

std::vector<Story> stories() {
    return {{"open", seen::network("genuine", "open")},
            {"ec2", with_cloud("aws-ec2")},
            {"google-cloud", with_cloud("gcp")},
            {"home-with-smarthost", home_with_smarthost()},
            {"wrong-password", wrong_password()},
            {"refused", seen::network("refusing", "open")},
            {"local-rule", local_rule()},
            {"own-drop-without-root", own_drop_without_root()},
            {"hopeless", seen::network("dropped", "dropped")},
            {"masked", masked()},
            {"reset-nearby", reset_nearby()},
            {"families-differ", families_differ()},
            {"no-network", no_network()},
            {"dead-names", dead_names()},
            {"own-target", own_target()}};
}

// RELAY_WRITE_EXPECTED=1 writes the files instead, to be read before they are committed.
std::string expected(const std::string& name, const std::string& actual) {
    const std::filesystem::path file = std::filesystem::path{RELAY_SOURCE_DIR} /
                                       "tests/unit/diagnose/reports/concluded" / (name + ".txt");
    if (std::getenv("RELAY_WRITE_EXPECTED") != nullptr) std::ofstream{file} << actual;
    std::ostringstream content;
    content << std::ifstream{file}.rdbuf();
    return content.str();
}

// Without what stands between backticks.
std::string bare(const std::string& step) {
    std::string text;
    bool inside = false;
    for (const char c : step) {
        if (c == '`') {
            inside = !inside;
        } else if (!inside) {
            text += c;
        }
    }
    CHECK_FALSE(inside);
    return text;
}

}  // namespace

TEST_CASE("each situation is told in words that were read and found good", "[diagnose]") {
    for (const Story& story : stories()) {
        CAPTURE(story.name);
        TextStyle style;
        style.width = 80;
        style.retest = "relay diagnose";
        const std::string text = report_text(conclude(story.seen), style);
        CHECK(text == expected(story.name, text));
    }
}

TEST_CASE("commands in advice stand between backticks, to be copied whole", "[diagnose]") {
    constexpr std::array commands{"relay diagnose", "relay check", "nft ",       "iptables ",
                                  "systemctl ",     "ip route",    "ip address", "getent ",
                                  "resolvectl ",    "sudo ",       "postconf ",  "timedatectl"};
    for (const Story& story : stories()) {
        for (const Fix& fix : conclude(story.seen).fixes) {
            for (const std::string& step : fix.steps) {
                CAPTURE(story.name, step);
                for (const char* command : commands) {
                    CHECK_THAT(bare(step), !Catch::Contains(command));
                }
            }
        }
    }
}

TEST_CASE("a report says nothing twice", "[diagnose]") {
    for (const Story& story : stories()) {
        CAPTURE(story.name);
        const Report report = conclude(story.seen);
        for (const WayOut& way : ways_out(report)) {
            CHECK(report.verdict.summary.find(way.text) == std::string::npos);
            CHECK(way.text.find(report.verdict.summary) == std::string::npos);
        }
        for (const SmarthostReport& smarthost : report.smarthosts) {
            if (smarthost.explained.empty()) continue;
            const std::string text = report_text(report, {});
            CHECK(text.find(smarthost.explained) == text.rfind(smarthost.explained));
        }
    }
}

TEST_CASE("silence that was listened to for a moment only makes no certainty", "[diagnose]") {
    Observations all = seen::network("dropped", "open");
    CHECK(conclude(all).verdict.confidence == Confidence::certain);
    for (PortEvidence& item : all.ports) item.took = base::Duration{700};
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::outbound_25_dropped);
    CHECK(report.verdict.confidence == Confidence::likely);
}
