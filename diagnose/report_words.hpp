#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "diagnose/report.hpp"

// The sentences of a report that text and HTML share. Each is printable on one line; nothing in it
// is escaped for HTML.
namespace diagnose {

// "ok", "FAIL", "warn", "could not test"
[[nodiscard]] std::string_view status_words(CheckStatus status);

// Whether the report answers how mail leaves, and not only something about a name or this host.
[[nodiscard]] bool answers_outbound(const Report& report);
// "outbound-25-dropped (certain). Mail leaves this host: no."
[[nodiscard]] std::string verdict_words(const Report& report);

// One way out and whether mail can take it: directly, or through one smarthost.
struct WayOut {
    std::string name;
    CheckStatus status = CheckStatus::skip;  // ok, fail, or skip when it could not be told
    std::string text;
    std::string explained;  // "" when there is nothing to explain
};
[[nodiscard]] std::vector<WayOut> ways_out(const Report& report);
// Something is to be done first: what was asked about is not fine, or mail goes another way.
[[nodiscard]] bool worth_a_retest(const Report& report);
// nullptr: none does, or none was tested.
[[nodiscard]] const SmarthostReport* working_smarthost(const Report& report);
// Mail to the recipient that --to asked about does not leave directly, for a reason that does not
// keep a smarthost from taking it there, and one works.
[[nodiscard]] bool goes_by_smarthost(const Report& report);

// With --to: the recipient's domain could not be looked up, by whosever fault.
[[nodiscard]] bool names_in_doubt(const Report& report);
// "yes", "no", "not known"
[[nodiscard]] std::string_view way_words(CheckStatus status);

// Whether there is anything to say about a cause.
[[nodiscard]] bool has_cause(const Cause& cause);
// "Amazon EC2, the cloud that this host runs in"
[[nodiscard]] std::string who_words(const Cause& cause);
// Its policy, unless a smarthost's explanation says the same.
[[nodiscard]] std::string policy_words(const Report& report);
// Where packets end, or who answers in the servers' name; "" when it is not known.
[[nodiscard]] std::string where_words(const Report& report);

// A fix that lists what is useless to try; its steps are no sequence.
[[nodiscard]] bool is_warning(const Fix& fix);
// How to see whether it helped, as JSON has it among the fixes; text and page have a place for it.
[[nodiscard]] Fix retest_fix(const std::string& command);

// "smtp.example.com 192.0.2.1 port 25, IPv4: dropped after 3000 ms, ETIMEDOUT"
[[nodiscard]] std::string evidence_words(const Evidence& evidence);
// What else was seen, a line each: greeting, EHLO, certificate, detail.
[[nodiscard]] std::vector<std::string> evidence_details(const Evidence& evidence);

// "this hop answers for port 25 and port 587", for a path's picture.
[[nodiscard]] std::string hop_words(const PathPicture& path, const PathHop& hop);
// What the whole picture shows, in a sentence.
[[nodiscard]] std::string path_words(const PathPicture& path);

}  // namespace diagnose
