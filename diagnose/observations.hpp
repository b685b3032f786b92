#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "diagnose/answer_distance.hpp"
#include "diagnose/evidence.hpp"
#include "diagnose/firewall_rules.hpp"
#include "diagnose/host.hpp"
#include "diagnose/name_servers.hpp"
#include "diagnose/options.hpp"
#include "diagnose/other_ports.hpp"
#include "diagnose/path.hpp"
#include "diagnose/smarthost_check.hpp"
#include "diagnose/startup_probe.hpp"

namespace diagnose {

// What this host's own kernel and rules say about SYNs for port 25.
struct LocalSigns {
    LocalSigns() = default;
    std::uint16_t port = 25;
    std::string address;  // of the silent connect
    bool counter_read = false;
    long failed_retransmissions = 0;  // TCPRetransFail's growth meanwhile: anybody's on this host
    unsigned retransmissions = 0;     // that connect's own
    bool last_left = false;           // and the last of them got out of this host
    bool rules_read = false;
    std::string rules_problem;        // why they could not be read
    std::optional<RuleMatch> rule;    // that stops port 25 on its way out
    std::vector<RuleMatch> possible;  // rules that may stop some of it
};

// A rule of this host that spares whoever runs this and stops another user's connections.
struct RuleForUser {
    std::uint16_t port = 25;
    std::string asker;  // "root", "uid 1000"
    std::string name;   // of the other user, "" when it has none
    UserMatch match;
};

// Everything that was seen, before anything is concluded.
struct Observations {
    Observations() = default;
    ProbeOptions probe;
    bool direct_path = false, about_direct = false;  // as in OutboundAsk
    std::string hostname;
    std::vector<PortEvidence> ports;
    std::vector<PathTrace> paths;
    std::vector<AnswerPair> answers;            // one per family at most
    LocalSigns local;                           // of port 25, over a family that is closed
    std::optional<LocalSigns> local_second;     // over the other one, where both are closed
    std::optional<RuleMatch> rule_for_all;      // of this host, that stops the web too
    std::optional<RuleMatch> rule_for_dns;      // of this host, that stops look-ups
    std::vector<RuleForUser> rules_for_others;  // one per port and family at most
    HostIdentity host;
    std::vector<SmarthostStages> smarthosts;
    std::vector<SmarthostPorts> smarthost_ports;  // in the same order
    std::vector<LocalSigns> smarthost_signs;      // of its failed port; in the same order
    std::vector<OtherPorts> other_ports;          // that were tried; in the same order, or empty
    bool route_v4 = false, route_v6 = false;
    bool portal_skipped = false;  // it was looked for, and that did not come to an end in time
    std::string portal;  // what answers in the place of a well-known page; "" when it is the page
    std::string name_servers;
    std::string dns_transport = "udp";         // by which they are asked
    std::vector<NameServer> each_name_server;  // asked by itself; empty: none was
    bool name_servers_rotate = false;          // look-ups take turns among them
    std::string own_greeting;  // of port 25 on this host, where a stranger answered for others
    std::string search_page;   // the address given for names that do not exist; "": none is
    std::string proxy;         // of the web, as the environment names it, without credentials
    bool trust_store = true;   // this host trusts some issuers; without it no issuer is judged
};

// A drop by the local output filter, shown without privileges: the SYNs sent again failed in the
// kernel, and nothing else says that some got out.
[[nodiscard]] bool dropped_here(const Observations& seen, const LocalSigns& local);

// Packets for this port do get out of this host: a router answered one, or one sent again left.
[[nodiscard]] bool packets_leave(const Observations& seen, const LocalSigns& local);

// What was seen of port 25 over this family; nothing where it was not looked at.
[[nodiscard]] std::vector<const LocalSigns*> signs_over(const Observations& seen,
                                                        net::Family family);

// A rule of this host, or its kernel's account, shows that port 25 ends here over this family.
[[nodiscard]] bool stopped_here(const Observations& seen, net::Family family);

// Port 25 gets no farther than this host or the first router, and which of both it is was not seen:
// the rules of this host are unread, or one of them stops some packets.
[[nodiscard]] bool may_be_here(const Observations& seen, net::Family family = net::Family::any);

// A rule of this host (nat OUTPUT) leads what is meant for port 25 elsewhere: it was read, or this
// host's own server answers for the others.
[[nodiscard]] bool redirected_here(const Observations& seen, net::Family family = net::Family::any);
[[nodiscard]] bool own_server_answers(const Observations& seen);
// This host's own server answers for the others, led here by whomever.
[[nodiscard]] bool own_greeting_heard(const Observations& seen);

// "this host", or "this container": where the rules are that are called its own.
[[nodiscard]] std::string_view here_words(const Observations& seen);

// Names that lead to the search page only do not exist: their evidence is made to say so.
void expose_search_page(Observations& seen);

// Nothing connects, and the environment names a web proxy: this network lets out nothing else.
[[nodiscard]] bool proxy_only(const Observations& seen, VerdictCode code);

// Nothing connects because a box on the way refuses whatever comes: which, as far as it is known.
[[nodiscard]] std::optional<std::string> refuses_all(const Observations& seen);

// From evidence to report: verdict, cause, fixes, findings, checks. Pure.
[[nodiscard]] Report conclude(const Observations& seen);

// Parts of it, each a file.
struct DirectVote {
    VerdictCode code = VerdictCode::inconclusive;
    std::optional<VerdictCode> ipv4, ipv6;
    std::string summary;
};
[[nodiscard]] DirectVote vote_direct(const Observations& seen);
[[nodiscard]] Cause find_cause(const Observations& seen, const Report& report);
[[nodiscard]] std::vector<Fix> advise(const Observations& seen, const Report& report);
[[nodiscard]] std::vector<Check> make_checks(const Observations& seen, const Report& report);

// The reading of the path (of one family, or of any) that says most about port 25.
[[nodiscard]] std::optional<PathReading> best_reading(const Observations& seen,
                                                      net::Family family = net::Family::any);

// The family over which port 25 is closed although the other one is open.
[[nodiscard]] std::optional<net::Family> closed_family(const DirectReport& direct);
// The direct code, or that family's own.
[[nodiscard]] VerdictCode closed_code(const DirectReport& direct);
// Over each family, by different things.
[[nodiscard]] bool closed_in_two_ways(const DirectReport& direct);
// Then the direct code is told of one family, and what else closes the other is told beside it.
struct TwoWays {
    net::Family first = net::Family::any;  // the direct code's
    net::Family second = net::Family::any;
    VerdictCode second_code = VerdictCode::inconclusive;
};
[[nodiscard]] std::optional<TwoWays> two_ways(const DirectReport& direct);
// Who closes port 25 over that family, in the way of this code.
[[nodiscard]] Cause cause_over(const Observations& seen, net::Family family, VerdictCode code);
// Mail ports of the operators, but for 25, that were asked and opened nowhere.
[[nodiscard]] std::vector<std::uint16_t> dead_ports(const Observations& seen);

// What was tried of this smarthost's other ports.
[[nodiscard]] OtherPorts other_ports_of(const Observations& seen, const std::string& smarthost);

// Mail ports that answered somewhere, in the order to try them: 587, 465, then the alternates.
[[nodiscard]] std::vector<std::uint16_t> open_submission_ports(const Observations& seen);

}  // namespace diagnose
