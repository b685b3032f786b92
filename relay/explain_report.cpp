#include "relay/explain_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>

#include "admin/json.hpp"
#include "base/text.hpp"
#include "diagnose/provider_catalogue.hpp"

namespace relay {
namespace {

using diagnose::Explanation;

constexpr std::string_view unknown_advice =
    "Neither the words nor a code in this text are known to relay. Give it the line with the "
    "server's reply (three digits, such as 550 5.7.1) or the innermost error, or run relay "
    "diagnose, which looks for itself.";

std::string_view who_words(std::string_view who) {
    if (who == "user") return "you: the sender's settings or account";
    if (who == "admin") return "the administrator of this host, domain or organisation";
    if (who == "provider") return "the provider that answered, or waiting";
    if (who == "recipient") return "the recipient's side";
    if (who == "program") return "the sending program";
    return "nobody needs to";
}

std::string_view retry_words(std::string_view retry) {
    if (retry == "no") return "the same attempt will fail again";
    if (retry == "later") return "a later attempt may succeed";
    if (retry == "tomorrow") return "tomorrow at the earliest";
    return "only after the fix";
}

// Folds at blanks; lines after the first are indented.
std::string folded(std::string_view text, std::size_t indent, std::size_t width) {
    std::string result;
    std::size_t column = indent;
    for (const std::string_view word : base::split(text, ' ')) {
        const std::size_t size = display_width(word);
        if (column > indent && width > 0 && column + 1 + size > width) {
            result += '\n' + std::string(indent, ' ');
            column = indent;
        } else if (column > indent) {
            result += ' ';
            ++column;
        }
        result += word;
        column += size;
    }
    return result;
}

std::string row(const Terminal& terminal, std::string_view label, std::string_view text) {
    constexpr std::size_t indent = 11;
    const std::string head = fmt::format("  {:<9}", label);
    return styled(terminal, Style::dim, head) + folded(text, indent, terminal.width) + '\n';
}

struct Speaker {
    std::string_view id, name;
};

// Who speaks and is no provider to send through.
constexpr std::array speakers{
    Speaker{"gmail-mx", "Gmail"},        Speaker{"microsoft-mx", "Microsoft"},
    Speaker{"yahoo-mx", "Yahoo"},        Speaker{"aol-mx", "AOL"},
    Speaker{"apple-mx", "Apple iCloud"}, Speaker{"gmx-mx", "GMX"},
    Speaker{"t-online-mx", "T-Online"},  Speaker{"godaddy-mx", "GoDaddy"},
    Speaker{"comcast-mx", "Comcast"},    Speaker{"cox-mx", "Cox"},
    Speaker{"spectrum-mx", "Spectrum"},  Speaker{"att-mx", "AT&T"},
    Speaker{"cisco-asa", "a Cisco ASA"}, Speaker{"cloudflare-workers", "Cloudflare Workers"},
};

std::string speaker_words(const std::string& id) {
    if (const diagnose::ProviderFacts* provider = diagnose::find_provider(id)) {
        return provider->name;
    }
    if (id == "generic" || id == "rfc") return "";
    const auto* const known = std::find_if(speakers.begin(), speakers.end(),
                                           [&](const Speaker& each) { return each.id == id; });
    if (known == speakers.end()) return id;
    std::string words{known->name};
    return id.ends_with("-mx") ? words + ", for incoming mail" : words;
}

// Of a line cut out of a log, whose bracket opens before it.
std::string without_stray_bracket(std::string line) {
    const auto opened = std::count(line.begin(), line.end(), '(');
    const auto closed = std::count(line.begin(), line.end(), ')');
    if (closed > opened && line.ends_with(')')) line.pop_back();
    return line;
}

std::string source_words(const Explanation& explanation) {
    std::string words = speaker_words(explanation.provider);
    if (!explanation.stage.empty()) {
        words += (words.empty() ? "at " : ", at ") + base::to_upper(explanation.stage);
    }
    if (explanation.count > 1) words += fmt::format(" ({} times)", explanation.count);
    return words;
}

std::string one(const Explanation& explanation, const Terminal& terminal) {
    std::string text =
        styled(terminal, Style::bold, without_stray_bracket(explanation.line)) + '\n';
    if (!explanation.known()) {
        return text + row(terminal, "unknown", unknown_advice);
    }
    const std::string where = source_words(explanation);
    if (!where.empty()) text += row(terminal, "from", where);
    text += row(terminal, explanation.matched ? "cause" : "standard", explanation.meaning);
    text += row(terminal, "fix", explanation.fix);
    const bool done = explanation.code >= 200 && explanation.code < 400;
    if (done) return text;
    text += row(terminal, "who", who_words(explanation.who_fixes));
    text += row(terminal, "retry", retry_words(explanation.retry));
    return text;
}

boost::json::value text_or_null(const std::string& text) {
    if (text.empty()) return nullptr;
    return boost::json::string(text);
}

}  // namespace

std::string explain_text(const std::vector<Explanation>& found, const Terminal& terminal) {
    std::string text;
    for (const Explanation& explanation : found) {
        if (!text.empty()) text += '\n';
        text += one(explanation, terminal);
    }
    return text;
}

std::string explain_json(const std::vector<Explanation>& found) {
    const Explanation& explanation = diagnose::most_telling(found);
    boost::json::object object;
    object["matched"] = explanation.matched;
    object["id"] = text_or_null(explanation.id);
    object["provider"] = text_or_null(explanation.provider);
    object["stage"] = text_or_null(explanation.stage);
    object["code"] = nullptr;
    if (explanation.code != 0) object["code"] = explanation.code;
    object["enhanced"] = text_or_null(explanation.enhanced);
    object["meaning"] = text_or_null(explanation.meaning);
    object["fix"] = text_or_null(explanation.fix);
    object["who_fixes"] = text_or_null(explanation.who_fixes);
    object["retry"] = text_or_null(explanation.retry);
    return admin::json_line(object);
}

}  // namespace relay
