#include <fmt/format.h>

#include <algorithm>

#include "diagnose/domain/recipient.hpp"

namespace diagnose {
namespace {

std::size_t count(const std::vector<RecipientAttempt>& attempts, auto fits) {
    return static_cast<std::size_t>(std::count_if(attempts.begin(), attempts.end(), fits));
}

// Whether a reply at this stage is about us, rather than about the recipient.
bool about_us(const RecipientAttempt& attempt) {
    return attempt.code >= 400 && attempt.stage != "rcpt";
}

Verdict no_connection(const std::vector<RecipientAttempt>& attempts, const std::string& address) {
    const std::size_t all = attempts.size();
    const auto ended = [&](auto... results) {
        return count(attempts, [&](const RecipientAttempt& attempt) {
            return ((attempt.connect == results) || ...);
        });
    };
    Verdict verdict;
    // One recipient's servers are one operator: only a quorum could be more certain.
    verdict.confidence = Confidence::likely;
    const std::size_t local = count(attempts, [](const RecipientAttempt& attempt) {
        return attempt.connect == ConnectResult::denied || attempt.own_address;
    });
    if (local == all) {
        verdict.code = VerdictCode::local_firewall;
        verdict.confidence = Confidence::certain;
        verdict.summary = "This host itself forbids connections to port 25.";
    } else if (ended(ConnectResult::no_route) == all) {
        verdict.code = VerdictCode::no_network;
        verdict.summary = "This host has no route to any of the recipient's mail servers.";
    } else if (ended(ConnectResult::dropped) == all) {
        verdict.code = VerdictCode::outbound_25_dropped;
        verdict.summary = fmt::format(
            "Port 25 of every mail server for {} stays silent: it is blocked on the way, or all of "
            "them are dead. relay diagnose tells which.",
            address);
    } else if (ended(ConnectResult::refused, ConnectResult::prohibited,
                     ConnectResult::unreachable) == all) {
        verdict.code = VerdictCode::outbound_25_rejected;
        verdict.summary = fmt::format(
            "Port 25 of every mail server for {} is rejected. relay diagnose tells whether that is "
            "your network or those servers.",
            address);
    } else {
        verdict.confidence = Confidence::unclear;
        verdict.summary = fmt::format(
            "No mail server for {} could be connected to, for different reasons.", address);
    }
    return verdict;
}

Verdict refused(const std::vector<RecipientAttempt>& attempts, const std::string& address) {
    Verdict verdict;
    const auto answered = [](const RecipientAttempt& attempt) { return attempt.code >= 400; };
    const auto first = std::find_if(attempts.begin(), attempts.end(), answered);
    if (first == attempts.end()) {
        const auto open = std::find_if(attempts.begin(), attempts.end(), [](const auto& attempt) {
            return attempt.connect == ConnectResult::open;
        });
        verdict.code = VerdictCode::outbound_25_intercepted;
        verdict.confidence = Confidence::likely;
        verdict.summary = fmt::format(
            "A connection to {} opens, but no mail server's dialogue follows (it ended at {}).",
            open->host, open->stage);
    } else if (about_us(*first)) {
        verdict.code = VerdictCode::reputation;
        verdict.confidence = Confidence::certain;
        verdict.summary = fmt::format("{} is reached, but does not want mail from here (at {}).",
                                      first->host, first->stage);
    } else {
        const bool permanent = first->code >= 500;
        verdict.code = permanent ? VerdictCode::recipient_mx : VerdictCode::inconclusive;
        verdict.confidence = permanent ? Confidence::certain : Confidence::unclear;
        verdict.summary = permanent
                              ? fmt::format("{} refuses the recipient {}.", first->host, address)
                              : fmt::format(
                                    "{} puts the recipient {} off for now; a later attempt "
                                    "may be taken.",
                                    first->host, address);
    }
    return verdict;
}

}  // namespace

Verdict judge_attempts(const std::vector<RecipientAttempt>& attempts, const std::string& address) {
    const auto accepted = std::find_if(attempts.begin(), attempts.end(),
                                       [](const auto& attempt) { return attempt.accepted; });
    Verdict verdict;
    if (accepted != attempts.end()) {
        verdict.code = VerdictCode::ok_direct;
        verdict.confidence = Confidence::certain;
        verdict.summary =
            fmt::format("{} takes mail for {} directly from here.", accepted->host, address);
        return verdict;
    }
    if (attempts.empty()) {
        verdict.summary = "No mail server was tried.";
        return verdict;
    }
    const bool any_open = count(attempts, [](const RecipientAttempt& attempt) {
                              return attempt.connect == ConnectResult::open;
                          }) > 0;
    return any_open ? refused(attempts, address) : no_connection(attempts, address);
}

}  // namespace diagnose
