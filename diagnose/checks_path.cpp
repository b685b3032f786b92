#include "diagnose/checks_path.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/check_names.hpp"
#include "net/cidr.hpp"

namespace diagnose {
namespace {

Evidence hop_row(const PathPicture& picture, const PathHop& hop, bool control) {
    Evidence row;
    row.target = fmt::format("hop {}", hop.number);
    row.address = hop.address;
    row.port = control ? picture.control_port : picture.port;
    const bool answers = control ? hop.answers_control : hop.answers_direct;
    row.result = answers ? "time exceeded" : "silent";
    return row;
}

std::string reading_words(const PathReading& reading) {
    const std::string at =
        reading.hop_address.empty() ? "" : fmt::format(" ({})", reading.hop_address);
    const std::string next =
        reading.next_address.empty() ? "" : fmt::format(" ({})", reading.next_address);
    const int hop = reading.hop.value_or(0);
    switch (reading.finding) {
        case PathFinding::hidden:
            return "Routers keep silent on this network, so the place cannot be told.";
        case PathFinding::clear:
            return fmt::format("Port 25 gets all the way, {} hops.", reading.hops.value_or(hop));
        case PathFinding::stops_here:
            return "Connects to port 25 do not get past this host or the first router, those to "
                   "the other port do.";
        case PathFinding::stops_at:
            return fmt::format(
                "Connects to port 25 get to hop {}{} and no further: the filter is "
                "there or at the next hop{}.",
                hop, at, next);
        case PathFinding::stops_late:
            return fmt::format(
                "Connects to port 25 get to hop {}{}, the last one that shows itself: the filter "
                "is there or behind it.",
                hop, at);
        case PathFinding::rejected:
            return fmt::format("Port 25 is rejected at hop {}{}.", hop, at);
        case PathFinding::reset_here:
            return "Connections to port 25 are reset no farther away than at the first router.";
        case PathFinding::intercepted:
            return fmt::format(
                "Something at hop {}{} answers port 25 in the server's place, which "
                "is {} hops away.",
                hop, at, reading.hops.value_or(0));
    }
    return {};
}

// Where the families end in different ways.
std::optional<std::string> both_words(const Observations& seen) {
    const std::optional<PathReading> v4 = best_reading(seen, net::Family::ipv4);
    const std::optional<PathReading> v6 = best_reading(seen, net::Family::ipv6);
    if (!v4 || !v6 || (v4->finding == v6->finding && v4->hop == v6->hop)) return std::nullopt;
    return fmt::format("IPv4: {} IPv6: {}", reading_words(*v4), reading_words(*v6));
}

}  // namespace

Check path_check(const Observations& seen, const Report& report) {
    Check check = new_check(check_name::path);
    for (const PathTrace& path : seen.paths) {
        const PathPicture picture = picture_of(path);
        for (const PathHop& hop : picture.hops) {
            check.evidence.push_back(hop_row(picture, hop, false));
            check.evidence.push_back(hop_row(picture, hop, true));
        }
        for (Evidence& row : check.evidence) {
            if (row.family == net::Family::any) row.family = path.family;
        }
    }
    const std::optional<PathReading> reading = best_reading(seen);
    if (!reading) {
        check.summary = seen.paths.empty() ? "No path was traced."
                                           : reading_words(read_path(seen.paths.front()));
        return check;
    }
    // What stops one server or one family where others answer is no fault of the way out.
    const bool leaves = report.direct.code == VerdictCode::ok_direct;
    check.status = reading->finding == PathFinding::clear ? CheckStatus::ok
                   : leaves                               ? CheckStatus::warn
                                                          : CheckStatus::fail;
    check.summary = both_words(seen).value_or(reading_words(*reading));
    return check;
}

namespace {

Evidence answer_row(const AnswerPair& pair, const Answerer& answerer) {
    Evidence row;
    row.target = pair.target;
    row.address = pair.address;
    row.port = answerer.port;
    row.family = pair.family;
    row.result = connect_result_name(answerer.result);
    row.took = answerer.took;
    if (answerer.ttl > 0) row.detail = fmt::format("the answer arrives with TTL {}", answerer.ttl);
    return row;
}

// A reset that comes at once, where no open port answers nearly as fast, is none of a far server's.
// Only the quickest of each counts: waiting is no distance.
std::string quick_reset_words(const Observations& seen) {
    constexpr base::Duration at_once{2}, far_away{20}, none{-1};
    base::Duration reset = none, open = none;
    for (const PortEvidence& item : seen.ports) {
        if (!item.attempted() || net::is_loopback_address(item.address)) continue;
        const bool is_reset =
            item.role == ProbeRole::direct && !item.icmp && item.connect == ConnectResult::refused;
        if (!is_reset && !item.open()) continue;
        base::Duration& least = is_reset ? reset : open;
        if (least == none || item.took < least) least = item.took;
    }
    if (reset == none || open == none || reset > at_once || open < far_away) return {};
    return fmt::format(
        "Port 25 is reset within {} ms, while no open port answers in less than {} ms: the reset "
        "comes from this host or its own network.",
        std::max(reset, base::Duration{1}).count(), open.count());
}

bool answers_differ(const Observations& seen) {
    return std::any_of(seen.answers.begin(), seen.answers.end(), [&](const AnswerPair& pair) {
        return answer_words(pair) != answer_words(seen.answers.front());
    });
}

}  // namespace

// Balancing inside a far network can look like it too, so that nearness alone proves no proxy.
Check answer_check(const Observations& seen) {
    Check check = new_check(check_name::answers);
    std::vector<std::string> sentences;
    for (const AnswerPair& pair : seen.answers) {
        check.evidence.push_back(answer_row(pair, pair.direct));
        check.evidence.push_back(answer_row(pair, pair.control));
        const AnswerFinding finding = compare_answers(pair);
        const std::optional<PathReading> reading = best_reading(seen, pair.family);
        const bool on_path = reading && reading->finding == PathFinding::intercepted;
        if (finding == AnswerFinding::nearer || on_path) check.status = CheckStatus::warn;
        if (finding == AnswerFinding::same && check.status == CheckStatus::skip) {
            check.status = CheckStatus::ok;
        }
        std::string words = answer_words(pair);
        if (answers_differ(seen)) {
            words.insert(0, pair.family == net::Family::ipv4 ? "IPv4: " : "IPv6: ");
        }
        const bool said = std::find(sentences.begin(), sentences.end(), words) != sentences.end();
        if (!said) sentences.push_back(words);
    }
    if (const std::string words = quick_reset_words(seen); !words.empty()) {
        check.status = CheckStatus::warn;
        sentences.push_back(words);
    }
    check.summary = base::join(sentences, " ");
    return check;
}

}  // namespace diagnose
