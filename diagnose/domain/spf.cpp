#include "diagnose/domain/spf.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/text.hpp"

namespace diagnose {
namespace {

namespace ip = boost::asio::ip;

constexpr std::array needs_value{"include", "exists", "ip4", "ip6", "redirect"};
constexpr std::array known{"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"};

bool holds(const auto& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

std::optional<unsigned> number(std::string_view digits, unsigned most) {
    unsigned value = 0;
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool whole = failed == std::errc{} && end == digits.data() + digits.size();
    return whole && value <= most ? std::optional{value} : std::nullopt;
}

// "/24", "//64" or "/24//64" behind a mechanism.
bool take_prefixes(std::string_view& value, SpfTerm& term) {
    const std::size_t slash = value.find('/');
    if (slash == value.npos) return true;
    std::string_view prefixes = value.substr(slash + 1);
    value = value.substr(0, slash);
    const std::size_t both = prefixes.find('/');
    std::string_view first = prefixes.substr(0, both);
    std::string_view second;
    if (both != prefixes.npos) second = prefixes.substr(both + 1);
    if (both != prefixes.npos && second.starts_with('/')) second.remove_prefix(1);
    if (term.mechanism == "ip6") std::swap(first, second);
    if (!first.empty()) {
        const auto bits = number(first, 32);
        if (!bits) return false;
        term.prefix4 = *bits;
    }
    if (!second.empty()) {
        const auto bits = number(second, 128);
        if (!bits) return false;
        term.prefix6 = *bits;
    }
    return true;
}

bool take_network(SpfTerm& term) {
    if (term.mechanism != "ip4" && term.mechanism != "ip6") return true;
    boost::system::error_code failed;
    const ip::address address = ip::make_address(term.value, failed);
    if (failed || address.is_v4() != (term.mechanism == "ip4")) return false;
    term.addresses.push_back(address);
    return true;
}

std::optional<SpfTerm> read_term(std::string_view word) {
    SpfTerm term;
    if (std::string_view("+-~?").find(word[0]) != std::string_view::npos) {
        term.qualifier = word[0];
        word.remove_prefix(1);
    }
    const std::size_t end = word.find_first_of(":/=");
    term.mechanism = base::to_lower(word.substr(0, end));
    const bool modifier = end != word.npos && word[end] == '=';
    std::string_view value = end == word.npos ? "" : word.substr(end);
    if (value.starts_with(':') || modifier) value.remove_prefix(1);
    if (!modifier && !holds(known, term.mechanism)) return std::nullopt;
    if (!modifier && !take_prefixes(value, term)) return std::nullopt;
    if (holds(needs_value, term.mechanism) && value.empty()) return std::nullopt;
    term.value = std::string(value);
    if (term.value.ends_with('.')) term.value.pop_back();
    term.macro = value.find('%') != value.npos;
    if (!modifier && !take_network(term)) return std::nullopt;
    return term;
}

bool in_network(const ip::address& network, unsigned prefix, const ip::address& address) {
    if (network.is_v4() != address.is_v4()) return false;
    const auto compare = [&](const auto& a, const auto& b) {
        for (unsigned bit = 0; bit < prefix; ++bit) {
            const unsigned shift = 7 - bit % 8;
            if (((a[bit / 8] ^ b[bit / 8]) >> shift & 1U) != 0) return false;
        }
        return true;
    };
    if (network.is_v4()) return compare(network.to_v4().to_bytes(), address.to_v4().to_bytes());
    return compare(network.to_v6().to_bytes(), address.to_v6().to_bytes());
}

SpfResult by_qualifier(char qualifier) {
    switch (qualifier) {
        case '-':
            return SpfResult::fail;
        case '~':
            return SpfResult::softfail;
        case '?':
            return SpfResult::neutral;
        default:
            return SpfResult::pass;
    }
}

constexpr int deepest = 20;

SpfResult check_record(const SpfTree& tree, std::size_t index, const ip::address& sender,
                       int depth);

// nullopt: the term does not match.
std::optional<SpfResult> check_term(const SpfTree& tree, const SpfTerm& term,
                                    const ip::address& sender, int depth) {
    if (term.mechanism == "all") return by_qualifier(term.qualifier);
    if (term.mechanism == "include" && term.record >= 0) {
        const SpfResult inner =
            check_record(tree, static_cast<std::size_t>(term.record), sender, depth + 1);
        if (inner == SpfResult::pass) return by_qualifier(term.qualifier);
        if (inner == SpfResult::temperror) return SpfResult::temperror;
        // RFC 7208 section 5.2: an include without a record is an error of the one who includes.
        const bool broken = inner == SpfResult::permerror || inner == SpfResult::none;
        return broken ? std::optional{SpfResult::permerror} : std::nullopt;
    }
    const bool matches =
        std::any_of(term.addresses.begin(), term.addresses.end(), [&](const ip::address& network) {
            return in_network(network, network.is_v4() ? term.prefix4 : term.prefix6, sender);
        });
    return matches ? std::optional{by_qualifier(term.qualifier)} : std::nullopt;
}

SpfResult check_record(const SpfTree& tree, std::size_t index, const ip::address& sender,
                       int depth) {
    const SpfRecord& record = tree.records[index];
    if (record.state != SpfResult::pass) return record.state;
    if (depth > deepest) return SpfResult::permerror;
    for (const SpfTerm& term : record.terms) {
        if (term.mechanism == "redirect") continue;
        if (const auto result = check_term(tree, term, sender, depth)) return *result;
    }
    for (const SpfTerm& term : record.terms) {
        if (term.mechanism != "redirect" || term.record < 0) continue;
        const SpfResult inner =
            check_record(tree, static_cast<std::size_t>(term.record), sender, depth + 1);
        return inner == SpfResult::none ? SpfResult::permerror : inner;
    }
    return SpfResult::neutral;
}

}  // namespace

std::string_view spf_result_name(SpfResult result) {
    static constexpr std::array names{"none",     "neutral",   "pass",     "fail",
                                      "softfail", "temperror", "permerror"};
    return names[static_cast<std::size_t>(result)];
}

base::Result<std::vector<SpfTerm>> parse_spf(std::string_view text) {
    std::vector<SpfTerm> terms;
    bool first = true;
    for (const std::string_view word : base::split(text, ' ')) {
        if (word.empty()) continue;
        if (first && !base::equals_ignoring_case(word, "v=spf1")) {
            return base::error("it does not begin with \"v=spf1\"");
        }
        if (!first) {
            std::optional<SpfTerm> term = read_term(word);
            if (!term) {
                return base::error(
                    fmt::format("\"{}\" is not a valid term", base::printable(word, 80)));
            }
            terms.push_back(std::move(*term));
        }
        first = false;
    }
    return terms;
}

SpfResult check_spf(const SpfTree& tree, const ip::address& sender) {
    if (tree.records.empty()) return SpfResult::none;
    if (tree.records.front().state != SpfResult::pass) return tree.records.front().state;
    // Receivers stop at the first match, but which one counts depends on the sender: a record over
    // the limit is refused by those who must go through it all.
    const SpfResult result = check_record(tree, 0, sender, 0);
    const bool over = tree.lookups > spf_lookup_limit || tree.voids > spf_void_limit;
    return over && result != SpfResult::pass ? SpfResult::permerror : result;
}

bool spf_names(const SpfTree& tree, std::string_view include) {
    for (const SpfRecord& record : tree.records) {
        for (const SpfTerm& term : record.terms) {
            const bool refers = term.mechanism == "include" || term.mechanism == "redirect";
            if (refers && base::equals_ignoring_case(term.value, include)) return true;
        }
    }
    return false;
}

bool spf_covers(const SpfTree& tree, const SpfTree& included) {
    bool any = false;
    for (const SpfRecord& record : included.records) {
        for (const SpfTerm& term : record.terms) {
            for (const ip::address& address : term.addresses) {
                any = true;
                if (check_spf(tree, address) != SpfResult::pass) return false;
            }
        }
    }
    return any;
}

char spf_all(const SpfTree& tree) {
    std::size_t index = 0;
    for (int depth = 0; depth < deepest && index < tree.records.size(); ++depth) {
        std::size_t next = tree.records.size();
        for (const SpfTerm& term : tree.records[index].terms) {
            if (term.mechanism == "all") return term.qualifier;
            const bool followed = term.mechanism == "redirect" && term.record >= 0;
            if (followed) next = static_cast<std::size_t>(term.record);
        }
        index = next;
    }
    return '?';
}

std::string spf_with_include(std::string_view text, std::string_view include) {
    if (text.empty()) return fmt::format("v=spf1 include:{} ~all", include);
    std::vector<std::string> words;
    for (const std::string_view word : base::split(text, ' ')) {
        if (!word.empty()) words.emplace_back(word);
    }
    const auto end = std::find_if(words.begin(), words.end(), [](const std::string& word) {
        const std::string lower = base::to_lower(word);
        return lower.ends_with("all") || lower.starts_with("redirect=");
    });
    words.insert(end, fmt::format("include:{}", include));
    return base::join(words, " ");
}

}  // namespace diagnose
