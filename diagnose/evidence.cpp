#include "diagnose/evidence.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "diagnose/own_server.hpp"

namespace diagnose {
namespace {

// RFC 5321 section 4.2: three digits, then a blank, a hyphen or nothing.
bool looks_like_reply(std::string_view line) {
    const bool digits = line.size() >= 3 && std::all_of(line.begin(), line.begin() + 3, [](char c) {
                            return c >= '0' && c <= '9';
                        });
    return digits && (line.size() == 3 || line[3] == ' ' || line[3] == '-');
}

// The test that Postfix has for Cisco's inspection of SMTP: nothing but these in the greeting.
bool masked_banner(std::string_view line) {
    return line.find('*') != line.npos && line.find_first_not_of("*20 -") == line.npos;
}

bool masked_keyword(std::string_view line) {
    const std::string_view word = line.substr(0, line.find(' '));
    return word.size() >= 4 && word.find_first_not_of('X') >= word.size() - 1;
}

bool masked_ehlo(const Greeting& greeting) {
    const std::vector<std::string>& lines = greeting.ehlo_lines;
    return lines.size() > 1 && std::any_of(lines.begin() + 1, lines.end(), masked_keyword);
}

// Who greets: the name, or the whole line of a server that says none. "" for what is no name, as
// the status code of a refusal.
std::string_view who_greets(std::string_view line) {
    const std::string_view name = name_in_greeting(line);
    const bool letters = std::any_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    });
    const bool local = base::starts_with_ignoring_case(name, "localhost");
    if (letters && !local && name.find('.') != name.npos) return name;
    return line.starts_with("220") ? line : std::string_view{};
}

}  // namespace

Identity judge_identity(const Greeting& greeting, const ProbeTarget& expected) {
    const std::string_view line = greeting.raw;
    // Half a line is a server that is slow, or held up.
    if (greeting.silent || greeting.timed_out) return Identity::silent;
    if (!looks_like_reply(line)) return Identity::not_smtp;
    if (line[0] == '4' || line[0] == '5') return Identity::refusing;
    if (!line.starts_with("220")) return Identity::not_smtp;
    if (masked_banner(line) || masked_ehlo(greeting)) return Identity::masked;
    if (line.find(expected.banner) == line.npos) return Identity::foreign;
    const bool looked = greeting.ehlo.positive();
    if (looked && expected.starttls && !greeting.starttls_offered) return Identity::stripped;
    if (greeting.ehlo.permanent() || greeting.ehlo.transient()) return Identity::refusing;
    // A date or an issuer may be this host's own fault: its clock, its trust store.
    if (greeting.certificate.faults.wrong_name) return Identity::certificate;
    return Identity::genuine;
}

void judge_issuers(std::vector<PortEvidence>& evidence) {
    std::map<std::string, std::set<std::string>> operators;  // by issuer
    const auto unknown = [](const PortEvidence& item) {
        return item.role == ProbeRole::direct && item.identity == Identity::genuine &&
               item.greeting && item.greeting->certificate.faults.unknown_issuer;
    };
    for (const PortEvidence& item : evidence) {
        if (unknown(item)) {
            operators[item.greeting->certificate.issuer].insert(item.operator_name);
        }
    }
    for (PortEvidence& item : evidence) {
        const bool shared =
            unknown(item) && operators[item.greeting->certificate.issuer].size() >= 2;
        if (!shared) continue;
        item.identity = Identity::certificate;
        item.genuine = false;
    }
}

void judge_greetings(std::vector<PortEvidence>& evidence) {
    std::map<std::string, std::set<std::string>> operators;  // by who greets
    const auto speaks = [](const PortEvidence& item) {
        return item.role == ProbeRole::direct && item.open() && !who_greets(item.banner).empty();
    };
    for (const PortEvidence& item : evidence) {
        if (speaks(item)) {
            operators[std::string{who_greets(item.banner)}].insert(item.operator_name);
        }
    }
    for (PortEvidence& item : evidence) {
        const bool shared =
            speaks(item) && operators[std::string{who_greets(item.banner)}].size() >= 2;
        if (!shared || !item.genuine) continue;
        item.identity = Identity::foreign;
        item.genuine = false;
    }
}

void judge_silence(std::vector<PortEvidence>& evidence, long failed) {
    // Two, for one SYN may fail by chance.
    const auto kept = [](const PortEvidence& item) {
        return item.role == ProbeRole::direct && item.result == "dropped" &&
               item.retransmissions >= 2 && !item.last_left;
    };
    long sent = 0;
    for (const PortEvidence& item : evidence) {
        if (kept(item)) sent += static_cast<long>(item.retransmissions);
    }
    if (sent == 0 || failed < sent) return;
    for (PortEvidence& item : evidence) item.kept_here = kept(item);
}

std::string_view identity_words(Identity identity) {
    switch (identity) {
        case Identity::unknown:
        case Identity::genuine:
            return "";
        case Identity::refusing:
            return "it greets us with a refusal";
        case Identity::silent:
            return "the connection is accepted, but nothing greets";
        case Identity::masked:
            return "the greeting or its keywords are masked, as a firewall with SMTP inspection "
                   "(Cisco PIX or ASA) does";
        case Identity::foreign:
            return "another server's greeting answers";
        case Identity::not_smtp:
            return "what answers is no mail server";
        case Identity::stripped:
            return "STARTTLS is missing although the server is known to offer it";
        case Identity::certificate:
            return "the certificate shown after STARTTLS is not the server's own";
    }
    return "";
}

bool may_be_slow(const PortEvidence& item) {
    return item.identity == Identity::silent && item.greeting && item.greeting->timed_out &&
           item.talk < greeting_patience;
}

Evidence row_of(const PortEvidence& item) {
    Evidence row;
    row.target = item.operator_name == item.host || item.host.empty()
                     ? item.operator_name
                     : item.operator_name + " (" + item.host + ")";
    row.address = item.address;
    row.port = item.port;
    row.family = item.family;
    row.result = item.result;
    row.error_number = item.error_number;
    row.icmp = item.icmp;
    row.banner = item.banner;
    if (item.attempted()) row.took = item.took;
    row.detail = identity_words(item.identity);
    if (!item.greeting) return row;
    row.ehlo = item.greeting->ehlo_lines;
    row.certificate = item.greeting->certificate.text();
    if (row.detail.empty()) row.detail = item.greeting->problem;
    return row;
}

}  // namespace diagnose
