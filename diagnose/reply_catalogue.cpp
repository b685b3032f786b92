#include "diagnose/reply_catalogue.hpp"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "base/text.hpp"
#include "config/data/data.hpp"

namespace diagnose {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

// Drops "550-", "550 " and "5.7.1 " from the start of a line: servers repeat them on each one.
std::string_view without_codes(std::string_view line) {
    line = base::trim(line);
    if (line.size() >= 3 && digit(line[0]) && digit(line[1]) && digit(line[2]) &&
        (line.size() == 3 || line[3] == ' ' || line[3] == '-')) {
        line.remove_prefix(std::min<std::size_t>(line.size(), 4));
    }
    const std::string_view word = line.substr(0, line.find_first_of(" \t"));
    const bool enhanced = word.size() >= 5 && std::string_view("245").find(word[0]) != word.npos &&
                          word[1] == '.' && std::count(word.begin(), word.end(), '.') == 2 &&
                          word.find_first_not_of("0123456789.") == word.npos;
    if (enhanced) line.remove_prefix(word.size());
    return base::trim(line);
}

bool named_service(const ReplyEntry& entry) {
    return entry.provider != "generic" && entry.provider != "rfc";
}

// An exchanger, or a box on the path: it may have spoken whichever smarthost is configured.
bool may_speak_for_others(const ReplyEntry& entry) {
    return entry.provider.ends_with("-mx") || entry.stage == "connect" ||
           entry.provider == "cisco-asa";
}

// The catalogue has fewer stages than a session: those that fall together.
std::string_view catalogue_stage(std::string_view stage) {
    if (stage == "greeting" || stage == "dns") return "connect";
    if (stage == "starttls" || stage == "tls") return "ehlo";
    if (stage == "body" || stage == "final-dot") return "data";
    return stage;
}

// These codes of RFC 4954 are said of a sign-in and of nothing else.
std::string_view stage_of(int code, std::string_view stage) {
    if (code == 534 || code == 535 || code == 538) return "auth";
    return catalogue_stage(stage);
}

bool overlap(const ReplyEntry& a, const ReplyEntry& b) {
    for (const std::string& x : a.contains) {
        for (const std::string& y : b.contains) {
            if (x.find(y) != x.npos || y.find(x) != y.npos) return true;
        }
    }
    return false;
}

base::Result<ReplyEntry> read_entry(const toml::table& table) {
    const auto text = [&](std::string_view key) { return table[key].value_or(std::string{}); };
    ReplyEntry entry;
    entry.id = text("id");
    entry.provider = text("provider");
    entry.stage = text("stage");
    entry.enhanced = text("enhanced");
    entry.bare_code = table["bare_code"].value_or(false);
    entry.any_enhanced = table["any_enhanced"].value_or(false);
    entry.bare_enhanced = table["bare_enhanced"].value_or(false);
    entry.at_stage = table["at_stage"].value_or(false);
    entry.vague = table["vague"].value_or(false);
    entry.ordinary = table["ordinary"].value_or(false);
    entry.verdict = text("verdict");
    entry.who_fixes = text("who_fixes");
    entry.retry = text("retry");
    entry.meaning = text("meaning");
    entry.fix = text("fix");
    entry.source = text("source");
    const std::string code = text("code");
    std::from_chars(code.data(), code.data() + code.size(), entry.code);
    if (const toml::array* parts = table["contains"].as_array()) {
        for (const toml::node& part : *parts) {
            entry.contains.push_back(base::to_lower(part.value_or(std::string{})));
        }
    }
    if (entry.id.empty() || entry.meaning.empty() || entry.fix.empty()) {
        return base::error(
            fmt::format("reply catalogue, line {}: an entry lacks id, meaning or fix",
                        table.source().begin.line));
    }
    return entry;
}

}  // namespace

// The query in the form in which entries are compared with it.
struct ReplyCatalogue::Reply {
    int code;
    std::string_view enhanced;
    std::string text;
    std::string_view provider, stage;
    bool provider_known;  // the catalogue has entries of this provider, or it is none of them
};

std::string normalize_reply(std::string_view text) {
    std::string joined;
    for (const std::string_view line : base::split(text, '\n')) {
        for (const char c : without_codes(line)) {
            const bool blank = c == ' ' || c == '\t' || c == '\r';
            if (!blank) {
                joined += c;
            } else if (!joined.empty() && joined.back() != ' ') {
                joined += ' ';
            }
        }
        if (!joined.empty() && joined.back() != ' ') joined += ' ';
    }
    return base::to_lower(base::trim(joined));
}

