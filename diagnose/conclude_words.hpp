#pragma once

#include <set>
#include <string>

#include "diagnose/observations.hpp"

// The sentences of a conclusion: headline, what a code rests on, findings.
namespace diagnose {

// Port 25 is closed, or it is not known whether it is.
[[nodiscard]] bool silent_or_refused(VerdictCode code);

// Some other port of the operators, or of a well-known address, is open.
[[nodiscard]] bool controls_answer(const Observations& seen);

// Operators by what their port 25 did, over either family.
struct Asked {
    std::set<std::string> all, open, silent, refused, refusing;
};
[[nodiscard]] Asked operators_asked(const Observations& seen);

// The same words for a person wherever the code stands; of the whole host, by what was seen.
[[nodiscard]] std::string direct_words(VerdictCode code);
[[nodiscard]] std::string direct_words(const Observations& seen, VerdictCode code);
// Of one family, where the other one showed something else: "IPv6: Nothing connects."
[[nodiscard]] std::string family_words(net::Family family, VerdictCode code);
// What the direct code rests on: the headline says the rest.
[[nodiscard]] std::string evidence_words(const Observations& seen, VerdictCode code);
// "Over IPv4 it is blocked: ..."
[[nodiscard]] std::string closed_words(net::Family closed, VerdictCode code);
// "Outbound port 25 is open over IPv6 only. Over IPv4 it is blocked: ..."
[[nodiscard]] std::string one_family_words(net::Family closed, VerdictCode code);
// What is the matter with port 25 over a family: "it is blocked: connections are refused".
[[nodiscard]] std::string_view how_closed(VerdictCode code);
// Of two families that are closed differently.
[[nodiscard]] std::string two_ways_words(VerdictCode ipv4, VerdictCode ipv6);
[[nodiscard]] std::string smarthost_words(const SmarthostReport& smarthost);
// "uid 997 (relay)"
[[nodiscard]] std::string user_words(const RuleForUser& rule);

// Adds what was found beside the verdict. The cause is known by then.
void add_findings(const Observations& seen, Report& report);

}  // namespace diagnose
