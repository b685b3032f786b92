#include "diagnose/report_text.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/columns.hpp"
#include "base/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/sample_reports.hpp"

using namespace diagnose;

namespace {

// RELAY_WRITE_EXPECTED=1 writes the files instead, to be read before they are committed.
std::string expected(const std::string& name, const std::string& actual) {
    const std::filesystem::path file =
        std::filesystem::path{RELAY_SOURCE_DIR} / "tests/unit/diagnose/reports" / (name + ".txt");
    if (std::getenv("RELAY_WRITE_EXPECTED") != nullptr) std::ofstream{file} << actual;
    std::ostringstream content;
    content << std::ifstream{file}.rdbuf();
    return content.str();
}

TextStyle folded_at(std::size_t width) {
    TextStyle style;
    style.width = width;
    style.retest = "relay diagnose";
    return style;
}

}  // namespace

TEST_CASE("each situation reads as was agreed", "[diagnose]") {
    for (const samples::Sample& sample : samples::all()) {
        CAPTURE(sample.name);
        TextStyle style = folded_at(80);
        // Half of them with evidence, so that both forms are read.
        style.evidence = sample.name.size() % 2 == 0;
        const std::string text = report_text(sample.report, style);
        CHECK(text == expected(sample.name, text));
    }
}

TEST_CASE("lines fit the terminal but for what must stay whole", "[diagnose]") {
    const std::size_t width = GENERATE(40u, 60u, 80u, 120u);
    for (const samples::Sample& sample : samples::all()) {
        TextStyle style = folded_at(width);
        style.evidence = true;
        const std::string text = report_text(sample.report, style);
        for (const std::string_view line : base::split(text, '\n')) {
            CAPTURE(sample.name, line);
            const bool config = line.starts_with("      ") && line.find(" = ") != line.npos;
            const bool one_word = base::trim(line).find(' ') == std::string_view::npos;
            const bool command = std::count(line.begin(), line.end(), '`') >= 2;
            CHECK((base::display_width(line) <= width || config || one_word || command));
        }
    }
}

TEST_CASE("a pipe gets no folding, no colour and the same words", "[diagnose]") {
    for (const samples::Sample& sample : samples::all()) {
        CAPTURE(sample.name);
        const std::string text = report_text(sample.report, TextStyle{});
        CHECK(text.find('\x1b') == std::string::npos);
        CHECK(text.starts_with(sample.report.verdict.summary + "\n"));
        TextStyle colors;
        colors.color = true;
        std::string plain = report_text(sample.report, colors);
        for (std::size_t at; (at = plain.find('\x1b')) != std::string::npos;) {
            plain.erase(at, plain.find('m', at) - at + 1);
        }
        CHECK(plain == text);
    }
}

TEST_CASE("a stranger's escape sequences do not reach the terminal", "[diagnose]") {
    TextStyle style = folded_at(80);
    style.evidence = true;
    const std::string text = report_text(samples::hostile(), style);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK_THAT(text, Catch::Contains("\\x1b[31m"));
}

TEST_CASE("a report says each thing once", "[diagnose]") {
    const std::string blocked = "Port 25 is blocked.", retype = "Enter both again.";
    const auto times = [](const std::string& text, const std::string& part) {
        std::size_t count = 0;
        for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) {
            ++count;
        }
        return count;
    };
    Report report;
    report.verdict.code = VerdictCode::outbound_25_dropped;
    report.verdict.summary = blocked;
    report.direct = {VerdictCode::outbound_25_dropped, blocked, VerdictCode::outbound_25_dropped,
                     std::nullopt};
    CHECK(times(report_text(report, TextStyle{}), blocked) == 1);

    report.findings = {{"reputation", blocked}};
    const std::string found = report_text(report, TextStyle{});
    CHECK(times(found, blocked) == 1);
    CHECK(times(found, "Also found") == 0);

    SmarthostReport smarthost;
    smarthost.name = smarthost.host = "smtp.example.com";
    smarthost.code = VerdictCode::smarthost_auth;
    smarthost.explained = retype;
    report.smarthosts.push_back(smarthost);
    report.cause.policy = retype;
    CHECK(times(report_text(report, TextStyle{}), retype) == 1);
    Fix fix;
    fix.title = "Make it work";
    fix.steps = {retype};
    report.fixes.push_back(fix);
    CHECK(times(report_text(report, TextStyle{}), retype) == 1);
}

TEST_CASE("an open port 25 that a smarthost makes unused is no contradiction", "[diagnose]") {
    Report report;
    report.verdict.summary = "The smarthost does not accept the sign-in.";
    report.direct = {VerdictCode::ok_direct, "Port 25 is open.", VerdictCode::ok_direct,
                     std::nullopt};
    CHECK_THAT(report_text(report, TextStyle{}), !Catch::Contains("not used"));
    report.smarthosts.resize(1);
    CHECK_THAT(report_text(report, TextStyle{}), Catch::Contains("not used"));
    report.via = "direct";
    CHECK_THAT(report_text(report, TextStyle{}), !Catch::Contains("not used"));
}

TEST_CASE("a report about something else does not say whether mail leaves", "[diagnose]") {
    Report report;
    report.verdict.code = VerdictCode::reputation;
    report.verdict.summary = "The SPF record does not cover the smarthost.";
    report.direct.summary = "Not tested.";
    const std::string text = report_text(report, TextStyle{});
    CHECK_THAT(text, !Catch::Contains("Mail leaves"));
    CHECK_THAT(text, !Catch::Contains("Ways out"));
}