base::Result<ReplyCatalogue> ReplyCatalogue::parse(std::string_view text) {
    ReplyCatalogue catalogue;
    try {
        const toml::table document = toml::parse(text);
        if (const toml::array* replies = document["reply"].as_array()) {
            for (const toml::node& node : *replies) {
                if (!node.is_table()) return base::error("reply catalogue: a reply is no table");
                base::Result<ReplyEntry> entry = read_entry(*node.as_table());
                if (!entry.has_value()) return entry.error();
                catalogue.entries_.push_back(std::move(*entry));
            }
        }
    } catch (const toml::parse_error& problem) {
        return base::error(fmt::format("reply catalogue, line {}: {}", problem.source().begin.line,
                                       problem.description()));
    }
    const std::vector<ReplyEntry>& all = catalogue.entries_;
    for (const ReplyEntry& entry : all) {
        const bool shared = std::any_of(all.begin(), all.end(), [&](const ReplyEntry& other) {
            return named_service(other) && other.provider != entry.provider &&
                   overlap(entry, other);
        });
        catalogue.own_words_.push_back(!shared && !entry.ordinary && !entry.contains.empty());
    }
    return catalogue;
}

const ReplyCatalogue& ReplyCatalogue::built_in() {
    static const ReplyCatalogue catalogue = [] {
        base::Result<ReplyCatalogue> parsed = parse(config::data::replies_toml());
        // A fault in the built-in file is a bug, and the schema test finds it.
        if (parsed.has_error()) throw std::logic_error(parsed.error().message);
        return std::move(*parsed);
    }();
    return catalogue;
}

// -1 when the entry does not fit; otherwise the criteria met, in the order of their weight, and
// below them the length of the words found and the stage, which part entries that are equal so far.
int ReplyCatalogue::score(std::size_t index, const Reply& reply) const {
    const ReplyEntry& entry = entries_[index];
    if (entry.contains.empty() || (entry.at_stage && entry.stage != reply.stage)) return -1;
    // Where a program passed on the words alone, they must be the more telling.
    const bool wordy = reply.code == 0 && reply.enhanced.empty();
    const bool code_fits = entry.code == 0 || entry.code == reply.code;
    const bool enhanced_fits = entry.enhanced.empty() || entry.enhanced == reply.enhanced;
    const bool excused = reply.code == 0 && (wordy || !entry.enhanced.empty());
    if (!code_fits && !excused) return -1;
    if (!enhanced_fits && !wordy) return -1;
    std::size_t longest = 0;
    for (const std::string& part : entry.contains) {
        if (reply.text.find(part) != std::string::npos) longest = std::max(longest, part.size());
    }
    if (longest == 0) return -1;
    const bool same_provider = entry.provider == reply.provider;
    if (entry.ordinary && wordy && !same_provider) return -1;
    constexpr std::size_t telling = 12;
    if (!(code_fits && enhanced_fits) && longest < telling) return -1;
    if (named_service(entry) && !same_provider) {
        if (!own_words_[index]) return -1;
        if (reply.provider_known && !may_speak_for_others(entry)) return -1;
    }
    return (entry.vague ? 0 : 16000) + (same_provider ? 8000 : 0) +
           (entry.enhanced.empty() || !enhanced_fits ? 0 : 2000) +
           (entry.code == 0 || !code_fits ? 0 : 1000) +
           static_cast<int>(std::min<std::size_t>(longest, 400)) * 2 +
           (entry.stage == reply.stage ? 1 : 0);
}

// What is said without words: by both codes, else by the one that is enough.
const ReplyEntry* ReplyCatalogue::standard_meaning(const Reply& reply) const {
    const auto find = [&](auto&& fits) -> const ReplyEntry* {
        const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
            const bool in_place = !entry.at_stage || entry.stage == reply.stage;
            return entry.provider == "rfc" && entry.contains.empty() && in_place && fits(entry);
        });
        return found == entries_.end() ? nullptr : &*found;
    };
    const auto same_code = [&](const ReplyEntry& entry) { return entry.code == reply.code; };
    const auto same_enhanced = [&](const ReplyEntry& entry) {
        return !reply.enhanced.empty() && entry.enhanced == reply.enhanced;
    };
    // x.0.0 adds nothing to a code.
    const bool bare = reply.enhanced.empty() || reply.enhanced.ends_with(".0.0");
    const ReplyEntry* found =
        find([&](const auto& entry) { return same_code(entry) && same_enhanced(entry); });
    if (found == nullptr) {
        found =
            find([&](const auto& entry) { return entry.bare_enhanced && same_enhanced(entry); });
    }
    if (found != nullptr) return found;
    return find([&](const auto& entry) {
        return entry.bare_code && same_code(entry) && (bare || entry.any_enhanced);
    });
}

const ReplyEntry* ReplyCatalogue::explain(const ReplyQuery& query) const {
    const bool known = std::any_of(entries_.begin(), entries_.end(), [&](const ReplyEntry& entry) {
        return named_service(entry) && entry.provider == query.provider;
    });
    const Reply reply{query.code,
                      query.enhanced,
                      normalize_reply(query.text),
                      query.provider,
                      stage_of(query.code, query.stage),
                      known || query.no_service};
    const ReplyEntry* best = nullptr;
    int best_score = -1;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        const int points = score(i, reply);
        if (points > best_score) {
            best_score = points;
            best = &entries_[i];
        }
    }
    if (best != nullptr && !best->vague) return best;
    const ReplyEntry* standard = standard_meaning(reply);
    return standard != nullptr ? standard : best;
}

}  // namespace diagnose
