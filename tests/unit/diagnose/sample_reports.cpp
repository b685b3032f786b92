#include "tests/unit/diagnose/sample_reports.hpp"

#include <cerrno>
#include <chrono>

using namespace diagnose;
using namespace std::chrono_literals;

namespace samples {

namespace {

constexpr const char* mx_on_587 =
    "Port 587 on the recipient's own mail server: it takes mail from its users only.";

Report begin(VerdictCode code, Confidence confidence, std::string summary) {
    Report report;
    report.verdict = {code, false, confidence, std::move(summary)};
    report.host.hostname = "web1.example.com";
    report.started = base::Time{1795939200000ms};
    report.took = 6200ms;
    return report;
}

Evidence port(std::string target, std::string address, std::uint16_t number, std::string result,
              base::Duration took, int error = 0) {
    Evidence evidence;
    evidence.target = std::move(target);
    evidence.family =
        address.find(':') == std::string::npos ? net::Family::ipv4 : net::Family::ipv6;
    evidence.address = std::move(address);
    evidence.port = number;
    evidence.result = std::move(result);
    evidence.took = took;
    evidence.error_number = error;
    return evidence;
}

Check check(std::string id, std::string title, CheckStatus status, std::string summary,
            std::vector<Evidence> evidence = {}) {
    return {std::move(id), std::move(title), status, std::move(summary), std::move(evidence), 40ms};
}

Check names_ok() {
    return check("names", "Names", CheckStatus::ok, "7 of 7 names resolve, in 12 ms on average");
}

Check ports_dropped() {
    Evidence open = port("Google", "192.0.2.27", 587, "open", 21ms);
    open.banner = "220 smtp.gmail.com ESMTP ready";
    return check("ports", "Port 25 of unrelated mail operators", CheckStatus::fail,
                 "none of 5 operators answers on port 25; 5 of them answer on 587 or 443",
                 {port("Google", "192.0.2.27", 25, "dropped", 5000ms, ETIMEDOUT),
                  port("Microsoft", "198.51.100.36", 25, "dropped", 5000ms, ETIMEDOUT), open});
}

PathPicture path_to_google(std::optional<int> direct) {
    PathPicture path;
    path.target = "gmail-smtp-in.l.google.com";
    path.address = "192.0.2.27";
    path.control_port = 443;
    path.hops = {{1, "10.0.0.1", true, true},
                 {2, "", false, false},
                 {3, "203.0.113.9", false, true},
                 {4, "203.0.113.77", direct.has_value(), true}};
    path.reached_direct = direct;
    path.reached_control = 5;
    return path;
}

Fix smarthost_fix() {
    return {"Send through a smarthost on port 587",
            {"Get an account at a mail provider that takes mail on port 587, 465 or 2525. Port 587 "
             "of smtp.gmail.com, smtp.mailgun.org and smtp.sendgrid.net answered a moment ago.",
             "Put the block below into /etc/relay/relay.toml, with your own account.",
             "`relay check --online` signs in without sending; then `relay run`."},
            "[smarthost]\nhost = \"smtp.mailgun.org\"\nport = 587\nusername = \"app@example.com\"\n"
            "password_file = \"/etc/relay/password\"\n"};
}

SmarthostReport good_smarthost() {
    SmarthostReport made;
    made.name = "mailgun";
    made.code = VerdictCode::ok_smarthost;
    made.host = "smtp.mailgun.org";
    made.port = 587;
    made.tls = "TLSv1.3";
    made.auth = "PLAIN";
    made.reply = "250 2.1.0 OK";
    made.ports = {{465, "open"}, {587, "open"}};
    return made;
}

Report ec2_without_smarthost() {
    Report report =
        begin(VerdictCode::outbound_25_dropped, Confidence::certain,
              "Mail cannot leave: Amazon EC2 silently drops every connection to port 25.");
    report.direct = {VerdictCode::outbound_25_dropped,
                     "every connection vanishes without an answer",
                     VerdictCode::outbound_25_dropped, std::nullopt};
    report.cause = {
        CauseKind::cloud,
        "Amazon EC2",
        "Port 25 is closed for new accounts. AWS opens it on request, with a reason and a "
        "PTR record, per account and region.",
        1,
        "10.0.0.1",
        5};
    report.fixes = {
        smarthost_fix(),
        {"Ask AWS to open port 25",
         {"Fill in the request form: https://repost.aws/knowledge-center/ec2-port-25-throttle",
          "Wait for the answer, mostly a day or two.",
          "Set the PTR of your address in the same form."},
         ""},
        {"What will not help",
         {mx_on_587,
          "Security groups and network ACLs: they are open, and the block lies beyond them."},
         ""}};
    report.checks = {names_ok(), ports_dropped(),
                     check("path", "Where packets for port 25 end", CheckStatus::fail,
                           "the gateway is the last to answer for them; port 443 gets to hop 5"),
                     check("firewall", "Rules of this host", CheckStatus::skip,
                           "listing nftables rules needs root; the counters show no local drop")};
    report.paths = {path_to_google(std::nullopt)};
    report.host.platform = "Amazon EC2";
    return report;
}

Report home_with_smarthost() {
    Report report = begin(VerdictCode::outbound_25_dropped, Confidence::likely,
                          "Mail leaves through mailgun. Direct delivery is not possible: this "
                          "internet provider blocks port 25.");
    report.good = report.mail_leaves = true;
    report.via = "smarthost mailgun";
    report.direct = {VerdictCode::outbound_25_dropped,
                     "every connection vanishes without an answer",
                     VerdictCode::outbound_25_dropped, VerdictCode::no_network};
    report.smarthosts = {good_smarthost()};
    report.cause = {CauseKind::isp,
                    "Example Telekom",
                    "Residential lines may not reach port 25; there is no way to have it lifted.",
                    2,
                    "",
                    9};
    report.checks = {names_ok(), ports_dropped(),
                     check("smarthost", "Smarthost mailgun", CheckStatus::ok,
                           "reached, verified, signed in, and the sender is taken")};
    report.host.public_addresses = {"203.0.113.80"};
    return report;
}

Report local_rule() {
    Report report = begin(VerdictCode::local_firewall, Confidence::certain,
                          "Mail cannot leave: a firewall rule on this very host stops port 25.");
    report.direct = {VerdictCode::local_firewall, "the packets never leave this host",
                     VerdictCode::local_firewall, VerdictCode::local_firewall};
    report.cause = {CauseKind::local_firewall,
                    "nftables: table inet filter, chain output: tcp dport 25 drop",
                    "",
                    0,
                    "",
                    std::nullopt};
    report.fixes = {
        {"Let port 25 out",
         {"See the rule: `nft -a list chain inet filter output`",
          "Remove it: `nft delete rule inet filter output handle 12`",
          "Take it out of /etc/nftables.conf as well, or the next start brings it back."},
         ""}};
    Evidence rule;
    rule.target = "nft list ruleset";
    rule.result = "drop";
    rule.detail = "tcp dport 25 drop # handle 12";
    report.checks = {names_ok(), ports_dropped(),
                     check("firewall", "Rules of this host", CheckStatus::fail,
                           "an nftables rule drops port 25", {rule})};
    return report;
}

Report wrong_password() {
    Report report = begin(VerdictCode::smarthost_auth, Confidence::certain,
                          "Mail cannot leave: Gmail refuses this user name and password.");
    report.direct = {VerdictCode::outbound_25_dropped,
                     "every connection vanishes without an answer",
                     VerdictCode::outbound_25_dropped, std::nullopt};
    report.smarthosts = {{"gmail",
                          VerdictCode::smarthost_auth,
                          "smtp.gmail.com",
                          587,
                          "TLSv1.3",
                          "",
                          "535 5.7.8 Username and Password not accepted.",
                          "Google takes app passwords only here, not the account's own password.",
                          "",
                          "",
                          "",
                          {{465, "open"}, {587, "open"}}}};
    report.cause = {CauseKind::config, "smarthost.password_file", "", std::nullopt, "",
                    std::nullopt};
    report.fixes = {{"Use an app password",
                     {"Turn on 2-step verification for the account.",
                      "Make an app password: https://myaccount.google.com/apppasswords",
                      "Write its 16 letters into the file that smarthost.password_file names."},
                     ""}};
    report.findings = {
        {"outbound-25-dropped",
         "Port 25 is blocked here as well, which does not matter with a smarthost."}};
    report.checks = {names_ok(), check("smarthost", "Smarthost gmail", CheckStatus::fail,
                                       "sign-in refused: 535 5.7.8")};
    return report;
}

Report hopeless() {
    Report report = begin(VerdictCode::smtp_hopeless, Confidence::likely,
                          "No mail port gets out of this network; only the web does.");
    report.direct = {VerdictCode::smtp_hopeless, "25, 465, 587 and 2525 are closed everywhere",
                     VerdictCode::outbound_25_rejected, std::nullopt};
    report.cause = {CauseKind::gateway,
                    "10.20.0.1",
                    "It answers every mail port with \"prohibited\" in its own name.",
                    1,
                    "10.20.0.1",
                    std::nullopt};
    report.fixes = {{"Ask whoever runs this network to open port 587 to your provider",
                     {"Name the host and port: smtp.mailgun.org, 587."},
                     ""},
                    {"Send by the provider's HTTPS API",
                     {"Most providers take mail over HTTPS on port 443, which works here."},
                     ""}};
    Evidence refused = port("Google", "192.0.2.27", 587, "rejected", 2ms, EHOSTUNREACH);
    refused.icmp = IcmpError{3, 13, "10.20.0.1", false};
    report.checks = {names_ok(), check("ports", "Mail ports of unrelated operators",
                                       CheckStatus::fail, "all closed; 443 works", {refused})};
    return report;
}

Report no_network() {
    Report report = begin(VerdictCode::no_network, Confidence::certain,
                          "This host has no network: there is no default route.");
    report.direct = {VerdictCode::no_network, "there is no route to anywhere",
                     VerdictCode::no_network, VerdictCode::no_network};
    report.fixes = {{"Connect this host",
                     {"See what is there: `ip route`, `ip -6 route`, `ip link`",
                      "In a container, see whether its network is \"none\" or internal."},
                     ""}};
    report.checks = {check("route", "Default route", CheckStatus::fail, "none, IPv4 nor IPv6"),
                     check("names", "Names", CheckStatus::skip, "needs a network"),
                     check("ports", "Port 25 of unrelated mail operators", CheckStatus::skip,
                           "needs a network")};
    return report;
}

Report dns_broken() {
    Report report = begin(VerdictCode::dns_broken, Confidence::certain,
                          "Names do not resolve; the network itself works.");
    report.direct = {VerdictCode::dns_broken, "no mail server can be looked up", std::nullopt,
                     std::nullopt};
    Evidence server;
    server.target = "nameserver";
    server.address = "10.0.0.2";
    server.port = 53;
    server.result = "timed out";
    server.took = 3000ms;
    report.cause = {
        CauseKind::config, "nameserver 10.0.0.2 in /etc/resolv.conf", "", std::nullopt, "",
        std::nullopt};
    report.fixes = {{"Name a server that answers in /etc/resolv.conf",
                     {"Ask the present one: `dig @10.0.0.2 example.com`",
                      "With systemd-resolved: `resolvectl status`"},
                     ""}};
    report.checks = {check("names", "Names", CheckStatus::fail,
                           "10.0.0.2 does not answer; addresses connect", {server})};
    return report;
}

Report intercepted() {
    Report report =
        begin(VerdictCode::outbound_25_intercepted, Confidence::certain,
              "Port 25 is intercepted: a box on the way answers for every mail server.");
    report.direct = {VerdictCode::outbound_25_intercepted, "a proxy answers instead of the servers",
                     VerdictCode::outbound_25_intercepted, VerdictCode::ok_direct};
    report.cause = {CauseKind::isp, "", "", 2, "198.51.100.1", 7};
    Evidence mask = port("Google", "192.0.2.27", 25, "open", 9ms);
    mask.banner = "220 **************************";
    mask.ehlo = {"mx.isp.example", "SIZE 10485760", "XXXXXXXA"};
    mask.detail = "STARTTLS is missing, which this operator offers";
    report.fixes = {smarthost_fix()};
    report.checks = {check("identity", "Who answers on port 25", CheckStatus::fail,
                           "the same greeting for 4 unrelated operators", {mask})};
    PathPicture path = path_to_google(2);
    path.hops.resize(1);
    report.paths = {path};
    return report;
}

Report direct_works() {
    Report report = begin(VerdictCode::ok_direct, Confidence::certain,
                          "Mail can leave directly: port 25 is open.");
    report.good = report.mail_leaves = true;
    report.via = "direct";
    report.direct = {VerdictCode::ok_direct, "4 of 4 operators answer, and they are genuine",
                     VerdictCode::ok_direct, std::nullopt};
    report.findings = {{"reputation",
                        "The address 203.0.113.80 has no PTR record; Gmail and others "
                        "will refuse mail from it."}};
    report.checks = {
        names_ok(),
        check("ports", "Port 25 of unrelated mail operators", CheckStatus::ok,
              "4 of 4 operators answer"),
        check("ptr", "PTR of our address", CheckStatus::warn, "203.0.113.80 has none")};
    return report;
}

Report inconclusive() {
    Report report = begin(VerdictCode::inconclusive, Confidence::unclear,
                          "It cannot be told whether port 25 is open: the evidence disagrees.");
    report.direct = {VerdictCode::inconclusive, "1 of 2 operators answers; the others have no name",
                     VerdictCode::inconclusive, std::nullopt};
    report.fixes = {
        {"Run it again with more time", {"`relay diagnose --timeout 60s --verbose`"}, ""}};
    report.checks = {check("names", "Names", CheckStatus::warn, "2 of 7 names resolve")};
    return report;
}

Report listed() {
    Report report =
        begin(VerdictCode::reputation, Confidence::certain,
              "Port 25 is open, but mail servers refuse this address: it is listed as one "
              "that must not send mail itself.");
    report.direct = {VerdictCode::reputation, "3 of 4 operators refuse at the greeting",
                     VerdictCode::reputation, std::nullopt};
    report.cause = {CauseKind::remote,
                    "Spamhaus PBL",
                    "Lists addresses of end users; the owner of a static address may remove it.",
                    std::nullopt,
                    "",
                    std::nullopt};
    Evidence refusal = port("GMX", "192.0.2.99", 25, "open", 30ms);
    refusal.banner = "554-gmx.net (mxgmx) Nemesis ESMTP Service not available";
    report.fixes = {smarthost_fix()};
    report.checks = {check("refusals", "Greetings", CheckStatus::fail, "3 of 4 refuse", {refusal})};
    return report;
}

Report null_mx() {
    Report report =
        begin(VerdictCode::recipient_mx, Confidence::certain,
              "nobody@example.com cannot get mail: example.com says that it takes none.");
    report.cause = {CauseKind::remote, "the DNS of example.com", "", std::nullopt, "",
                    std::nullopt};
    report.fixes = {{"Use another address", {"Ask the recipient for one that takes mail."}, ""}};
    Evidence record;
    record.target = "example.com MX";
    record.result = "null MX";
    record.detail = "0 . (RFC 7505)";
    report.checks = {check("mx", "MX of example.com", CheckStatus::fail, "null MX", {record})};
    return report;
}

Report domain() {
    Report report = begin(VerdictCode::reputation, Confidence::likely,
                          "Mail of example.com will land in spam: SPF does not cover mailgun.");
    report.fixes = {{"Add mailgun to the SPF record",
                     {"At your DNS provider, change the TXT record of example.com to: "
                      "`v=spf1 include:mailgun.org -all`"},
                     ""}};
    report.checks = {check("mx", "MX", CheckStatus::ok, "mx1.example.com, mx2.example.com"),
                     check("spf", "SPF", CheckStatus::fail, "v=spf1 mx -all does not name mailgun"),
                     check("dkim", "DKIM", CheckStatus::skip, "needs --selector NAME"),
                     check("dmarc", "DMARC", CheckStatus::warn, "p=none only watches")};
    return report;
}

Report loopback_only() {
    Report report = begin(VerdictCode::inbound_loopback_only, Confidence::certain,
                          "Nobody can send mail to this host: port 25 listens on 127.0.0.1 only.");
    report.verdict.inbound = true;
    report.cause = {CauseKind::config, "the mail server's listen address", "", std::nullopt, "",
                    std::nullopt};
    report.fixes = {
        {"Let the mail server listen on all addresses",
         {"Postfix: `postconf -e inet_interfaces=all`, then `systemctl restart postfix`"},
         ""},
        {"What will not help",
         {"A smarthost or port 587: other servers deliver on port 25 only."},
         ""}};
    report.checks = {
        check("listen", "Listens on port 25", CheckStatus::fail, "127.0.0.1 only"),
        check("vantage", "Reachable from outside", CheckStatus::skip, "needs --vantage URL")};
    return report;
}

Report stripped() {
    Report report = begin(VerdictCode::smarthost_no_starttls, Confidence::certain,
                          "Mail cannot leave safely: something removes STARTTLS on the way to "
                          "smtp.example.com.");
    report.direct = {VerdictCode::ok_direct, "4 of 4 operators answer", VerdictCode::ok_direct,
                     std::nullopt};
    report.smarthosts = {{"main",
                          VerdictCode::smarthost_no_starttls,
                          "smtp.example.com",
                          587,
                          "",
                          "",
                          "250 SIZE 35882577",
                          "The password was not sent.",
                          "",
                          "",
                          "",
                          {{465, "open"}, {587, "open"}}}};
    report.fixes = {{"Use port 465, which works here",
                     {"Change the port; TLS there begins before a word is said."},
                     "[smarthost]\nport = 465\n"}};
    report.checks = {check("smarthost", "Smarthost main", CheckStatus::fail, "no STARTTLS on 587")};
    return report;
}

Report submission_blocked() {
    Report report =
        begin(VerdictCode::submission_blocked, Confidence::likely,
              "Mail cannot leave: DigitalOcean blocks ports 25, 465 and 587. 2525 is open.");
    report.direct = {VerdictCode::outbound_25_dropped,
                     "every connection vanishes without an answer",
                     VerdictCode::outbound_25_dropped, VerdictCode::outbound_25_dropped};
    SmarthostReport own;
    own.name = "mailgun";
    own.code = VerdictCode::smarthost_unreachable;
    own.host = "smtp.mailgun.org";
    own.explained = "The same provider takes mail on 2525.";
    own.ports = {{465, "dropped"}, {587, "dropped"}, {2525, "open"}};
    report.smarthosts = {own};
    report.cause = {
        CauseKind::cloud, "DigitalOcean", "Blocks SMTP on all Droplets, never lifted.", 1, "", 8};
    report.fixes = {{"Use port 2525 of your provider",
                     {"Change the port in relay.toml."},
                     "[smarthost]\nport = 2525\n"}};
    report.checks = {ports_dropped()};
    return report;
}

}  // namespace

std::vector<Sample> all() {
    return {{"ec2-without-smarthost", ec2_without_smarthost()},
            {"home-with-smarthost", home_with_smarthost()},
            {"local-rule", local_rule()},
            {"wrong-password", wrong_password()},
            {"hopeless", hopeless()},
            {"no-network", no_network()},
            {"dns-broken", dns_broken()},
            {"intercepted", intercepted()},
            {"direct-works", direct_works()},
            {"inconclusive", inconclusive()},
            {"listed", listed()},
            {"null-mx", null_mx()},
            {"domain", domain()},
            {"loopback-only", loopback_only()},
            {"stripped", stripped()},
            {"submission-blocked", submission_blocked()}};
}

Report hostile() {
    const std::string attack =
        "</p><script>alert(1)</script>\"'&<img src=x onerror=alert(2)>\x1b[31m";
    Report report = begin(VerdictCode::inconclusive, Confidence::unclear, attack);
    report.via = attack;
    report.mail_leaves = true;
    report.direct = {VerdictCode::inconclusive, attack, std::nullopt, std::nullopt};
    report.smarthosts = {{attack,
                          VerdictCode::smarthost_rejected,
                          attack,
                          587,
                          attack,
                          attack,
                          attack,
                          attack,
                          "",
                          "",
                          "",
                          {{587, attack}}}};
    report.cause = {CauseKind::remote, attack, attack, 2, attack, 5};
    report.fixes = {{attack, {attack}, attack}, {"What will not help" + attack, {attack}, ""}};
    report.findings = {{attack, attack}};
    Evidence evidence = port(attack, attack, 25, attack, 1ms, ECONNREFUSED);
    evidence.banner = evidence.certificate = evidence.detail = attack;
    evidence.ehlo = {attack};
    evidence.icmp = IcmpError{3, 13, attack, false};
    report.checks = {check(attack, attack, CheckStatus::fail, attack, {evidence})};
    PathPicture path = path_to_google(std::nullopt);
    path.target = path.address = path.hops.front().address = attack;
    report.paths = {path};
    report.host = {attack, attack, {attack}};
    return report;
}

}  // namespace samples
