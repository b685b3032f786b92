#include "diagnose/firewall_rules.hpp"

#include <string>
#include <vector>

#include "diagnose/firewall_listing.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/firewall_words.hpp"

using diagnose::FirewallListing;
using diagnose::FirewallRules;
using diagnose::RuleAnswer;
using diagnose::RuleQuestion;
using net::Family;
using test::question;
using test::said;

namespace {

// A rule as `nft -j` prints it, single quotes for double ones.
struct NftRule {
    std::string chain, expressions;
};

std::string with_double_quotes(std::string text) {
    for (char& c : text) {
        if (c == '\'') c = '"';
    }
    return text;
}

const std::string base_chains =
    R"({"chain":{"family":"inet","table":"t","name":"in","handle":1,"type":"filter","hook":"input","prio":0,"policy":"accept"}},
       {"chain":{"family":"inet","table":"t","name":"out","handle":2,"type":"filter","hook":"output","prio":0,"policy":"accept"}},
       {"chain":{"family":"inet","table":"t","name":"strict","handle":3,"type":"filter","hook":"input","prio":10,"policy":"drop"}},
       {"chain":{"family":"inet","table":"t","name":"mail","handle":4}},
       {"chain":{"family":"inet","table":"t","name":"other","handle":5}},
       {"set":{"family":"inet","name":"ports","table":"t","type":"inet_service","handle":6,"elem":[25,{"range":[465,587]}]}},
       {"set":{"family":"inet","name":"bad","table":"t","type":"ipv4_addr","handle":7,"elem":[{"prefix":{"addr":"84.150.54.0","len":24}},{"elem":{"val":"84.150.55.7","comment":"x"}}]}},
       {"map":{"family":"inet","name":"verdicts","table":"t","type":"inet_service","handle":8,"map":"verdict","elem":[[25,{"drop":null}],[80,{"accept":null}]]}})";

FirewallRules nft(const std::vector<NftRule>& rules, bool strict = false) {
    std::string json = R"({"nftables":[{"metainfo":{"version":"1.0.6"}},)" + base_chains;
    int handle = 20;
    const auto add = [&](const NftRule& rule) {
        json += R"(,{"rule":{"family":"inet","table":"t","chain":")" + rule.chain +
                R"(","handle":)" + std::to_string(handle++) +
                ",\"expr\":" + with_double_quotes(rule.expressions) + "}}";
    };
    for (const NftRule& rule : rules) add(rule);
    if (!strict) add({"strict", "[{'accept':null}]"});
    FirewallListing listing;
    listing.nft_json = json + "]}";
    const base::Result<FirewallRules> parsed = diagnose::parse_firewall(listing);
    REQUIRE(parsed.has_value());
    return *parsed;
}

const std::string port25 =
    "{'match':{'op':'==','left':{'payload':{'protocol':'tcp','field':'dport'}},'right':25}}";

std::string match(const std::string& op, const std::string& left, const std::string& right) {
    return "{'match':{'op':'" + op + "','left':" + left + ",'right':" + right + "}}";
}
std::string payload(const std::string& protocol, const std::string& field) {
    return "{'payload':{'protocol':'" + protocol + "','field':'" + field + "'}}";
}
std::string meta(const std::string& key) { return "{'meta':{'key':'" + key + "'}}"; }

const std::string drop = "{'drop':null}", accept_it = "{'accept':null}";
const std::string dport = payload("tcp", "dport");

std::string rule(const std::vector<std::string>& parts) {
    std::string text = "[";
    for (const std::string& part : parts) text += (text.size() > 1 ? "," : "") + part;
    return text + "]";
}

}  // namespace

