#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/text.hpp"
#include "smtp/http_client_signs.hpp"
#include "smtp/proxy_header.hpp"
#include "smtp/server_state.hpp"

namespace smtp {
namespace {

using LineKind = InputBuffer::LineKind;

// RFC 5321 section 4.5.3.1.4 asks for 512 and each extension for some more; RFC 4954 section 4
// for 12288 in AUTH.
constexpr std::size_t longest_command = 4096;
constexpr std::size_t longest_auth_command = 12288;
constexpr std::size_t longest_client_name = 255;

constexpr Refusal no_controls{500, "5.5.2", "Control characters are not allowed in a command"};
constexpr Refusal unknown{500, "5.5.2", "Command not recognized"};
constexpr Refusal line_too_long{500, "5.5.2", "Line too long"};
constexpr Refusal only_crlf{500, "5.5.2", "Lines must end with CRLF"};
constexpr Refusal no_http{554, "5.5.0", "This is a mail server, it does not speak HTTP"};
constexpr Refusal no_proxy{554, "5.5.0", "No PROXY header is taken here"};
constexpr Refusal no_tls_here{
    554, "5.5.0", "This port begins without TLS: set the client to STARTTLS or to no encryption"};

bool is_control(char c) {
    const auto octet = static_cast<unsigned char>(c);
    return (octet < 0x20 && c != '\t') || octet == 0x7f;
}

// What a proxy says of its client, in the place of a command: from a peer that is no proxy of ours,
// or from a client behind one. Version 2 begins with two empty lines, and then this.
bool is_proxy_header(std::string_view line) {
    return line == std::string_view{"\0", 1} || line.starts_with("PROXY TCP") ||
           line.starts_with("PROXY UNKNOWN");
}

std::size_t line_limit(std::string_view buffered) {
    return base::starts_with_ignoring_case(buffered, "AUTH") ? longest_auth_command
                                                             : longest_command;
}

}  // namespace

struct ServerSession::State::Command {
    // What must be so before a command.
    enum Condition : unsigned {
        any = 0,
        after_hello = 1,
        after_mail = 2,
        before_mail = 4,
        no_chunks = 8
    };

    std::string_view verb;
    unsigned conditions;
    Next (State::*handler)(std::string_view arguments);

    [[nodiscard]] const Refusal* fault(const State& state) const {
        static constexpr Refusal hello_first{503, "5.5.1", "Say EHLO first"};
        static constexpr Refusal nested{503, "5.5.1", "A transaction is under way"};
        static constexpr Refusal chunks{503, "5.5.1", "BDAT was begun: finish it or say RSET"};
        if ((conditions & after_hello) != 0 && !state.greeted) return &hello_first;
        if ((conditions & after_mail) != 0 && !state.mail_accepted()) return &mail_first;
        if ((conditions & before_mail) != 0 && state.mail_accepted()) return &nested;
        if ((conditions & no_chunks) != 0 && state.bdat) return &chunks;
        return nullptr;
    }

