#include "diagnose/report_html.hpp"

#include "diagnose/html_path.hpp"
#include "diagnose/html_text.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/sample_reports.hpp"

using namespace diagnose;

namespace {

// What stands outside the style sheet.
std::string body_of(const std::string& page) { return page.substr(page.find("</style>")); }

std::string tracks(const PathPicture& path, bool control) {
    std::string letters;  // Passes, Arrives, Answered (!), Stops (x), gone (.)
    for (const PathRow& row : path_rows(path)) {
        letters += "PA!x."[static_cast<std::size_t>(control ? row.control : row.direct)];
    }
    return letters;
}

PathPicture picture(std::optional<int> direct, std::optional<int> control) {
    PathPicture path;
    path.target = "mx.example.org";
    path.control_port = 587;
    path.hops = {
        {1, "192.0.2.1", true, true}, {2, "", false, false}, {3, "192.0.2.3", false, true}};
    path.reached_direct = direct;
    path.reached_control = control;
    return path;
}

}  // namespace

TEST_CASE("every situation makes a page with all that the report says", "[diagnose]") {
    for (const samples::Sample& sample : samples::all()) {
        CAPTURE(sample.name);
        const std::string page = report_html(sample.report, "relay diagnose");
        CHECK(page.starts_with("<!doctype html>\n"));
        CHECK(page.ends_with("</html>\n"));
        const std::string body = body_of(page);
        CHECK_THAT(body, Catch::Contains("<h1>" + html_escaped(sample.report.verdict.summary)));
        for (const Fix& fix : sample.report.fixes) {
            CHECK_THAT(body, Catch::Contains(html_escaped(fix.title)));
            CHECK_THAT(body, Catch::Contains(html_escaped(fix.config.substr(0, 11))));
        }
        for (const Check& check : sample.report.checks) {
            CHECK_THAT(body, Catch::Contains(html_escaped(check.title)));
        }
    }
}

TEST_CASE("the page fetches nothing and runs nothing", "[diagnose]") {
    for (const samples::Sample& sample : samples::all()) {
        const std::string page = report_html(sample.report, "relay diagnose");
        CAPTURE(sample.name);
        for (const char* bad : {"<script", "<img", "<link", "<iframe", "src=", "url(", "@import"}) {
            CHECK(page.find(bad) == std::string::npos);
        }
        CHECK_THAT(page, Catch::Contains("default-src 'none'"));
    }
}

TEST_CASE("a stranger's text stays text wherever it stands", "[diagnose]") {
    const std::string page = report_html(samples::hostile(), "relay diagnose </pre><script>");
    const std::string body = body_of(page);
    CHECK(page.find("<script") == std::string::npos);
    CHECK(page.find("<img") == std::string::npos);
    CHECK(page.find('\x1b') == std::string::npos);
    CHECK_THAT(body,
               Catch::Contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;&lt;img"));
    // No attribute holds a stranger's quotation mark either.
    CHECK(body.find("\"'") == std::string::npos);
}

TEST_CASE("links are web addresses alone, and commands are marked", "[diagnose]") {
    CHECK(html_sentence("See https://example.org/a?b=1&c=2.") ==
          "See <a href=\"https://example.org/a?b=1&amp;c=2\" rel=\"noreferrer\">"
          "https://example.org/a?b=1&amp;c=2</a>.");
    CHECK(html_sentence("javascript:alert(1) http-equiv") == "javascript:alert(1) http-equiv");
    CHECK(html_sentence("https://a\"onclick=x") ==
          "<a href=\"https://a\" rel=\"noreferrer\">https://a</a>&quot;onclick=x");
    CHECK(html_sentence("run `ip route <x>` now") == "run <code>ip route &lt;x&gt;</code> now");
    CHECK(html_sentence("one ` alone") == "one ` alone");
}

TEST_CASE("the picture ends each line where the port ends", "[diagnose]") {
    CHECK(tracks(picture(std::nullopt, 4), false) == "PPx..");
    CHECK(tracks(picture(std::nullopt, 4), true) == "PPPPA");
    CHECK(tracks(picture(4, 4), false) == "PPPPA");
    CHECK(tracks(picture(2, 5), false) == "PP!...");  // a proxy answers at hop 2
    CHECK(tracks(picture(std::nullopt, std::nullopt), true) == "PPPPx");
    PathPicture nothing;
    nothing.target = "mx.example.org";
    CHECK(tracks(nothing, false) == "Px");
    nothing.reached_control = 1000000;  // a far end that lies costs no memory
    CHECK(path_rows(nothing).size() == 65);
}