TEST_CASE("an nftables match of a first packet to port 25 out of this host", "[firewall]") {
    struct Case {
        std::string name;
        std::vector<std::string> parts;
        std::string v4, v6;
    };
    const Case c = GENERATE(values<Case>({
        {"the port", {port25, drop}, "drop", "drop"},
        {"another port", {match("==", dport, "587"), drop}, "", ""},
        {"a set", {match("==", dport, "{'set':[22,25]}"), drop}, "drop", "drop"},
        {"a range", {match("==", dport, "{'range':[20,30]}"), drop}, "drop", "drop"},
        {"a range in a set",
         {match("==", dport, "{'set':[80,{'range':[20,30]}]}"), drop},
         "drop",
         "drop"},
        {"a named set", {match("==", dport, "'@ports'"), drop}, "drop", "drop"},
        {"all but", {match("!=", dport, "{'set':[80,443]}"), drop}, "drop", "drop"},
        {"all but 25", {match("!=", dport, "{'set':[25,443]}"), drop}, "", ""},
        {"less than", {match("<", dport, "1024"), drop}, "drop", "drop"},
        {"not less than", {match(">=", dport, "1024"), drop}, "", ""},
        {"any transport's port", {match("==", payload("th", "dport"), "25"), drop}, "drop", "drop"},
        {"UDP's port", {match("==", payload("udp", "dport"), "25"), drop}, "", ""},
        {"not UDP's port", {match("!=", payload("udp", "dport"), "53"), drop}, "", ""},
        {"the protocol",
         {match("==", meta("l4proto"), "{'set':['tcp','udp']}"), drop},
         "drop",
         "drop"},
        {"another protocol", {match("==", meta("l4proto"), "'icmp'"), drop}, "", ""},
        {"IPv6 only", {match("==", meta("nfproto"), "'ipv6'"), port25, drop}, "", "drop"},
        {"IPv6's header",
         {match("==", payload("ip6", "nexthdr"), "'tcp'"), port25, drop},
         "drop",
         "drop"},
        {"a new connection",
         {match("in", "{'ct':{'key':'state'}}", "'new'"), port25, drop},
         "drop",
         "drop"},
        {"an old connection",
         {match("in", "{'ct':{'key':'state'}}", "['established','related']"), drop},
         "",
         ""},
        {"the first packet by its flags",
         {match("==", "{'&':[{'payload':{'protocol':'tcp','field':'flags'}},['fin','syn','rst']]}",
                "'syn'"),
          port25, drop},
         "drop",
         "drop"},
        {"later packets by their flags",
         {match("!=", "{'&':[{'payload':{'protocol':'tcp','field':'flags'}},['fin','syn','rst']]}",
                "'syn'"),
          drop},
         "",
         ""},
        {"through loopback", {match("==", meta("oif"), "'lo'"), port25, drop}, "", ""},
        {"not through loopback",
         {match("!=", meta("oifname"), "'lo'"), port25, drop},
         "drop",
         "drop"},
        {"through some interface",
         {match("==", meta("oifname"), "'eth7'"), port25, drop},
         "maybe drop only if meta oifname eth7",
         "maybe drop only if meta oifname eth7"},
        {"out to a private network",
         {match("==", payload("ip", "daddr"), "{'prefix':{'addr':'10.0.0.0','len':8}}"), port25,
          drop},
         "",
         ""},
        {"out to all but a private network",
         {match("!=", payload("ip", "daddr"), "{'prefix':{'addr':'10.0.0.0','len':8}}"), port25,
          drop},
         "drop",
         ""},
        {"somebody's address",
         {match("==", payload("ip", "daddr"), "'@bad'"), port25, drop},
         "maybe drop only if ip daddr @bad",
         ""},
        {"a blocklist without a port",
         {match("==", payload("ip", "daddr"), "'@bad'"), drop},
         "",
         ""},
        {"a mark that nobody set", {match("==", meta("mark"), "1"), drop}, "", ""},
        {"a client's port",
         {port25, match(">=", payload("tcp", "sport"), "1024"), drop},
         "drop",
         "drop"},
        {"some user",
         {match("==", meta("skuid"), "1000"), port25, drop},
         "maybe drop only if meta skuid 1000",
         "maybe drop only if meta skuid 1000"},
        {"a control group",
         {"{'match':{'op':'==','left':{'socket':{'key':'cgroupv2','level':1}},'right':'app'}}",
          drop},
         "maybe drop only if socket cgroupv2 app",
         "maybe drop only if socket cgroupv2 app"},
        {"up to a rate",
         {port25, "{'limit':{'rate':5,'burst':5,'per':'minute'}}", drop},
         "maybe drop only if limit rate 5/minute",
         "maybe drop only if limit rate 5/minute"},
        {"addresses and ports together",
         {match("==",
                "{'concat':[{'payload':{'protocol':'ip','field':'protocol'}},{'payload':{"
                "'protocol':'th','field':'dport'}}]}",
                "{'set':[{'concat':['udp',25]},{'concat':['tcp',25]}]}"),
          drop},
         "drop",
         "drop"},
        {"a verdict map", {"{'vmap':{'key':" + dport + ",'data':'@verdicts'}}"}, "drop", "drop"},
        {"a verdict map in place",
         {"{'vmap':{'key':" + dport +
          ",'data':{'set':[[22,{'accept':null}],[25,{'jump':{'target':"
          "'mail'}}]]}}}"},
         "reject tcp reset",
         "reject tcp reset"},
        {"a jump", {"{'jump':{'target':'mail'}}"}, "reject tcp reset", "reject tcp reset"},
        {"a jump that may be",
         {match("==", meta("skuid"), "8"), "{'jump':{'target':'mail'}}"},
         "maybe reject tcp reset only if meta skuid 8",
         "maybe reject tcp reset only if meta skuid 8"},
        {"reject",
         {port25, "{'reject':null}"},
         "reject icmp port-unreachable",
         "reject icmp port-unreachable"},
        {"reject with",
         {port25, "{'reject':{'type':'icmpx','expr':'admin-prohibited'}}"},
         "reject icmpx admin-prohibited",
         "reject icmpx admin-prohibited"},
        {"redirect",
         {port25, "{'redirect':{'port':2525}}"},
         "redirect to :2525",
         "redirect to :2525"},
        {"a counter alone", {port25, "{'counter':{'packets':3,'bytes':4}}"}, "", ""},
        {"queue", {port25, "{'queue':{'num':1}}"}, "queue", "queue"},
        {"what nobody knows", {match("==", "{'osf':{'key':'name'}}", "'Linux'"), drop}, "", ""},
    }));
    CAPTURE(c.name);
    const FirewallRules rules =
        nft({{"mail", rule({port25, "{'reject':{'type':'tcp reset'}}"})}, {"out", rule(c.parts)}});
    CHECK(said(find_rule(rules, question(false))) == c.v4);
    CHECK(said(find_rule(rules, question(false, Family::ipv6))) == c.v6);
    CHECK(said(find_rule(rules, question(true))).empty());  // the other direction
}

