#include "diagnose/report_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "base/columns.hpp"
#include "base/text.hpp"
#include "diagnose/report_words.hpp"

namespace diagnose {

namespace {

constexpr std::size_t longest = 4000;   // bytes of any one text
constexpr std::size_t mark_width = 16;  // "could not test" and two blanks
constexpr std::size_t least_room = 16;
constexpr std::size_t narrow = 70;  // columns below which evidence moves to the left

enum class Look : std::uint8_t { plain, bold, dim, good, warning, bad };

std::string_view escape_code(Look look) {
    switch (look) {
        case Look::plain:
            return "";
        case Look::bold:
            return "\x1b[1m";
        case Look::dim:
            return "\x1b[2m";
        case Look::good:
            return "\x1b[32m";
        case Look::warning:
            return "\x1b[33m";
        case Look::bad:
            return "\x1b[1;31m";
    }
    return "";
}

Look look_of(CheckStatus status) {
    switch (status) {
        case CheckStatus::ok:
            return Look::good;
        case CheckStatus::fail:
            return Look::bad;
        case CheckStatus::warn:
        case CheckStatus::skip:
            return Look::warning;
    }
    return Look::plain;
}

// Banners, replies and names are a stranger's: no escape sequence of theirs reaches the terminal.
std::string clean(std::string_view text) { return base::printable(text, longest); }

// Keeps folding from breaking a command, by a byte that clean text never has.
constexpr char kept_blank = '\x01';

std::string with_whole_commands(std::string text) {
    bool inside = false;
    for (char& c : text) {
        if (c == '`') inside = !inside;
        if (inside && c == ' ') c = kept_blank;
    }
    return text;
}

std::string with_blanks(std::string text) {
    std::replace(text.begin(), text.end(), kept_blank, ' ');
    return text;
}

class TextWriter {
 public:
    TextWriter(const Report& report, const TextStyle& style) : report_(report), style_(style) {}

    std::string write() {
        headline();
        ways();
        cause();
        fixes();
        retest();
        findings();
        checks();
        if (style_.evidence) paths();
        return std::move(out_);
    }

 private:
    [[nodiscard]] std::string styled(Look look, std::string_view text) const {
        if (!style_.color || look == Look::plain) return std::string(text);
        return fmt::format("{}{}\x1b[0m", escape_code(look), text);
    }

    // The first line starts with first, those that follow with as many blanks. What stands between
    // `backticks` is a command, and stays on one line.
    void paragraph(std::string_view first, std::string_view text, Look look = Look::plain,
                   Look first_look = Look::plain) {
        const std::size_t indent = base::display_width(first);
        const std::size_t room =
            style_.width == 0 ? 0 : std::max(style_.width, indent + least_room) - indent;
        bool begun = false;
        for (const std::string& line : base::folded(with_whole_commands(clean(text)), room)) {
            out_ += begun ? std::string(indent, ' ') : styled(first_look, first);
            out_ += styled(look, with_blanks(line)) + "\n";
            begun = true;
        }
    }

    void heading(std::string_view text) {
        out_ += "\n";
        paragraph("", text, Look::bold);
    }

    void labelled(std::string_view label, std::string_view text) {
        if (!text.empty()) paragraph(fmt::format("  {:<8}", label), text);
    }

    // A mark in words, padded, so that nothing hangs on colour.
    void marked(CheckStatus status, std::string_view text) {
        paragraph(fmt::format("  {:<{}}", status_words(status), mark_width), text, Look::plain,
                  look_of(status));
    }

    void headline() {
        const Look look = report_.good ? Look::good : Look::bad;
        paragraph("", report_.verdict.summary, look);
        paragraph("", verdict_words(report_), Look::dim);
    }

    void ways() {
        const std::vector<WayOut> all = ways_out(report_);
        if (all.empty()) return;
        heading("Ways out");
        for (const WayOut& way : all) {
            // One open way is enough: then a closed one is no alarm.
            const bool alarm = way.status == CheckStatus::fail && !report_.mail_leaves;
            const Look look = way.status == CheckStatus::ok ? Look::good
                              : alarm                       ? Look::bad
                                                            : Look::plain;
            const std::string mark = fmt::format("  {:<11}", way_words(way.status));
            paragraph(mark, way.name + ": " + way.text, Look::plain, look);
            if (!way.explained.empty()) paragraph(std::string(mark.size(), ' '), way.explained);
        }
    }