    [[nodiscard]] static const Command* find(std::string_view verb) {
        // BDAT checks for itself: also refused it must read its bytes.
        static constexpr std::array<Command, 14> table{
            {{"MAIL", after_hello | before_mail, &State::on_mail},
             {"RCPT", after_hello | after_mail | no_chunks, &State::on_rcpt},
             {"DATA", after_hello | after_mail | no_chunks, &State::on_data},
             {"BDAT", any, &State::on_bdat},
             {"EHLO", any, &State::on_ehlo},
             {"HELO", any, &State::on_helo},
             {"QUIT", any, &State::on_quit},
             {"RSET", any, &State::on_rset},
             {"NOOP", any, &State::on_noop},
             {"STARTTLS", after_hello | before_mail, &State::on_starttls},
             {"AUTH", after_hello | before_mail, &State::on_auth},
             {"VRFY", any, &State::on_vrfy},
             {"EXPN", any, &State::on_expn},
             {"HELP", any, &State::on_help}}};
        const auto* const row = std::find_if(table.begin(), table.end(), [&](const Command& each) {
            return base::equals_ignoring_case(verb, each.verb);
        });
        return row == table.end() ? nullptr : row;
    }
};

ServerSession::State::Next ServerSession::State::read_command() {
    if (input.empty()) return need_input();
    current_verb = current_arguments = {};
    if (!tls_active && !input.inside_line() &&
        input.view()[0] == '\x16') {  // RFC 8446 section 5.1: a handshake record
        if (input.view().size() < 2) return event::NeedInput{};
        if (is_foreign_protocol()) return std::nullopt;
    }
    const std::size_t limit = line_limit(input.view());
    // Past its limit a line is dropped, and what it began with is known no more.
    if (!input.inside_line() && input.view().size() > limit && begins_http_request(input.view())) {
        return refuse_http();
    }
    const InputBuffer::Line line = input.next_line(limit);
    if (line.kind == LineKind::incomplete) return need_input();
    if (line.kind == LineKind::too_long) return refuse_long_line();
    if (!accepts_line_end(line.kind)) {
        refuse_and_close(only_crlf, "a command line ended with a lone line feed");
        return std::nullopt;
    }
    return run_command(line.text);
}

ServerSession::State::Next ServerSession::State::refuse_http() {
    refuse_and_close(no_http, "the client speaks HTTP: this is a port for mail");
    return std::nullopt;
}

// No client of mail begins with such a line, but whatever is made to speak to this port can hide
// its own protocol in one and SMTP behind it.
ServerSession::State::Next ServerSession::State::refuse_long_line() {
    if (greeted) {
        complain(line_too_long);
    } else {
        refuse_and_close(line_too_long,
                         "the client sent too long a line before EHLO: it does not speak SMTP");
    }
    return std::nullopt;
}

bool ServerSession::State::is_foreign_protocol() {
    if (!input.view().starts_with("\x16\x03")) return false;
    refuse_and_close(no_tls_here,
                     "the client began TLS on a port that begins without it: its setting should be "
                     "STARTTLS or no encryption, not SSL/TLS");
    return true;
}

// A lone LF is what a person at a terminal sends, and what an attacker hides commands behind. So
// it is taken only from who used it from the first line on, and with nothing behind it.
bool ServerSession::State::accepts_line_end(LineKind kind) {
    if (line_end == LineEnd::undecided) {
        line_end = kind == LineKind::line ? LineEnd::crlf : LineEnd::lf;
    }
    if (kind == LineKind::line) return true;
    return line_end == LineEnd::lf && input.empty();
}

ServerSession::State::Next ServerSession::State::run_command(std::string_view line) {
    if (is_http_request_line(line) || (!greeted && is_http_request_field(line))) {
        return refuse_http();
    }
    if (is_proxy_header(line)) {
        refuse_and_close(no_proxy, misplaced_proxy_header());
        return std::nullopt;
    }
    if (std::any_of(line.begin(), line.end(), is_control)) {
        complain(no_controls);
        return std::nullopt;
    }
    const CommandLine said = split_command(line);
    const Command* const command = Command::find(said.verb);
    if (command == nullptr) {
        complain(unknown);
        return std::nullopt;
    }
    current_verb = command->verb;
    current_arguments = said.arguments;
    if (const Refusal* fault = command->fault(*this)) {
        complain(*fault);
        return std::nullopt;
    }
    return (this->*command->handler)(said.arguments);
}

// Any name is taken: real clients say addresses, underscores and "localhost".
bool ServerSession::State::greet_client(std::string_view name) {
    name = name.substr(0, name.find_first_of(" \t"));
    if (name.empty()) {
        complain({501, "5.5.4", "Say the name of your host behind it"});
        return false;
    }
    client_name = name.substr(0, longest_client_name);
    greeted = true;
    return true;
}

ServerSession::State::Next ServerSession::State::on_helo(std::string_view arguments) {
    if (!greet_client(arguments)) return std::nullopt;
    extended = false;
    reset_transaction();
    answer(250, "", options.hostname);
    if (std::exchange(body_open, false)) return event::BodyDiscarded{};
    return std::nullopt;
}

ServerSession::State::Next ServerSession::State::on_ehlo(std::string_view arguments) {
    if (!greet_client(arguments)) return std::nullopt;
    extended = true;
    reset_transaction();
    answer_ehlo();
    if (std::exchange(body_open, false)) return event::BodyDiscarded{};
    return std::nullopt;
}

void ServerSession::State::answer_ehlo() {
    auto out = std::back_inserter(output);
    fmt::format_to(out,
                   "250-{}\r\n250-PIPELINING\r\n250-SIZE {}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
                   "250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n",
                   options.hostname, options.max_message_size);
    if (options.max_recipients > 0) {
        fmt::format_to(out, "250-LIMITS RCPTMAX={}\r\n", options.max_recipients);  // RFC 9422
    }
    if (context.tls_available && !tls_active) output += "250-STARTTLS\r\n";
    const std::string mechanisms = auth_offer();
    if (!mechanisms.empty()) output.append("250-AUTH").append(mechanisms).append("\r\n");
    output += "250 HELP\r\n";
}

ServerSession::State::Next ServerSession::State::on_mail(std::string_view arguments) {
    if (options.auth == AuthPolicy::required && !signed_in) {
        complain({530, "5.7.0", "Authentication required"});
        return std::nullopt;
    }
    reset_transaction();
    transaction = std::make_unique<Transaction>();
    MailArguments mail;
    if (const auto fault = parse_mail(arguments, transaction->envelope, mail)) {
        reset_transaction();
        complain(*fault);
        return std::nullopt;
    }
    if (options.max_message_size > 0 && mail.size > options.max_message_size) {
        reset_transaction();
        transaction_refused = true;
        answer(message_too_large);
        return std::nullopt;
    }
    pending = Request::mail;
    phase = Phase::waiting;
    return event::MailRequested{transaction->envelope, mail.size};
}

ServerSession::State::Next ServerSession::State::on_rcpt(std::string_view arguments) {
    const Envelope& envelope = transaction->envelope;
    Recipient& recipient = transaction->recipient;
    recipient = Recipient{};
    if (const auto fault = parse_rcpt(arguments, envelope.smtputf8, recipient)) {
        complain(*fault);
        return std::nullopt;
    }
    if (options.max_recipients > 0 && envelope.recipients.size() >= options.max_recipients) {
        answer(452, "4.5.3", "Too many recipients");
        return std::nullopt;
    }
    pending = Request::rcpt;
    phase = Phase::waiting;
    return event::RcptRequested{recipient};
}

ServerSession::State::Next ServerSession::State::on_rset(std::string_view) {
    reset_transaction();
    answer(250, "2.0.0", "Ok");
    if (std::exchange(body_open, false)) return event::BodyDiscarded{};
    return std::nullopt;
}

ServerSession::State::Next ServerSession::State::on_noop(std::string_view) {
    answer(250, "2.0.0", "Ok");
    return std::nullopt;
}

ServerSession::State::Next ServerSession::State::on_quit(std::string_view) {
    refuse_and_close({221, "2.0.0", "Bye"}, "");  // the ordinary end is not worth a log line
    return std::nullopt;
}

ServerSession::State::Next ServerSession::State::on_vrfy(std::string_view arguments) {
    if (arguments.empty()) {
        complain({501, "5.5.4", "Syntax: VRFY address"});
    } else {
        answer(252, "2.1.5", "Cannot verify the address, but mail for it is taken");
    }
    return std::nullopt;
}

ServerSession::State::Next ServerSession::State::on_expn(std::string_view) {
    complain({502, "5.5.1", "Command not implemented"});
    return std::nullopt;
}

ServerSession::State::Next ServerSession::State::on_help(std::string_view) {
    const char* tls = context.tls_available && !tls_active ? " STARTTLS" : "";
    const char* auth = auth_offer().empty() ? "" : " AUTH";
    answer(214, "2.0.0",
           fmt::format("EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY{}{} HELP QUIT", tls, auth));
    return std::nullopt;
}

ServerSession::State::Next ServerSession::State::on_starttls(std::string_view arguments) {
    if (!arguments.empty()) {
        complain({501, "5.5.4", "STARTTLS takes no parameter"});
    } else if (tls_active) {
        complain({503, "5.5.1", "TLS is already active"});
    } else if (!context.tls_available) {
        complain({502, "5.5.1", "STARTTLS is not available here"});
    } else if (!input.empty()) {
        // CVE-2011-0411 and its like: what stands behind was not said under TLS.
        refuse_and_close({554, "5.5.1", "Nothing may follow STARTTLS before its reply"},
                         "the client sent commands behind STARTTLS without waiting for the reply");
    } else {
        answer(220, "2.0.0", "Ready to start TLS");
        phase = Phase::tls;
        return event::TlsRequested{};
    }
    return std::nullopt;
}

}  // namespace smtp