TEST_CASE("a packet of UDP meets the rules for UDP", "[firewall]") {
    struct Case {
        std::string name;
        std::vector<std::string> parts;
        std::string said;
    };
    const std::string udp = payload("udp", "dport"), any = payload("th", "dport");
    const Case c = GENERATE_COPY(values<Case>({
        {"the port", {match("==", udp, "53"), drop}, "drop"},
        {"of TCP", {match("==", dport, "53"), drop}, ""},
        {"all ports of TCP but one", {match("!=", dport, "443"), drop}, ""},
        {"either", {match("==", any, "53"), drop}, "drop"},
        {"either, by name",
         {match("==", meta("l4proto"), "{'set':['tcp','udp']}"), match("==", any, "53"), drop},
         "drop"},
        {"not TCP", {match("!=", meta("l4proto"), "'tcp'"), drop}, "drop"},
        {"TCP", {match("==", meta("l4proto"), "'tcp'"), drop}, ""},
        {"by number", {match("==", payload("ip", "protocol"), "17"), drop}, "drop"},
        {"a window of TCP",
         {match("==", any, "53"), match(">", payload("tcp", "window"), "1"), drop},
         ""},
        {"a masked field of TCP",
         {match("==", any, "53"), match("!=", "{'&':[" + payload("tcp", "doff") + ",1]}", "1"),
          drop},
         ""},
        {"an option of TCP",
         {match("==", any, "53"),
          match("==", "{'tcp option':{'name':'maxseg','field':'size'}}", "1"), drop},
         ""},
        {"a length of UDP",
         {match("==", any, "53"), match(">", payload("udp", "length"), "1"), drop},
         "maybe drop only if udp length > 1"},
    }));
    CAPTURE(c.name);
    RuleQuestion asked = question(false);
    asked.transport = "udp";
    asked.port = 53;
    CHECK(said(diagnose::find_rule(nft({{"out", rule(c.parts)}}), asked)) == c.said);
}

