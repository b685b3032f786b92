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
