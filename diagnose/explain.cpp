#include "diagnose/explain.hpp"

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "diagnose/error_catalogue.hpp"
#include "diagnose/provider_catalogue.hpp"
#include "diagnose/reply_catalogue.hpp"

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
    server_words = 90
};

struct Candidate {
    int weight = nothing;
    const ReplyEntry* reply = nullptr;
    const ErrorEntry* error = nullptr;
    const StandardEntry* standard = nullptr;
    CodeSighting seen;
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
    if (candidate.reply != nullptr) candidate.weight = weight_of(*candidate.reply, seen);
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
    if (match.entry->vague) {
        candidate.weight = vague_words;
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
    if (codes.empty()) codes.emplace_back();
    for (const CodeSighting& seen : codes) {
        for (const std::string& speaker : speakers) consider(by_catalogue(facts, seen, speaker));
        if (speakers.empty() || best.weight < server_words) consider(by_catalogue(facts, seen, ""));
        consider(by_standard(seen));
    }
    return best;
}

// The line that the explanation is about, from the code on.
std::string telling_line(const TextFacts& facts, const Candidate& best) {
    const bool coded = best.seen.code != 0 || !best.seen.enhanced.empty();
    std::string_view text = facts.text;
    if (coded && best.error == nullptr) text.remove_prefix(best.seen.position);
    text = base::trim(text);
    return base::printable(base::trim(text.substr(0, text.find('\n'))), 200);
}

template <class Entry>
void copy_advice(Explanation& explanation, const Entry& entry) {
    explanation.meaning = entry.meaning;
    explanation.fix = entry.fix;
    explanation.who_fixes = entry.who_fixes;
    explanation.retry = entry.retry;
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
    } else if (best.error != nullptr) {
        explanation.matched = true;
        explanation.id = best.error->id;
        explanation.stage = best.error->stage;
        copy_advice(explanation, *best.error);
    } else if (best.standard != nullptr) {
        copy_advice(explanation, *best.standard);
    }
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
    return troubles_.empty() ? others_ : troubles_;
}

const Explanation& most_telling(const std::vector<Explanation>& found) {
    return *std::max_element(
        found.begin(), found.end(),
        [](const Explanation& a, const Explanation& b) { return a.weight < b.weight; });
}

}  // namespace diagnose