TEST_CASE("nftables chains are walked as a packet does", "[firewall]") {
    const std::string jump = "{'jump':{'target':'mail'}}", go_to = "{'goto':{'target':'mail'}}";
    const std::string leave = "{'return':null}";
    const std::string from_lan =
        match("==", payload("ip", "saddr"), "{'prefix':{'addr':'10.0.0.0','len':8}}");
    const std::string from_one = match("==", payload("ip", "saddr"), "'84.150.53.9'");
    struct Case {
        std::string name;
        std::vector<NftRule> rules;
        bool strict;
        std::string expected;
    };
    const Case c = GENERATE_COPY(values<Case>({
        {"policy drop", {}, true, "drop"},
        {"accepted before the policy", {{"strict", rule({port25, accept_it})}}, true, ""},
        {"accepted in one base chain, dropped in the next",
         {{"in", rule({accept_it})}},
         true,
         "drop"},
        {"the first verdict counts",
         {{"in", rule({port25, accept_it})}, {"in", rule({port25, drop})}},
         false,
         ""},
        {"a jump comes back",
         {{"mail", rule({match("==", dport, "587"), drop})},
          {"in", rule({jump})},
          {"in", rule({port25, drop})}},
         false,
         "drop"},
        {"a goto does not",
         {{"mail", rule({match("==", dport, "587"), drop})},
          {"in", rule({go_to})},
          {"in", rule({port25, drop})}},
         false,
         ""},
        {"return skips the rest of its chain",
         {{"mail", rule({port25, leave})}, {"mail", rule({drop})}, {"in", rule({jump})}},
         false,
         ""},
        {"and the caller goes on",
         {{"mail", rule({port25, leave})},
          {"in", rule({jump})},
          {"in", rule({port25, "{'reject':null}"})}},
         false,
         "reject icmp port-unreachable"},
        {"a chain that jumps to itself ends",
         {{"mail", rule({jump})}, {"in", rule({jump})}},
         false,
         ""},
        {"the local network is spared, the world is not",
         {{"strict", rule({from_lan, port25, accept_it})}},
         true,
         "drop"},
        {"one address is spared",
         {{"strict", rule({from_one, port25, accept_it})}},
         true,
         "drop unless ip saddr 84.150.53.9"},
        {"marked, then dropped by the mark",
         {{"in", rule({port25, "{'mangle':{'key':{'meta':{'key':'mark'}},'value':1}}"})},
          {"in", rule({port25, match("==", meta("mark"), "1"), drop})}},
         false,
         "maybe drop only if meta mark 1"},
        {"packets to this host's own addresses",
         {{"in", rule({match("==", "{'fib':{'result':'type','flags':['daddr']}}", "'local'"),
                       port25, drop})}},
         false,
         "drop"},
    }));
    CAPTURE(c.name);
    CHECK(said(find_rule(nft(c.rules, c.strict), question(true))) == c.expected);
}

TEST_CASE("a rule about users is asked for whom", "[firewall]") {
    // As hosting panels do it: the mail server may, nobody else.
    const FirewallRules rules =
        nft({{"out", rule({match("==", meta("skuid"), "{'set':[0,108]}"), port25, accept_it})},
             {"out", rule({port25, drop})}});
    RuleQuestion asked = question(false);
    CHECK(said(find_rule(rules, asked)) == "drop unless meta skuid 0, 108");
    asked.user = 1000;
    CHECK(said(find_rule(rules, asked)) == "drop");
    asked.user = 108;
    CHECK(said(find_rule(rules, asked)) == "maybe drop unless meta skuid 0, 108");
}

