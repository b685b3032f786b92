#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "diagnose/verdict.hpp"
#include "net/connect_error.hpp"
#include "net/resolver.hpp"

// What `relay diagnose` found, as values: the same report is written as text, JSON and HTML. Its
// fields are those of the JSON.
namespace diagnose {

// A check that could not run is skipped, never passed; warn is suspicious but proves no fault.
enum class CheckStatus : std::uint8_t { ok, fail, warn, skip };

[[nodiscard]] std::string_view status_name(CheckStatus status);

using net::IcmpError;

// One observation. What was not observed stays empty; of the fields that not every observation has
// the JSON then leaves it out.
struct Evidence {
    std::string target;   // what was asked: an operator, host, name, file or rule
    std::string address;  // without port
    std::uint16_t port = 0;
    net::Family family = net::Family::any;  // any: has none
    std::string result;                     // one word or two: "open", "dropped", "no-data"
    int error_number = 0;                   // shown by its name: "ECONNREFUSED"
    std::string banner;                     // the greeting's first line, printable
    std::optional<base::Duration> took;
    std::optional<IcmpError> icmp;
    std::vector<std::string> ehlo;  // EHLO's lines without codes, printable
    std::string certificate;        // "CN=..., issued by ..., until ...", and what is wrong with it
    std::string detail;             // anything else in words: a rule, a record, a reply
};

struct Check {
    std::string id;     // "ports", "path", "smarthost"
    std::string title;  // "Port 25 of unrelated mail operators"
    CheckStatus status = CheckStatus::skip;
    std::string summary;  // one sentence
    std::vector<Evidence> evidence;
    base::Duration took{};
};

struct Verdict {
    VerdictCode code = VerdictCode::inconclusive;
    bool inbound = false;
    Confidence confidence = Confidence::unclear;
    std::string summary;  // a headline that a tired person understands
};

struct DirectReport {
    VerdictCode code = VerdictCode::inconclusive;
    std::string summary;
    std::optional<VerdictCode> ipv4, ipv6;  // none: family absent, switched off or not asked
};

struct PortResult {
    std::uint16_t port = 0;
    std::string result;
};

struct SmarthostReport {
    std::string name;
    VerdictCode code = VerdictCode::inconclusive;
    std::string host;
    std::uint16_t port = 0;   // the one used; 0: none answered
    std::string tls;          // "TLSv1.3", "" when it came to none
    std::string auth;         // mechanism that signed in, "" when none did
    std::string reply;        // the reply that failed, or the last good one
    std::string explained;    // what it means and who can do what
    std::string trouble;      // in a few words where they say more than the code does, or ""
    std::string sender;       // "tested", "guessed", "guess-refused", "not-tested"; "" when not ok
    std::string sender_note;  // what that leaves open, as a sentence; ""
    std::vector<PortResult> ports;
};

enum class CauseKind : std::uint8_t {
    cloud,
    isp,
    local_firewall,
    container,
    gateway,
    remote,
    config,
    unknown
};

[[nodiscard]] std::string_view cause_name(CauseKind kind);  // "local-firewall"

// What becomes of connections to port 25 at the hop found.
enum class AtHop : std::uint8_t { ends, rejects, answers };

struct Cause {
    CauseKind kind = CauseKind::unknown;
    std::string name;    // "Amazon EC2", "nftables rule ...", "" when not known
    std::string policy;  // what is known of its rules, in a sentence or two
    std::optional<int> hop;
    std::string hop_address;
    std::optional<int> hops;
    std::optional<IcmpError> icmp{};  // by which the box at this hop turns port 25 away
    std::uint16_t port = 25;          // that is stopped there
    AtHop at_hop = AtHop::ends;
    net::Family family = net::Family::any;  // the one that is stopped so, where they differ
};

struct Fix {
    std::string title;               // "What will not help" lists what is useless to try
    std::vector<std::string> steps;  // a command between `backticks` is shown whole, to be copied
    std::string config;              // TOML to paste, "" when there is nothing to
};

struct Finding {
    std::string code;  // a verdict's name
    std::string summary;
};

// One router on the way, as seen by TTL-limited connects.
struct PathHop {
    int number = 0;
    std::string address;          // "" when it stayed silent
    bool answers_direct = false;  // it answered for the port under test
    bool answers_control = false;
};

// The way to one host, for port 25 against another port; drawn hop by hop.
struct PathPicture {
    std::string target, address;
    std::uint16_t port = 25, control_port = 0;
    std::vector<PathHop> hops;
    std::optional<int> reached_direct, reached_control;  // the TTL at which the far end answered
};

struct HostReport {
    std::string hostname;
    std::string platform;  // "Amazon EC2", "Docker container", "" when nothing is known
    std::vector<std::string> public_addresses;
};

struct Report {
    bool mail_leaves = false;
    std::string via;  // "direct", "smarthost NAME" or ""
    Verdict verdict;
    DirectReport direct;
    std::vector<SmarthostReport> smarthosts;
    Cause cause;
    std::vector<Fix> fixes;
    std::vector<Finding> findings;
    std::vector<Check> checks;
    std::vector<PathPicture> paths;
    HostReport host;
    base::Time started{};
    base::Duration took{};
    bool good = false;      // the thing asked about is fine: exit status 0
    std::string recipient;  // of --to: mail_leaves is about it alone
};

// The headline has said it: people are not told twice.
[[nodiscard]] bool said_in_headline(const Report& report, const Finding& finding);
// Takes out the findings that only repeat the verdict.
void drop_repetitions(Report& report);

// Told of each check as it begins (no status yet) and as it ends; for live progress. Called on the
// loop that runs the checks.
struct Progress {
    std::function<void(const std::string& title)> began;
    std::function<void(const Check& check)> ended;
};

}  // namespace diagnose
