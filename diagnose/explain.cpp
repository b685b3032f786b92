#include "diagnose/explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "base/text.hpp"
#include "diagnose/error_catalogue.hpp"
#include "diagnose/provider_catalogue.hpp"
#include "diagnose/reply_catalogue.hpp"
#include "diagnose/text_words.hpp"

namespace diagnose {
namespace {

// How far each kind of knowledge goes, the best first.
enum Weight : int {
    nothing = 0,
    success = 10,
    standard_by_enhanced = 20,
    vague_words = 30,
    quoted_words = 40,  // a program's words, but within what a server said
    standard_by_code = 50,
    known_enhanced = 60,
    known_code = 70,
    own_words = 80,
    server_words = 90,
    firm_words = 95
};

struct Candidate {
    int weight = nothing;
    const ReplyEntry* reply = nullptr;
    const ErrorEntry* error = nullptr;
    const StandardEntry* standard = nullptr;
    CodeSighting seen;
    std::string words;  // those that it was found by, folded; "": a code alone
};

std::vector<std::string> speakers_in(const TextFacts& facts) {
    std::vector<std::string> speakers;
    for (const std::string& host : facts.hosts) {
        const std::string speaker = speaker_of_host(host);
        const bool had = std::find(speakers.begin(), speakers.end(), speaker) != speakers.end();
        if (!speaker.empty() && !had) speakers.push_back(speaker);
    }
    return speakers;
}

int weight_of(const ReplyEntry& entry, const CodeSighting& seen) {
    if (!entry.contains.empty()) return server_words;
    return seen.code != 0 ? known_code : known_enhanced;
}

Candidate by_catalogue(const TextFacts& facts, const CodeSighting& seen,
                       const std::string& provider) {
    ReplyQuery query;
    query.code = seen.code;
    query.enhanced = seen.enhanced;
    query.text = facts.reply;
    query.provider = provider;
    query.stage = facts.stage;
    Candidate candidate;
    candidate.seen = seen;
    candidate.reply = ReplyCatalogue::built_in().explain(query);
    if (candidate.reply == nullptr) return candidate;
    candidate.weight = weight_of(*candidate.reply, seen);
    candidate.words = longest_part(candidate.reply->contains, facts.folded);
    return candidate;
}

Candidate by_standard(const CodeSighting& seen) {
    Candidate candidate;
    candidate.seen = seen;
    candidate.standard = ErrorCatalogue::built_in().standard(seen.code, seen.enhanced);
    if (candidate.standard == nullptr) return candidate;
    candidate.weight = seen.code != 0 ? standard_by_code : standard_by_enhanced;
    const int reply_class = seen.code != 0 ? seen.code / 100 : seen.enhanced[0] - '0';
    if (reply_class < 4) candidate.weight = success;
    return candidate;
}

Candidate by_words(const TextFacts& facts) {
    const ErrorMatch match = ErrorCatalogue::built_in().find(facts);
    Candidate candidate;
    candidate.error = match.entry;
    if (!facts.codes.empty()) candidate.seen = facts.codes.front();
    if (match.entry == nullptr) return candidate;
    candidate.words = match.words;
    if (match.entry->vague || match.entry->firm) {
        candidate.weight = match.entry->firm ? firm_words : vague_words;
        return candidate;
    }
    candidate.weight = own_words;
    const auto coded = std::find_if(facts.codes.begin(), facts.codes.end(),
                                    [](const CodeSighting& seen) { return seen.code >= 400; });
    // Folding only shortens, so a position behind the code is surely behind it.
    if (coded != facts.codes.end() && match.position > coded->position) {
        candidate.weight = quoted_words;
    }
    return candidate;
}

Candidate best_candidate(const TextFacts& facts, const std::vector<std::string>& speakers) {
    Candidate best = by_words(facts);
    const auto consider = [&](const Candidate& candidate) {
        if (candidate.weight > best.weight) best = candidate;
    };
    std::vector<CodeSighting> codes = facts.codes;
    // A log's "dsn=5.7.1" repeats what the reply next to it says in full.
    std::stable_partition(codes.begin(), codes.end(),
                          [](const CodeSighting& seen) { return seen.code >= 400; });
    if (codes.empty()) codes.emplace_back();
    for (const CodeSighting& seen : codes) {
        for (const std::string& speaker : speakers) consider(by_catalogue(facts, seen, speaker));
        if (speakers.empty() || best.weight < server_words) consider(by_catalogue(facts, seen, ""));
        consider(by_standard(seen));
    }
    return best;
}

// The line with these words; without any the first one, of a Python traceback the last.
std::string_view line_of_words(std::string_view text, std::string_view words) {
    const std::vector<std::string_view> lines = base::split(text, '\n');
    const auto found = std::find_if(lines.begin(), lines.end(), [&](std::string_view line) {
        return !words.empty() && find_part(fold(line), words) != std::string_view::npos;
    });
    if (found != lines.end()) return *found;
    return text.starts_with("Traceback (most recent call last)") ? lines.back() : lines.front();
}

// The line that the explanation is about, from the code on.
std::string telling_line(const TextFacts& facts, const Candidate& best) {
    const bool coded = best.seen.code != 0 || !best.seen.enhanced.empty();
    std::string_view text = facts.text;
    if (coded && best.error == nullptr) {
        text = base::trim(text.substr(best.seen.position));
        text = text.substr(0, text.find('\n'));
        // The end of a program's quotation is no word of the server's.
        const bool half = std::count(text.begin(), text.end(), '"') % 2 == 1;
        if (half && text.ends_with('"')) text.remove_suffix(1);
    } else {
        text = line_of_words(base::trim(text), best.words);
    }
    return base::printable(base::trim(text), 200);
}

template <class Entry>
void copy_advice(Explanation& explanation, const Entry& entry) {
    explanation.meaning = entry.meaning;
    explanation.fix = entry.fix;
    explanation.who_fixes = entry.who_fixes;
    explanation.retry = entry.retry;
}

// What the service that spoke asks of its customers, as a sentence to follow a fix that is nobody's
// in particular.
std::string house_rule(const std::string& provider, std::string_view verdict) {
    const ProviderFacts* facts = find_provider(provider);
    if (facts == nullptr) return {};
    if (verdict == "auth.password" || verdict == "auth.required") {
        return fmt::format(" {} wants as user name: {}. As password: {}.", facts->name,
                           facts->username, facts->password);
    }
    if (verdict.starts_with("sender.") && !facts->from_rule.empty()) {
        return fmt::format(" {} takes as sender: {}.", facts->name, facts->from_rule);
    }
    if (verdict.starts_with("quota.") && !facts->limits.empty()) {
        return fmt::format(" {}'s limits: {}.", facts->name, facts->limits);
    }
    if (verdict == "size" && facts->size_mb > 0) {
        return fmt::format(" {} takes messages of up to {} MB.", facts->name, facts->size_mb);
    }
    return {};
}

void fill(Explanation& explanation, const Candidate& best) {
    if (best.reply != nullptr) {
        explanation.matched = true;
        explanation.id = best.reply->id;
        const bool anybody = best.reply->provider == "generic" || best.reply->provider == "rfc";
        if (!anybody || explanation.provider.empty()) explanation.provider = best.reply->provider;
        explanation.stage = best.reply->stage;
        if (explanation.code == 0) explanation.code = best.reply->code;
        if (explanation.enhanced.empty()) explanation.enhanced = best.reply->enhanced;
        copy_advice(explanation, *best.reply);
        if (anybody) explanation.fix += house_rule(explanation.provider, best.reply->verdict);
    } else if (best.error != nullptr) {
        explanation.matched = true;
        explanation.id = best.error->id;
        explanation.stage = best.error->stage;
        copy_advice(explanation, *best.error);
        explanation.fix += house_rule(explanation.provider, best.error->verdict);
    } else if (best.standard != nullptr) {
        copy_advice(explanation, *best.standard);
    }
}

std::string_view part_of_session(std::string_view stage) {
    const bool setting_up = stage == "dns" || stage == "tls" || stage == "ehlo";
    return setting_up ? "connect" : stage;
}

bool better_known(const std::vector<Explanation>& all, const Explanation& vague) {
    return std::any_of(all.begin(), all.end(), [&](const Explanation& other) {
        return other.weight > vague.weight &&
               part_of_session(other.stage) == part_of_session(vague.stage);
    });
}

}  // namespace

Explanation explain_record(std::string_view record, std::string_view provider) {
    const TextFacts facts = scan_text(record);
    std::vector<std::string> speakers = speakers_in(facts);
    if (!provider.empty()) speakers = {std::string(provider)};
    const Candidate best = best_candidate(facts, speakers);
    Explanation explanation;
    explanation.weight = best.weight;
    explanation.line = telling_line(facts, best);
    explanation.stage = facts.stage;
    explanation.code = best.seen.code;
    explanation.enhanced = best.seen.enhanced;
    if (!speakers.empty()) explanation.provider = speakers.front();
    fill(explanation, best);
    return explanation;
}

void LogExplainer::take(const std::string& record) {
    if (record.empty()) return;
    Explanation explanation = explain_record(record, provider_);
    std::vector<Explanation>& list = explanation.weight > success ? troubles_ : others_;
    const auto same = std::find_if(list.begin(), list.end(), [&](const Explanation& other) {
        return other.id == explanation.id && other.code == explanation.code &&
               other.enhanced == explanation.enhanced && other.meaning == explanation.meaning;
    });
    if (same == list.end()) {
        list.push_back(std::move(explanation));
    } else {
        ++same->count;
    }
}

void LogExplainer::add_line(std::string_view line) { take(splitter_.add(line)); }

std::vector<Explanation> LogExplainer::finish() {
    take(splitter_.finish());
    if (troubles_.empty()) return others_;
    // "It did not work" next to the reason why is noise.
    std::vector<Explanation> telling;
    std::copy_if(troubles_.begin(), troubles_.end(), std::back_inserter(telling),
                 [&](const Explanation& trouble) {
                     return trouble.weight != vague_words || !better_known(troubles_, trouble);
                 });
    return telling;
}

const Explanation& most_telling(const std::vector<Explanation>& found) {
    return *std::max_element(
        found.begin(), found.end(),
        [](const Explanation& a, const Explanation& b) { return a.weight < b.weight; });
}

}  // namespace diagnose
