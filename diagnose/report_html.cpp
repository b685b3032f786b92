#include "diagnose/report_html.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "base/units.hpp"
#include "diagnose/html_path.hpp"
#include "diagnose/html_text.hpp"
#include "diagnose/report_words.hpp"

namespace diagnose {

namespace {

std::string element(std::string_view name, std::string_view html) {
    return fmt::format("<{0}>{1}</{0}>\n", name, html);
}

std::string section(std::string_view title, const std::string& html) {
    if (html.empty()) return "";
    return fmt::format("<section>\n<h2>{}</h2>\n{}</section>\n", html_escaped(title), html);
}

std::string badge(CheckStatus status, std::string_view words) {
    return fmt::format("<span class=\"badge {}\">{}</span>", status_name(status), words);
}

// The policy is the page's own promise: whatever a stranger's text held, nothing could run or be
// fetched.
std::string head_html(const Report& report) {
    return fmt::format(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n"
        "<meta name=\"referrer\" content=\"no-referrer\">\n"
        "<title>{}: {}</title>\n<style>\n{}</style>\n</head>\n",
        html_escaped(report.host.hostname.empty() ? "relay diagnose" : report.host.hostname),
        html_escaped(report.verdict.summary), report_css());
}

std::string headline_html(const Report& report) {
    const std::string_view mood = report.good                                        ? "good"
                                  : report.verdict.code == VerdictCode::inconclusive ? "unknown"
                                                                                     : "bad";
    return fmt::format(
        "<header class=\"{}\">\n<p>relay diagnose</p>\n<h1>{}</h1>\n<p>{}</p>\n</header>\n", mood,
        html_escaped(report.verdict.summary), html_escaped(verdict_words(report)));
}

std::string ways_html(const Report& report) {
    std::string html;
    for (const WayOut& way : ways_out(report)) {
        const std::string explained =
            way.explained.empty() ? "" : element("p", html_sentence(way.explained));
        html += fmt::format("<li>{}<div><b>{}</b><p>{}</p>{}</div></li>\n",
                            badge(way.status, way_words(way.status)), html_escaped(way.name),
                            html_escaped(way.text), explained);
    }
    return html.empty() ? "" : fmt::format("<ul class=\"ways\">\n{}</ul>\n", html);
}

std::string definition(std::string_view term, const std::string& text) {
    if (text.empty()) return "";
    return fmt::format("<dt>{}</dt><dd>{}</dd>\n", term, html_sentence(text));
}

std::string cause_html(const Report& report) {
    if (!has_cause(report.cause)) return "";
    return fmt::format("<dl>\n{}{}{}</dl>\n", definition("Who", who_words(report.cause)),
                       definition("Where", where_words(report)),
                       definition("Policy", policy_words(report)));
}

std::string paths_html(const Report& report) {
    std::string html;
    for (const PathPicture& path : report.paths) html += path_html(path);
    return html;
}

std::string steps_html(const Fix& fix) {
    std::string html;
    for (const std::string& step : fix.steps) html += element("li", html_sentence(step));
    if (html.empty()) return "";
    const std::string_view list = is_warning(fix) ? "ul" : "ol";
    return fmt::format("<{0}>\n{1}</{0}>\n", list, html);
}

// A click selects the whole block (user-select: all), so that it is copied without a script.
std::string config_html(const std::string& config) {
    if (config.empty()) return "";
    std::string text;
    for (const std::string_view line : base::split(base::trim(config), '\n')) {
        text += html_escaped(line) + "\n";
    }
    return fmt::format("<pre class=\"config\" title=\"one click selects all of it\">{}</pre>\n",
                       text);
}

std::string fixes_html(const Report& report) {
    std::string html;
    for (const Fix& fix : report.fixes) {
        html += fmt::format("<div class=\"fix{}\">\n<h3>{}</h3>\n{}{}</div>\n",
                            is_warning(fix) ? " warning" : "", html_escaped(fix.title),
                            steps_html(fix), config_html(fix.config));
    }
    return html;
}

std::string findings_html(const Report& report) {
    std::string html;
    for (const Finding& finding : report.findings) {
        if (said_in_headline(report, finding)) continue;
        html += fmt::format("<li>{} <code>{}</code></li>\n", html_sentence(finding.summary),
                            html_escaped(finding.code));
    }
    return html.empty() ? "" : fmt::format("<ul>\n{}</ul>\n", html);
}

std::string evidence_html(const Check& check) {
    std::string html;
    for (const Evidence& item : check.evidence) {
        std::string details;
        for (const std::string& line : evidence_details(item)) {
            details += fmt::format("<br><span class=\"detail\">{}</span>", html_escaped(line));
        }
        html += fmt::format("<li>{}{}</li>\n", html_escaped(evidence_words(item)), details);
    }
    return html.empty() ? "" : fmt::format("<ul class=\"evidence\">\n{}</ul>\n", html);
}

// Those that failed are open from the start.
std::string checks_html(const Report& report) {
    std::string html;
    for (const Check& check : report.checks) {
        const std::string line = fmt::format(
            "{}<span><b>{}</b> {}</span>", badge(check.status, status_words(check.status)),
            html_escaped(check.title), html_sentence(check.summary));
        const std::string evidence = evidence_html(check);
        if (evidence.empty()) {
            html += fmt::format("<div class=\"check\">{}</div>\n", line);
            continue;
        }
        html += fmt::format("<details{}>\n<summary>{}</summary>\n{}</details>\n",
                            check.status == CheckStatus::fail ? " open" : "", line, evidence);
    }
    return html;
}

std::string footer_html(const Report& report) {
    std::vector<std::string> words;
    if (!report.host.hostname.empty()) words.push_back(report.host.hostname);
    if (!report.host.platform.empty()) words.push_back(report.host.platform);
    for (const std::string& address : report.host.public_addresses) words.push_back(address);
    words.push_back(base::format_iso8601(report.started));
    words.push_back("took " + base::human_duration(report.took));
    return fmt::format("<footer>{}</footer>\n", html_escaped(base::join(words, " · ")));
}

std::string retest_html(const Report& report, const std::string& command) {
    if (!worth_a_retest(report) || command.empty()) return "";
    return fmt::format("<pre class=\"config\">{}</pre>\n", html_escaped(command));
}

}  // namespace

std::string report_html(const Report& report, const std::string& command) {
    std::string html = head_html(report) + "<body>\n<main>\n" + headline_html(report);
    html += section("Ways out", ways_html(report));
    html += section("Cause", cause_html(report));
    html += section("Where on the path", paths_html(report));
    html += section("What to do", fixes_html(report));
    html += section("Test again", retest_html(report, command));
    html += section("Also found", findings_html(report));
    html += section("Checks", checks_html(report));
    return html + footer_html(report) + "</main>\n</body>\n</html>\n";
}

}  // namespace diagnose
