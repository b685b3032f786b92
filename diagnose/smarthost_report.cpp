#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/check_names.hpp"
#include "diagnose/error_catalogue.hpp"
#include "diagnose/reply_catalogue.hpp"
#include "diagnose/smarthost_check.hpp"

namespace diagnose {
namespace {

std::string_view words_for(std::string_view who_fixes) {
    if (who_fixes == "admin") return "The account's administrator has to fix this.";
    if (who_fixes == "provider") return "Only the provider can fix this.";
    if (who_fixes == "recipient") return "The recipient's side has to fix this.";
    return "";
}

// The stage as the part of a delivery that it is.
std::string_view stage_words(smtp::Stage stage) {
    switch (stage) {
        case smtp::Stage::dns:
            return "looking its name up";
        case smtp::Stage::connect:
            return "connecting";
        case smtp::Stage::starttls:
            return "STARTTLS";
        case smtp::Stage::tls:
            return "TLS";
        case smtp::Stage::auth:
            return "the sign-in";
        case smtp::Stage::mail:
            return "the sender (MAIL FROM)";
        case smtp::Stage::rcpt:
            return "the recipient (RCPT TO)";
        default:
            return smtp::stage_name(stage);
    }
}

// With a capital letter and a full stop.
std::string sentence_of(std::string text) {
    if (text.empty()) return text;
    if (text.front() >= 'a' && text.front() <= 'z') {
        text.front() = static_cast<char>(text.front() - 'a' + 'A');
    }
    if (!text.ends_with('.') && !text.ends_with('`')) text += '.';
    return text;
}

const ReplyEntry* entry_of(const SmarthostStages& stages) {
    if (stages.reply.code == 0) return nullptr;
    ReplyQuery query;
    query.code = stages.reply.code;
    query.enhanced = stages.reply.enhanced;
    query.text = stages.reply.text;
    query.provider = stages.provider;
    query.stage = smtp::stage_name(stages.stage);
    return ReplyCatalogue::built_in().explain(query);
}

// By the code alone, whoever says it. What a refusal of a message means is not said of a sign-in.
const StandardEntry* standard_of(const SmarthostStages& stages) {
    const bool about_messages = stages.reply.code >= 540 && stages.stage == smtp::Stage::auth;
    return ErrorCatalogue::built_in().standard(about_messages ? 0 : stages.reply.code,
                                               stages.reply.enhanced);
}

std::string explain_entry(const auto& entry) {
    const std::string text =
        fmt::format("{} {} {}", entry.meaning, entry.fix, words_for(entry.who_fixes));
    return std::string{base::trim(text)};
}

std::string explain_without_reply(const SmarthostStages& stages) {
    switch (stages.stage) {
        case smtp::Stage::dns:
            if (name_unanswered(stages)) {
                return "Whether the name exists is not known: try `getent hosts " + stages.host +
                       "`; this host's name servers, or those of the smarthost's domain, are at "
                       "fault, and not its spelling.";
            }
            return "The name of the smarthost does not resolve: check its spelling and this host's "
                   "name servers.";
        case smtp::Stage::connect:
            return "";
        case smtp::Stage::greeting:
            if (stages.implicit_seen) {
                return "The port wants implicit TLS: the server waits for a TLS handshake instead "
                       "of greeting. Set tls = \"implicit\" for it.";
            }
            if (!stages.said_nothing) {
                return "What it says is no greeting of a mail server: this is the wrong host or "
                       "port, or something on the way answers in its place.";
            }
            if (!stages.tls.empty()) {
                return "TLS was agreed on, but no mail server greets inside it: this is the wrong "
                       "port, or the server is overloaded.";
            }
            return "The connection is taken, but no mail server greets, nor does one that takes "
                   "TLS at once.";
        case smtp::Stage::starttls:
            // The session's own words tell the same.
            if (stages.problem.find("does not offer STARTTLS") != std::string::npos) return "";
            return "The server does not offer STARTTLS on this port: the port is wrong, or "
                   "something "
                   "on the path strips it. Nothing was sent in clear.";
        case smtp::Stage::tls:
            return "The connection could not be secured, so no credentials were sent.";
        case smtp::Stage::auth:
            return stages.auth_offered
                       ? "None of the sign-in mechanisms that the server offers fits the "
                         "configured credentials."
                       : "The server offers no sign-in here: this is the wrong port, or it does "
                         "not welcome this address.";
        default:
            return "";
    }
}

std::string_view sender_state(const SmarthostStages& stages) {
    if (!stages.ok) return "";
    if (stages.sender_refused) return "guess-refused";
    if (!stages.sender_asked) return "not-tested";
    return stages.sender_guessed ? "guessed" : "tested";
}

std::string sender_note(const SmarthostStages& stages) {
    if (!stages.put_off.empty()) {
        return fmt::format(
            "the recipient of the test was put off for now (\"{}\"); delivery tries again by "
            "itself",
            base::printable(stages.put_off));
    }
    const std::string_view state = sender_state(stages);
    if (state == "not-tested") {
        return "the sign-in works, but no sender address is known, so that MAIL FROM was not "
               "tested; `relay diagnose --from ADDRESS` does";
    }
    if (state == "guess-refused") {
        return fmt::format(
            "the guessed sender was refused (\"{}\"); `relay diagnose --from ADDRESS` tests the "
            "real one",
            base::printable(stages.sender_refusal));
    }
    return "";
}

// The port opens, so that "cannot be reached" would mislead.
void note_missing_greeting(const SmarthostStages& stages, SmarthostReport& report) {
    if (stages.stage == smtp::Stage::ehlo && stages.reply.code == 0) {
        report.trouble = fmt::format("its port {} greets, and breaks off at EHLO", stages.port);
    }
    if (stages.stage != smtp::Stage::greeting || stages.reply.code != 0) return;
    std::string_view words = "takes connections, but nobody greets";
    if (stages.implicit_seen) {
        words = "wants implicit TLS, which is not set";
    } else if (!stages.said_nothing) {
        words = "is answered by something that does not greet as a mail server";
    } else if (!stages.tls.empty()) {
        words = "takes TLS, but nobody greets inside it";
    }
    report.trouble = fmt::format("its port {} {}", stages.port, words);
}

bool slow_greeting(const SmarthostStages& stages) {
    return stages.unfinished && stages.stage == smtp::Stage::greeting && stages.port != 0;
}

std::string unfinished_words(const SmarthostStages& stages) {
    // What is left of --timeout after starting is a little less.
    std::string words =
        fmt::format("its test was not finished in {:.0f} s",
                    std::max(1.0, static_cast<double>(stages.given.count()) / 1000));
    if (!slow_greeting(stages)) return words;
    return fmt::format("{}: its port {} takes connections, and {}", words, stages.port,
                       stages.said_nothing ? "had not greeted by then" : "was still greeting");
}

constexpr std::string_view untried_words =
    "its sign-in was not tried, for its password cannot be read here";

std::string tls_words(const SmarthostStages& stages) {
    if (stages.tls.empty()) return "without TLS";
    return stages.tls + (stages.verified ? " verified" : " not verified (verify = false)");
}

}  // namespace

bool limit_reached(const SmarthostStages& stages) {
    const ReplyEntry* entry = entry_of(stages);
    return entry != nullptr && entry->verdict.starts_with("quota");
}

bool name_unanswered(const SmarthostStages& stages) {
    using net::DnsStatus;
    const DnsStatus name = stages.name_status;
    return stages.stage == smtp::Stage::dns && name != DnsStatus::ok &&
           name != DnsStatus::no_such_name && name != DnsStatus::no_data;
}

VerdictCode smarthost_code(const SmarthostStages& stages) {
    if (stages.ok) return VerdictCode::ok_smarthost;
    if (stages.unfinished || stages.untried) return VerdictCode::inconclusive;
    switch (stages.stage) {
        case smtp::Stage::dns:
            return VerdictCode::smarthost_dns;
        case smtp::Stage::connect:
            return VerdictCode::smarthost_unreachable;
        case smtp::Stage::greeting:
        case smtp::Stage::ehlo:
            return stages.reply.code != 0 ? VerdictCode::smarthost_rejected
                                          : VerdictCode::smarthost_unreachable;
        case smtp::Stage::starttls:
            return VerdictCode::smarthost_no_starttls;
        case smtp::Stage::tls:
            return VerdictCode::smarthost_tls;
        case smtp::Stage::auth:
            return VerdictCode::smarthost_auth;
        case smtp::Stage::mail:
            // For now, and so not for its sake.
            if (limit_reached(stages) || stages.reply.transient()) {
                return VerdictCode::smarthost_rejected;
            }
            // 530 here: no sign-in was made, and the server wants one (RFC 4954 section 6).
            return stages.reply.code == 530 ? VerdictCode::smarthost_auth
                                            : VerdictCode::smarthost_sender;
        case smtp::Stage::rcpt:
            return stages.reply.code == 530 ? VerdictCode::smarthost_auth
                                            : VerdictCode::smarthost_rejected;
        default:
            return VerdictCode::smarthost_rejected;
    }
}

std::string explain_stages(const SmarthostStages& stages) {
    if (stages.ok) return "";
    if (slow_greeting(stages)) {
        return "It is slow or mute: a server may take a minute to greet, and delivery waits longer "
               "than this test.";
    }
    if (stages.unfinished) {
        return "In so short a time silence proves nothing: it may work, or not.";
    }
    if (stages.untried) {
        return "All before the sign-in works. The rest shows a run as root, or as the user that "
               "relay runs as.";
    }
    if (stages.reply.code == 0) return explain_without_reply(stages);
    if (const ReplyEntry* entry = entry_of(stages)) return explain_entry(*entry);
    if (const StandardEntry* entry = standard_of(stages)) return explain_entry(*entry);
    return fmt::format(
        "The server turned {} down; its own words are all there is to go by.{}",
        stage_words(stages.stage),
        stages.reply.transient() ? " It says \"for now\": a later attempt may be taken." : "");
}

SmarthostReport report_of(const SmarthostStages& stages) {
    SmarthostReport report;
    report.name = stages.name;
    report.code = smarthost_code(stages);
    report.host = stages.host;
    report.port = stages.port;
    report.tls = stages.tls;
    report.auth = stages.auth;
    report.reply = stages.reply.code != 0 ? base::printable(stages.reply.one_line()) : "";
    report.explained = explain_stages(stages);
    if (stages.unfinished) report.trouble = unfinished_words(stages);
    if (stages.untried) report.trouble = untried_words;
    if (!stages.ok && !stages.unfinished && report.reply.empty() && !stages.problem.empty()) {
        const bool named =
            stages.problem.starts_with(stages.host) && stages.stage != smtp::Stage::dns;
        const std::string problem = (named ? "No connection to " : "") + stages.problem;
        const bool name_first = stages.problem.starts_with(stages.host) && !named;
        report.explained = base::trim((name_first ? problem + "." : sentence_of(problem)) + " " +
                                      report.explained);
    }
    if (!stages.ok && stages.stage == smtp::Stage::auth && stages.reply.transient()) {
        report.trouble = "its sign-in does not work just now";
    }
    if (!stages.ok && limit_reached(stages)) report.trouble = limit_words;
    if (!stages.ok && name_unanswered(stages)) report.trouble = "its name could not be looked up";
    if (!stages.ok && !stages.unfinished) note_missing_greeting(stages, report);
    const bool no_sign_in =
        stages.stage == smtp::Stage::auth && !stages.auth_offered && stages.reply.code == 0;
    if (smarthost_code(stages) == VerdictCode::smarthost_no_starttls && stages.reply.code != 0) {
        report.trouble = "it offers STARTTLS, and then refuses it";
    }
    if (!stages.ok && !stages.untried && no_sign_in) report.trouble = "it offers no sign-in here";
    report.sender = sender_state(stages);
    report.sender_note = sender_note(stages);
    if (!report.sender_note.empty()) report.sender_note += '.';
    return report;
}

Check check_of(const SmarthostStages& stages) {
    Check check;
    check.id = "smarthost";
    check.title = smarthost_title(stages.name);
    check.status = stages.ok ? CheckStatus::ok : CheckStatus::fail;
    check.evidence = stages.evidence;
    check.took = stages.took;
    if (stages.unfinished) {
        check.status = CheckStatus::skip;
        check.summary = sentence_of(unfinished_words(stages));
        return check;
    }
    if (stages.untried) {
        check.status = CheckStatus::skip;
        check.summary = fmt::format("{}:{} answers, {}; {}.", stages.host, stages.port,
                                    tls_words(stages), untried_words);
        return check;
    }
    if (stages.ok) {
        const std::string note = sender_note(stages);
        if (!note.empty() || !stages.verified) check.status = CheckStatus::warn;
        const bool takes = stages.sender_asked && !stages.sender_refused && !stages.sender.empty();
        check.summary = fmt::format(
            "{}:{} answers, {}, {}{}{}.", stages.host, stages.port, tls_words(stages),
            stages.auth.empty() ? "no sign-in" : "signed in with " + stages.auth,
            takes ? ", takes mail from " + stages.sender : "", note.empty() ? "" : "; " + note);
        return check;
    }
    const std::string what =
        stages.reply.code != 0 ? base::printable(stages.reply.one_line()) : stages.problem;
    check.summary = sentence_of(fmt::format("Fails at {}: {}", stage_words(stages.stage), what));
    return check;
}

}  // namespace diagnose