TEST_CASE("a statement that may let a packet off leaves a doubt", "[firewall]") {
    struct Case {
        std::string statement, doubt;  // "": the next statement is surely met
    };
    const Case c = GENERATE(values<Case>({
        {"{'limit':{'rate':3,'burst':5,'per':'second','inv':true}}", "limit rate over 3/second"},
        {"{'limit':'slow'}", "limit slow"},
        {"{'ct count':{'val':20,'inv':true}}", "ct count over 20"},
        {"{'quota':{'val':5,'val_unit':'mbytes','inv':true}}", "quota over 5 mbytes"},
        {"{'quota':'month'}", "quota month"},
        {"{'set':{'op':'add','elem':" + payload("ip", "saddr") +
             ",'set':'@m','stmt':[{'limit':{'rate':10,'per':'minute','inv':true}}]}}",
         "limit rate over 10/minute of @m"},
        {"{'map':{'op':'add','elem':" + payload("ip", "saddr") +
             ",'data':1,'map':'@n','stmt':[{'counter':null},{'ct count':{'val':2}}]}}",
         "ct count 2 of @n"},
        {"{'meter':{'key':" + payload("ip", "saddr") +
             ",'stmt':{'ct count':{'val':3,'inv':true}},'size':65535,'name':'x'}}",
         "ct count over 3 of x"},
        {"{'statement of tomorrow':{'val':1}}", "statement of tomorrow"},
        {"{'set':{'op':'add','elem':" + payload("ip", "saddr") + ",'set':'@m'}}", ""},
        {"{'set':{'op':'add','elem':1,'set':'@m','stmt':[{'counter':null}]}}", ""},
        {"{'notrack':null}", ""},
        {"{'log':{'prefix':'x'}}", ""},
        {"{'mangle':{'key':{'meta':{'key':'priority'}},'value':'0:1'}}", ""},
        {"{'mangle':{'key':{'ct':{'key':'mark'}},'value':1}}", ""},
    }));
    CAPTURE(c.statement);
    const std::string only = c.doubt.empty() ? "" : " only if " + c.doubt;
    const std::string unless = c.doubt.empty() ? "" : "drop unless " + c.doubt;
    const std::string maybe = c.doubt.empty() ? "" : "maybe ";
    CHECK(said(find_rule(nft({{"out", rule({port25, c.statement, drop})}}), question(false))) ==
          maybe + "drop" + only);
    CHECK(said(find_rule(nft({{"in", rule({port25, c.statement, drop})}}), question(true))) ==
          maybe + "drop" + only);
    const FirewallRules accepting =
        nft({{"out", rule({port25, c.statement, accept_it})}, {"out", rule({port25, drop})}});
    CHECK(said(find_rule(accepting, question(false))) == unless);
}

TEST_CASE("a rule for one user is found by those whom it spares", "[firewall]") {
    const FirewallRules one =
        nft({{"out", rule({match("==", meta("skuid"), "997"), port25, drop})}});
    RuleQuestion asked = question(false);
    asked.user = 0;
    CHECK_FALSE(find_rule(one, asked).stops);
    auto other = find_rule_for_others(one, asked, {65534});
    REQUIRE(other);
    CHECK(other->user == 997);
    CHECK(find_rule(one, asked).possible.front().spares_asker);
    asked.user = 997;
    CHECK_FALSE(find_rule_for_others(one, asked, {65534}));

    // All but root: of those who are asked about, the first comes first.
    const FirewallRules all = nft({{"out", rule({match("!=", meta("skuid"), "0"), port25, drop})}});
    asked.user = 0;
    other = find_rule_for_others(all, asked, {997, 65534});
    REQUIRE(other);
    CHECK(other->user == 997);

    // Let through before: nobody is stopped.
    const FirewallRules none =
        nft({{"out", rule({port25, accept_it})},
             {"out", rule({match("==", meta("skuid"), "997"), port25, drop})}});
    CHECK_FALSE(find_rule_for_others(none, asked, {997}));
    // A rule that asks for nobody in particular is the asker's own matter.
    CHECK_FALSE(find_rule_for_others(nft({{"out", rule({port25, drop})}}), asked, {997}));
    // What limits everybody spares nobody.
    const RuleAnswer limited = find_rule(
        nft({{"out", rule({port25, "{'limit':{'rate':2,'per':'second'}}", drop})}}), asked);
    REQUIRE(limited.possible.size() == 1);
    CHECK_FALSE(limited.possible.front().spares_asker);
}

