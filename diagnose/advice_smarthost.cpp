#include "diagnose/advice_smarthost.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/text.hpp"
#include "diagnose/advice_local.hpp"
#include "diagnose/advice_port.hpp"
#include "diagnose/port_families.hpp"
#include "diagnose/provider_catalogue.hpp"
#include "diagnose/sample_block.hpp"
#include "diagnose/smarthost_blame.hpp"
#include "diagnose/submission_ports.hpp"
#include "smtp/tls_ports.hpp"

namespace diagnose {
namespace {

constexpr std::string_view prove_it = "Prove it without sending: `relay check --online`";

// What a block of the configuration says, and what its port is known to do.
struct Block {
    std::string host, user;  // "": samples stand for them
    std::uint16_t port;
    std::string seen;  // of the port, from here
};

std::string text_of(const Block& block) {
    return fmt::format(
        "[smarthost]\nhost = \"{}\"{}\nport = {}            # {}; {}\nusername = \"{}\"\n"
        "password_file = \"{}\"\n",
        block.host.empty() ? sample_host : std::string_view{block.host},
        block.host.empty() ? sample_hint : std::string_view{}, block.port,
        smtp::implicit_tls(block.port) ? "implicit TLS" : "STARTTLS", block.seen,
        block.user.empty() ? sample_user : std::string_view{block.user}, sample_password_file);
}

// The configured smarthost on another port of its. Its sign-in stays as it is configured: the
// sender that is known need not be the user name.
std::string own_block(const SmarthostStages& stages, std::uint16_t port) {
    const std::string text =
        text_of({stages.host, "", port, "a mail server spoke there a moment ago"});
    return text.substr(0, text.find("username"));
}

bool has(const std::vector<std::uint16_t>& list, std::uint16_t port) {
    return std::find(list.begin(), list.end(), port) != list.end();
}

// The useful ports, those first that are to be tried first on this platform.
std::vector<SubmissionPort> preferred_ports(const Observations& seen) {
    std::vector<SubmissionPort> ports = submission_ports(seen);
    std::erase_if(ports, [](const SubmissionPort& port) { return !port.useful(); });
    if (seen.host.cloud == nullptr) return ports;
    const std::vector<std::uint16_t>& wanted = seen.host.cloud->relay_ports;
    const auto rank = [&](const SubmissionPort& port) {
        const auto at = std::find(wanted.begin(), wanted.end(), port.port) - wanted.begin();
        return std::tuple{!port.spoke, at, port.family_rank()};
    };
    std::stable_sort(ports.begin(), ports.end(),
                     [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
    return ports;
}

std::string seen_words(const SubmissionPort& port) {
    const std::string_view words =
        port.spoke ? "mail servers of other providers spoke there" : "seen open at other providers";
    return fmt::format("{} a moment ago{}{}", words, port.only ? "," : "", only_words(port.only));
}

// What can be told from how the handshake failed, and who has to act.
void add_tls_steps(const SmarthostStages& stages, const SmarthostBlame& blame, Fix& fix) {
    const tls::CertificateFaults& faults = stages.certificate;
    if (stages.plain_seen) {
        fix.steps.emplace_back(
            "This port speaks STARTTLS: set tls = \"starttls\" (or leave tls out), or "
            "use port 465 for implicit TLS.");
    }
    if (faults.unknown_issuer) {
        if (blame.who != Blame::path) {
            fix.steps.emplace_back(
                "If the server is your own: ca_file = \"/path/to/its-ca.pem\" in its "
                "[smarthost], or pin its key with fingerprint.");
        }
        fix.steps.emplace_back(
            "If it is a provider's: something on the path (an antivirus, a "
            "proxy) opens the TLS; have the smarthost excepted there.");
    }
    if (faults.wrong_name) {
        fix.steps.emplace_back("Use a host name that the certificate is for, as listed above.");
    }
    if (faults.expired) {
        fix.steps.emplace_back("Look at this host's clock first: `timedatectl`");
        fix.steps.emplace_back(
            "If the clock is right, only whoever runs the smarthost can renew its certificate: "
            "tell "
            "them; another port shows the same one.");
    }
    if (faults.too_early) {
        fix.steps.emplace_back("Look at this host's clock: `timedatectl`");
    }
}

std::string list_of(std::vector<std::string> words, std::string_view last) {
    if (last.empty() || words.size() < 2) return base::join(words, ", ");
    const std::string end = words.back();
    words.pop_back();
    return fmt::format("{} {} {}", base::join(words, ", "), last, end);
}

// A stranger's certificate would bring a stranger's name: only the user knows whose it is, so that
// this is no block for --write.
void name_the_host(const SmarthostStages& stages, const SmarthostBlame& blame, Fix& fix) {
    fix.title = fmt::format("Call the smarthost {} by its name", stages.name);
    fix.steps.push_back(fmt::format(
        "Set host = \"{}\" in its section, if that is a name of your provider's: whoever "
        "it belongs to gets your password.",
        blame.certificate_name));
}

// Open ports that nobody has tried, as the time was over or the smarthost is only looked at.
std::vector<std::uint16_t> untried_ports(const SmarthostReport& smarthost,
                                         const OtherPorts& tried) {
    std::vector<std::uint16_t> untried;
    for (const PortResult& port : smarthost.ports) {
        const bool known = std::any_of(tried.begin(), tried.end(), [&](const OtherPort& other) {
            return other.port == port.port;
        });
        if (port.result == "open" && port.port != smarthost.port && !known) {
            untried.push_back(port.port);
        }
    }
    return untried;
}

// "465 (over IPv6 only) or 2525"
std::string own_ports(const Observations& seen, const std::string& smarthost,
                      const std::vector<std::uint16_t>& ports) {
    std::vector<std::string> words;
    for (const std::uint16_t port : ports) {
        const std::string_view only = only_words(only_family(seen, smarthost, port));
        words.push_back(only.empty() ? std::to_string(port)
                                     : fmt::format("{} ({})", port, only.substr(1)));
    }
    return list_of(std::move(words), "or");
}

// A port of the smarthost on which it spoke. False where there is none.
bool offer_other_port(const Observations& seen, const SmarthostReport& smarthost, Fix& fix) {
    std::vector<std::uint16_t> speaking = speaking_ports(other_ports_of(seen, smarthost.name));
    std::stable_partition(speaking.begin(), speaking.end(), [&](std::uint16_t port) {
        return !only_family(seen, smarthost.name, port);
    });
    const SmarthostStages* stages = stages_of(seen, smarthost.name);
    if (speaking.empty() || stages == nullptr) return false;
    fix.steps.push_back(
        fmt::format("Use port {} of {}: a mail server speaks there, with TLS and a certificate "
                    "that were checked a moment ago (no sign-in was tried).",
                    own_ports(seen, smarthost.name, speaking), smarthost.host));
    fix.steps.emplace_back(
        "Set this in the section that it has in relay.toml, or let `relay diagnose --write` do "
        "it.");
    fix.config = own_block(*stages, speaking.front());
    return true;
}

// Why no other port of the smarthost is offered. A certificate's fault goes with none of them, but
// for those that showed a good one.
void add_useless_ports(const Observations& seen, const SmarthostReport& smarthost, Fix& fix) {
    const OtherPorts tried = other_ports_of(seen, smarthost.name);
    for (const OtherPort& port : tried) {
        fix.steps.push_back(fmt::format("Port {} of {} is open, but of no use: {}.", port.port,
                                        smarthost.host, port.words));
    }
    const std::vector<std::uint16_t> untried = untried_ports(smarthost, tried);
    const SmarthostStages* const stages = stages_of(seen, smarthost.name);
    const bool certificate = smarthost.code == VerdictCode::smarthost_tls && stages != nullptr &&
                             stages->certificate.any();
    if (untried.empty() || certificate) return;
    fix.steps.push_back(
        fmt::format("{} {} of {} {} connections; whether a mail server speaks there was not seen "
                    "in the time.",
                    untried.size() == 1 ? "Port" : "Ports", port_list(untried, "and"),
                    smarthost.host, untried.size() == 1 ? "takes" : "take"));
}

void add_other_port(const Observations& seen, const SmarthostReport& smarthost, Fix& fix) {
    if (!offer_other_port(seen, smarthost, fix)) add_useless_ports(seen, smarthost, fix);
}

const LocalSigns* signs_of(const Observations& seen, const std::string& smarthost) {
    for (std::size_t i = 0; i < seen.smarthosts.size() && i < seen.smarthost_signs.size(); ++i) {
        if (seen.smarthosts[i].name == smarthost) return &seen.smarthost_signs[i];
    }
    return &seen.local;
}

bool port_in_doubt(VerdictCode code) {
    return code == VerdictCode::smarthost_unreachable || code == VerdictCode::smarthost_tls ||
           code == VerdictCode::smarthost_no_starttls || code == VerdictCode::inconclusive;
}

// relay itself fetches no tokens: a command does.
std::string oauth2_words(const ProviderFacts& facts) {
    return fmt::format(
        "{}: set auth = \"xoauth2\" and let password_command print a valid access token, for the "
        "scope {}, from {}",
        facts.oauth2_only ? "It takes OAuth2 and no password"
                          : "In place of a password it takes "
                            "OAuth2",
        facts.scope, facts.token_url);
}

// What the smarthost's operator wants of its customers, where it is one that is known.
void add_provider_steps(const SmarthostReport& smarthost, Fix& fix) {
    const ProviderFacts* facts = provider_of_smarthost(smarthost.host);
    if (facts == nullptr) return;
    if (smarthost.code == VerdictCode::smarthost_auth) {
        fix.steps.push_back(fmt::format("{} wants as user name: {}. As password: {}.{}",
                                        facts->name, facts->username, facts->password,
                                        facts->setup_url.empty() ? "" : " " + facts->setup_url));
        if (!facts->sign_in.empty()) fix.steps.push_back(facts->sign_in);
        if (!facts->scope.empty()) fix.steps.push_back(oauth2_words(*facts));
    }
    if (smarthost.code == VerdictCode::smarthost_sender && !facts->from_rule.empty()) {
        fix.steps.push_back(fmt::format("{} takes as sender: {}.", facts->name, facts->from_rule));
    }
    const bool limit = smarthost.code == VerdictCode::smarthost_rejected &&
                       smarthost.trouble == limit_words && !facts->limits.empty();
    if (limit) fix.steps.push_back(fmt::format("{}'s limits: {}.", facts->name, facts->limits));
    if (smarthost.code != VerdictCode::smarthost_sender && !facts->note.empty()) {
        fix.steps.push_back(fmt::format("Of {} to know: {}", facts->name, facts->note));
    }
}

// Only this server is out of reach: those of others on its port are not.
void add_another_smarthost(const Observations& seen, const SmarthostBlame& blame, Fix& fix) {
    const SubmissionPort port = look_at_port(seen, blame.port);
    const bool others = blame.who == Blame::far || blame.only_this;
    if (!others || !port.useful()) return;
    fix.steps.push_back(
        fmt::format("Or take another smarthost: port {} of other providers {} from here{}.",
                    blame.port, port.spoke ? "speaks" : "opens", only_words(port.only)));
}

// Where no port of the smarthost can be offered.
void ask_for_port(const Observations& seen, const SmarthostReport& smarthost,
                  const SmarthostBlame& blame, Fix& fix) {
    fix.title = fmt::format("Have {} let port {} through, for the smarthost {}",
                            blame.router ? blame.router->address : "this network", blame.port,
                            smarthost.name);
    Fix ask;
    add_port_steps(seen, smarthost, blame, ask);
    auto at = std::find(fix.steps.begin(), fix.steps.end(), blame.words);
    at = at == fix.steps.end() ? fix.steps.begin() : at + 1;
    fix.steps.insert(at, ask.steps.begin(), ask.steps.end());
    add_another_smarthost(seen, blame, fix);
}

// Then the fix for port 25 has the smarthost's port as well.
bool rejects_25(const Observations& seen, const RejectingRouter& router) {
    const std::optional<PathReading> reading = best_reading(seen);
    return reading && reading->finding == PathFinding::rejected &&
           reading->hop_address == router.address;
}

Fix try_sign_in(const SmarthostReport& smarthost) {
    return {fmt::format("Try the sign-in of the smarthost {}", smarthost.name),
            {smarthost.explained, "Run `sudo relay diagnose`"},
            {}};
}

Fix test_again(const Observations& seen, const SmarthostReport& smarthost) {
    const SmarthostStages* const stages = stages_of(seen, smarthost.name);
    if (stages != nullptr && stages->untried) return try_sign_in(smarthost);
    Fix fix;
    // What was seen to work comes before what may be learnt. How far the test came is said above.
    const bool offered = offer_other_port(seen, smarthost, fix);
    fix.title = offered ? fmt::format(
                              "Use another port of the smarthost {}, or test it with more "
                              "time",
                              smarthost.name)
                        : fmt::format("Test the smarthost {} with more time", smarthost.name);
    if (!offered) fix.steps.push_back(smarthost.explained);
    fix.steps.emplace_back(offered
                               ? "Or see whether it greets later: `relay diagnose --timeout 60s`"
                               : "Run `relay diagnose --timeout 60s`");
    if (!offered) add_useless_ports(seen, smarthost, fix);
    return fix;
}

// "2525 (SendGrid, Mailgun, Postmark), 8025".
std::string ports_with_providers(const Observations& seen) {
    constexpr std::size_t most_names = 6;
    std::vector<std::string> texts;
    for (const std::uint16_t port : useful_ports(seen)) {
        const std::string text =
            fmt::format("{}{}", port, only_words(look_at_port(seen, port).only));
        std::vector<std::string_view> names = providers_on_port(port);
        if (names.size() > most_names) names.resize(most_names);
        texts.push_back(names.empty() ? text
                                      : fmt::format("{} ({})", text, fmt::join(names, ", ")));
    }
    return base::join(texts, ", ");
}

// Those whose customers look for them in vain among unusual ports.
std::string_view providers_without(const std::vector<SubmissionPort>& ports) {
    const bool usual =
        std::any_of(ports.begin(), ports.end(), [](const auto& port) { return port.usual(); });
    return usual ? ""
                 : " Gmail, Microsoft 365, iCloud, Yahoo, Fastmail and Zoho have none of them.";
}

}  // namespace

std::string port_list(const std::vector<std::uint16_t>& ports, std::string_view last) {
    std::vector<std::string> words;
    for (const std::uint16_t port : ports) words.push_back(std::to_string(port));
    return list_of(std::move(words), last);
}

OtherPorts other_ports_of(const Observations& seen, const std::string& smarthost) {
    for (std::size_t i = 0; i < seen.smarthosts.size() && i < seen.other_ports.size(); ++i) {
        if (seen.smarthosts[i].name == smarthost) return seen.other_ports[i];
    }
    return {};
}

Fix use_smarthost(const Observations& seen) {
    Fix fix;
    const std::vector<SubmissionPort> ports = preferred_ports(seen);
    if (ports.empty()) return fix;
    const SubmissionPort& best = ports.front();
    fix.title = fmt::format("Send through an authenticated smarthost on port {}{}", best.port,
                            only_words(best.only));
    if (best.usual()) {
        fix.steps.emplace_back(
            "Have the name of a submission server, a user name and a password from your mail "
            "provider or from a sending service.");
    } else {
        fix.steps.push_back(
            fmt::format("Take a provider with one of the ports that are open from here: {}.{}",
                        ports_with_providers(seen), providers_without(ports)));
    }
    if (best.only) {
        fix.steps.push_back(fmt::format(
            "It must be a server with an {} address: over the other family port {} is of no use.",
            *best.only == net::Family::ipv4 ? "IPv4" : "IPv6", best.port));
    }
    if (seen.host.cloud != nullptr) {
        const ProviderFacts* const own = find_provider(seen.host.cloud->native_relay);
        if (own != nullptr) {
            fix.steps.push_back(
                own->setup_url.empty()
                    ? fmt::format("{} has {} for sending.", seen.host.cloud->name, own->name)
                    : fmt::format("{} has {} for sending: {}", seen.host.cloud->name, own->name,
                                  own->setup_url));
        }
    }
    // A host and an account of nobody's are nothing to write.
    fix.steps.push_back(
        fmt::format("Put the block below, with these in it, into relay.toml{}, and the password "
                    "into the file it names, readable by relay's user only.",
                    seen.smarthosts.empty() ? "" : " in the place of the section that is there"));
    fix.steps.emplace_back(prove_it);
    fix.config = text_of({"", "", best.port, seen_words(best)});
    return fix;
}

Fix use_provider(const Observations& seen) {
    Fix fix;
    if (seen.host.isp == nullptr || seen.host.isp->smarthosts.empty()) return fix;
    const IspPolicy& isp = *seen.host.isp;
    const std::vector<SubmissionPort> ports = preferred_ports(seen);
    const auto port = std::find_if(ports.begin(), ports.end(),
                                   [&](const auto& each) { return has(isp.ports, each.port); });
    if (port == ports.end()) return fix;
    fix.title = fmt::format("Send through {}'s own server, as its customer", isp.name);
    fix.steps.push_back(
        fmt::format("{} takes its customers' mail at {}, port {}, with the user name and password "
                    "of a mailbox there.{}",
                    isp.name, isp.smarthosts.front(), port->port,
                    isp.checked ? "" : " This is what others report; its own pages decide."));
    fix.config = text_of({isp.smarthosts.front(), "", port->port, seen_words(*port)});
    return fix;
}

Fix use_other_port(const Observations& seen, const SmarthostReport& smarthost) {
    Fix fix;
    if (blame_for(seen, smarthost.name).who != Blame::here) return fix;
    if (!offer_other_port(seen, smarthost, fix)) return fix;
    fix.title = fmt::format("Use another port of the smarthost {}", smarthost.name);
    fix.steps.emplace_back(prove_it);
    return fix;
}

Fix fix_smarthost(const Observations& seen, const Report& report,
                  const SmarthostReport& smarthost) {
    if (smarthost.code == VerdictCode::inconclusive) return test_again(seen, smarthost);
    Fix fix;
    const SmarthostBlame blame = blame_for(seen, smarthost.name);
    if (blame.dead_family) return fix;  // no port of it can help: that family's own fix does
    fix.title = fmt::format("Make the smarthost {} work", smarthost.name);
    if (blame.who == Blame::here) {
        fix.title = fmt::format("Let port {} out of {}, for the smarthost {}", blame.port,
                                here_words(seen), smarthost.name);
        add_local_steps(seen, *signs_of(seen, smarthost.name), blame.rule, blame.port, fix);
    } else if (!blame.certificate_name.empty()) {
        name_the_host(*stages_of(seen, smarthost.name), blame, fix);
    } else if (blame.who == Blame::config) {
        fix.title =
            fmt::format("Give this host what it lacks for the smarthost {}", smarthost.name);
        if (report.verdict.summary.find(blame.words) == std::string::npos) {
            fix.steps.push_back(blame.words);
        }
        fix.steps.push_back(blame.remedy);
    } else {
        // That a connect failed, and how, is no step: the ways out say it.
        const bool unreached = smarthost.code == VerdictCode::smarthost_unreachable;
        const bool step = !unreached || blame.words.empty();
        if (step && !smarthost.explained.empty()) fix.steps.push_back(smarthost.explained);
        const bool said = report.verdict.summary.find(blame.words) != std::string::npos;
        if (!blame.words.empty() && !said) fix.steps.push_back(blame.words);
    }
    const bool apart = !use_other_port(seen, smarthost).steps.empty();
    const bool named = !blame.certificate_name.empty();
    if (port_in_doubt(smarthost.code) && !apart && !named) add_other_port(seen, smarthost, fix);
    const SmarthostStages* const stages = stages_of(seen, smarthost.name);
    const bool tls_failed = stages != nullptr && smarthost.code == VerdictCode::smarthost_tls;
    if (tls_failed && blame.who != Blame::config) add_tls_steps(*stages, blame, fix);
    add_provider_steps(smarthost, fix);
    if (smarthost.code == VerdictCode::smarthost_auth && !smarthost.reply.empty()) {
        fix.steps.emplace_back(
            "One sign-in was tried. Do not try in a loop: providers lock accounts.");
    }
    const bool closed =
        smarthost.code == VerdictCode::smarthost_unreachable && blame.who == Blame::path;
    if (closed && fix.config.empty()) {
        ask_for_port(seen, smarthost, blame, fix);
        return fix;
    }
    if (closed && blame.router && !rejects_25(seen, *blame.router)) {
        fix.steps.push_back(fmt::format("Or have {} let port {}{} through.", blame.router->address,
                                        blame.port, blame.only_this ? " of this server" : ""));
    }
    const bool unreached = smarthost.code == VerdictCode::smarthost_unreachable;
    if (unreached && fix.config.empty()) add_another_smarthost(seen, blame, fix);
    fix.steps.emplace_back(prove_it);
    return fix;
}

}  // namespace diagnose