    void cause() {
        const Cause& cause = report_.cause;
        if (!has_cause(cause)) return;
        heading("Cause");
        labelled("Who", who_words(cause));
        labelled("Where", where_words(report_));
        labelled("Policy", policy_words(report_));
    }

    void fixes() {
        if (report_.fixes.empty()) return;
        heading("What to do");
        std::size_t number = 0;
        const auto real = static_cast<std::size_t>(
            std::count_if(report_.fixes.begin(), report_.fixes.end(),
                          [](const Fix& fix) { return !is_warning(fix); }));
        for (const Fix& fix : report_.fixes) {
            if (is_warning(fix)) continue;
            ++number;
            // Several fixes are alternatives: each stands for itself.
            const std::string choice = number == 1 ? "" : "Or: ";
            if (number > 1) out_ += "\n";
            paragraph("  ", (real > 1 ? choice : "") + fix.title, Look::bold);
            steps(fix);
        }
        for (const Fix& fix : report_.fixes) {
            if (is_warning(fix)) warnings(fix);
        }
    }

    void retest() {
        if (!worth_a_retest(report_) || style_.retest.empty()) return;
        heading("Test again");
        out_ += "  " + clean(style_.retest) + "\n";
    }

    void steps(const Fix& fix) {
        std::size_t number = 0;
        for (const std::string& step : fix.steps) {
            paragraph(fmt::format("  {:>2}. ", ++number), step);
        }
        if (fix.config.empty()) return;
        out_ += "\n";
        // Never folded: it is there to be copied.
        for (const std::string_view line : base::split(base::trim(fix.config), '\n')) {
            out_ += line.empty() ? "\n" : "      " + clean(line) + "\n";
        }
    }

    void warnings(const Fix& fix) {
        heading(clean(fix.title));
        for (const std::string& step : fix.steps) paragraph("  - ", step);
    }

    void findings() {
        bool begun = false;
        for (const Finding& finding : report_.findings) {
            if (said_in_headline(report_, finding)) continue;
            if (!begun) heading("Also found");
            begun = true;
            const std::string code = clean(finding.code);
            paragraph("  - ", finding.summary + (code.empty() ? "" : fmt::format(" [{}]", code)));
        }
    }

    void checks() {
        if (report_.checks.empty()) return;
        heading("Checks");
        bool more = false;
        for (const Check& check : report_.checks) {
            const std::string summary = check.summary.empty() ? "" : ": " + check.summary;
            marked(check.status, check.title + summary);
            more = more || !check.evidence.empty();
            if (style_.evidence) evidence(check);
        }
        if (more && !style_.evidence) {
            out_ += "\n";
            paragraph("", "--verbose shows what each check saw.", Look::dim);
        }
    }

    void evidence(const Check& check) {
        const bool left = style_.width > 0 && style_.width < narrow;
        const std::string indent(left ? 4 : mark_width + 2, ' ');
        for (const Evidence& item : check.evidence) {
            paragraph(indent + "- ", evidence_words(item), Look::dim);
            for (const std::string& line : evidence_details(item)) {
                paragraph(indent + "    ", line, Look::dim);
            }
        }
    }

    void paths() {
        for (const PathPicture& path : report_.paths) {
            heading(fmt::format("Path to {} ({})", clean(path.target), clean(path.address)));
            for (const PathHop& hop : path.hops) {
                const std::string address = hop.address.empty() ? "*" : clean(hop.address);
                paragraph(fmt::format("  {:>2}  {:<16} ", hop.number, address),
                          hop_words(path, hop));
            }
            paragraph("  ", path_words(path));
        }
    }

    const Report& report_;
    const TextStyle& style_;
    std::string out_;
};

}  // namespace

std::string report_text(const Report& report, const TextStyle& style) {
    return TextWriter{report, style}.write();
}

}  // namespace diagnose