TEST_CASE("a match quotes the rule, where it stands and how to be rid of it", "[firewall]") {
    FirewallListing listing;
    listing.nft_json =
        R"({"nftables":[{"chain":{"family":"inet","table":"filter","name":"output","handle":3,"type":"filter","hook":"output","prio":0,"policy":"accept"}},
        {"rule":{"family":"inet","table":"filter","chain":"output","handle":21,"comment":"no mail","expr":[{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":{"set":[25,465]}}},{"counter":{"packets":17,"bytes":1020}},{"reject":{"type":"icmpx","expr":"admin-prohibited"}}]}}]})";
    listing.nft_text =
        "table inet filter { # handle 1\n\tchain output { # handle 3\n"
        "\t\ttype filter hook output priority filter; policy accept;\n"
        "\t\ttcp dport { 25, 465 } counter packets 17 bytes 1020 reject with icmpx "
        "admin-prohibited comment \"no mail\" # handle 21\n\t}\n}\n";
    const auto rules = diagnose::parse_firewall(listing);
    REQUIRE(rules.has_value());
    const RuleAnswer answer = find_rule(*rules, question(false));
    REQUIRE(answer.stops);
    CHECK(rule_text(*answer.stops) ==
          "nftables, table inet filter, chain output: tcp dport { 25, 465 } counter packets 17 "
          "bytes 1020 reject with icmpx admin-prohibited comment \"no mail\"");
    CHECK(answer.stops->packets == 17u);
    CHECK(answer.stops->hook == "output");
    CHECK(commands_to_allow(*answer.stops, question(false)) ==
          std::vector<std::string>{"nft delete rule inet filter output handle 21"});
}

TEST_CASE("iptables' own listing replaces what nft shows of its tables", "[firewall]") {
    FirewallListing listing;
    listing.nft_json =
        R"({"nftables":[{"chain":{"family":"ip","table":"filter","name":"INPUT","handle":1,"type":"filter","hook":"input","prio":0,"policy":"accept"}},
        {"rule":{"family":"ip","table":"filter","chain":"INPUT","handle":3,"expr":[{"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":"tcp"}},{"xt":{"type":"match","name":"multiport"}},{"counter":{"packets":0,"bytes":0}},{"drop":null}]}}]})";
    CHECK(said(find_rule(*diagnose::parse_firewall(listing), question(true))).empty());
    listing.iptables_save =
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m multiport --dports 25 -j DROP\nCOMMIT\n";
    const auto rules = diagnose::parse_firewall(listing);
    REQUIRE(rules.has_value());
    CHECK(rules->tables.size() == 1);
    CHECK(said(find_rule(*rules, question(true))) == "drop");
}

TEST_CASE("listings that are none are said to be none", "[firewall]") {
    FirewallListing listing;
    listing.nft_json = "netlink: Error";
    CHECK(diagnose::parse_firewall(listing).has_error());
    listing.nft_json = R"({"nftables":{}})";
    CHECK(diagnose::parse_firewall(listing).has_error());
    listing = {};
    listing.iptables_save = "Fatal: can't open lock file";
    CHECK(diagnose::parse_firewall(listing).has_error());
    // Odd but whole JSON is survived.
    for (const char* odd : {R"({"nftables":[]})", R"({"nftables":[1,{},{"rule":{}},{"chain":1}]})",
                            R"({"nftables":[{"rule":{"expr":[{"match":1},{"vmap":{}}]}}]})"}) {
        CAPTURE(odd);
        listing = {};
        listing.nft_json = odd;
        CHECK(diagnose::parse_firewall(listing).has_value());
    }
}

TEST_CASE("without the right to list rules that is what is said", "[firewall]") {
    const diagnose::FirewallReading reading = diagnose::read_firewall_now();
    CHECK((reading.readable || !reading.why_not.empty()));
}
