#include "smtp/command.hpp"

#include <array>
#include <charconv>

#include "base/text.hpp"
#include "smtp/address.hpp"
#include "smtp/xtext.hpp"

namespace smtp {
namespace {

constexpr Refusal bad_value{501, "5.5.4", "Bad value of a parameter"};
constexpr Refusal duplicate{501, "5.5.4", "A parameter is given twice"};
constexpr Refusal unknown_parameter{555, "5.5.4", "Parameter not recognized"};
constexpr Refusal needs_smtputf8{553, "5.6.7", "Address needs the SMTPUTF8 parameter"};

std::string_view skip_blanks(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    return first == std::string_view::npos ? std::string_view{} : text.substr(first);
}

// Behind "FROM" or "TO" and its colon, around which real clients put blanks.
std::optional<std::string_view> behind_keyword(std::string_view arguments,
                                               std::string_view keyword) {
    if (!base::starts_with_ignoring_case(arguments, keyword)) return std::nullopt;
    arguments = skip_blanks(arguments.substr(keyword.size()));
    if (!arguments.starts_with(':')) return std::nullopt;
    return skip_blanks(arguments.substr(1));
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

using Fault = std::optional<Refusal>;

struct MailTarget {
    Envelope& envelope;
    MailArguments& mail;
};
struct RcptTarget {
    Recipient& recipient;
    bool smtputf8;
};

Fault mail_size(std::string_view value, const MailTarget& target) {
    // RFC 1870 section 5: at most 20 digits, which a 64-bit number may not hold.
    const auto size = parse_number(value);
    if (!size) return bad_value;
    target.mail.size = *size;
    return std::nullopt;
}

Fault mail_body(std::string_view value, const MailTarget& target) {
    if (base::equals_ignoring_case(value, "8BITMIME")) {
        target.envelope.body = BodyType::eight_bit_mime;
    } else if (!base::equals_ignoring_case(value, "7BIT")) {
        return Refusal{501, "5.5.4", "BODY is 7BIT or 8BITMIME here"};
    }
    return std::nullopt;
}

Fault mail_smtputf8(std::string_view value, const MailTarget& target) {
    if (!value.empty()) return bad_value;
    target.envelope.smtputf8 = true;
    return std::nullopt;
}

Fault mail_ret(std::string_view value, const MailTarget& target) {
    if (base::equals_ignoring_case(value, "FULL")) {
        target.envelope.ret = Ret::full;
    } else if (base::equals_ignoring_case(value, "HDRS")) {
        target.envelope.ret = Ret::headers;
    } else {
        return bad_value;
    }
    return std::nullopt;
}

Fault mail_envid(std::string_view value, const MailTarget& target) {
    constexpr std::size_t longest = 100;  // RFC 3461 section 4.4
    if (value.empty() || value.size() > longest || !xtext_decode(value)) return bad_value;
    target.envelope.envid = value;
    return std::nullopt;
}

// RFC 4954 section 5: taken, and dropped as from a client that is not trusted to say it.
Fault mail_auth(std::string_view value, const MailTarget&) {
    if (value.empty() || !xtext_decode(value)) return bad_value;
    return std::nullopt;
}

Fault rcpt_notify(std::string_view value, const RcptTarget& target) {
    Notify notify;
    for (const std::string_view word : base::split(value, ',')) {
        if (base::equals_ignoring_case(word, "NEVER")) {
            notify.never = true;
        } else if (base::equals_ignoring_case(word, "SUCCESS")) {
            notify.success = true;
        } else if (base::equals_ignoring_case(word, "FAILURE")) {
            notify.failure = true;
        } else if (base::equals_ignoring_case(word, "DELAY")) {
            notify.delay = true;
        } else {
            return bad_value;
        }
    }
    if (notify.never && (notify.success || notify.failure || notify.delay)) return bad_value;
    target.recipient.notify = notify;
    return std::nullopt;
}

Fault rcpt_orcpt(std::string_view value, const RcptTarget& target) {
    constexpr std::size_t longest = 500;  // RFC 3461 section 4.2
    const std::size_t semicolon = value.find(';');
    if (value.size() > longest || semicolon == 0 || semicolon == std::string_view::npos) {
        return bad_value;
    }
    const std::string_view type = value.substr(0, semicolon);
    const std::string_view address = value.substr(semicolon + 1);
    // RFC 6533 section 3: with SMTPUTF8 an address of type utf-8 stands there as it is.
    const bool raw =
        target.smtputf8 && base::equals_ignoring_case(type, "utf-8") && is_clean_utf8(address);
    if (!xtext_decode(type) || address.empty() || (!raw && !xtext_decode(address))) {
        return bad_value;
    }
    target.recipient.orcpt = value;
    return std::nullopt;
}

template <class Target>
struct Parameter {
    std::string_view keyword;
    bool takes_value;
    Fault (*parse)(std::string_view value, const Target& target);
};

constexpr std::array<Parameter<MailTarget>, 6> mail_parameters{{{"SIZE", true, mail_size},
                                                                {"BODY", true, mail_body},
                                                                {"SMTPUTF8", false, mail_smtputf8},
                                                                {"RET", true, mail_ret},
                                                                {"ENVID", true, mail_envid},
                                                                {"AUTH", true, mail_auth}}};
constexpr std::array<Parameter<RcptTarget>, 2> rcpt_parameters{
    {{"NOTIFY", true, rcpt_notify}, {"ORCPT", true, rcpt_orcpt}}};

template <class Table, class Target>
Fault parse_one(const Table& table, std::string_view word, unsigned& seen, const Target& target) {
    const std::size_t equals = word.find('=');
    const std::string_view keyword = word.substr(0, equals);
    for (std::size_t row = 0; row < table.size(); ++row) {
        if (!base::equals_ignoring_case(keyword, table[row].keyword)) continue;
        if ((seen & 1U << row) != 0) return duplicate;
        seen |= 1U << row;
        if ((equals != std::string_view::npos) != table[row].takes_value) return bad_value;
        return table[row].parse(
            equals == std::string_view::npos ? std::string_view{} : word.substr(equals + 1),
            target);
    }
    return unknown_parameter;
}

template <class Table, class Target>
Fault parse_parameters(const Table& table, std::string_view text, const Target& target) {
    unsigned seen = 0;
    while (!(text = skip_blanks(text)).empty()) {
        const std::string_view word = text.substr(0, text.find_first_of(" \t"));
        if (const Fault fault = parse_one(table, word, seen, target)) return fault;
        text.remove_prefix(word.size());
    }
    return std::nullopt;
}

Fault path_fault(const ParsedPath& path, std::string_view syntax_code) {
    switch (path.fault) {
        case PathFault::none:
            break;
        case PathFault::syntax:
            return Refusal{501, syntax_code, "Bad address syntax"};
        case PathFault::local_part_too_long:
            return Refusal{501, syntax_code, "Local part of the address is longer than 64 octets"};
        case PathFault::too_long:
            return Refusal{501, syntax_code, "Address is longer than 254 octets"};
    }
    if (!path.rest.empty() && path.rest[0] != ' ' && path.rest[0] != '\t') {
        return Refusal{501, syntax_code, "Bad address syntax"};
    }
    return std::nullopt;
}

}  // namespace

CommandLine split_command(std::string_view line) {
    const std::size_t end = line.find_first_of(" \t");
    if (end == std::string_view::npos) return {line, {}};
    return {line.substr(0, end), base::trim(line.substr(end))};
}

std::optional<Refusal> parse_mail(std::string_view arguments, Envelope& envelope,
                                  MailArguments& mail) {
    const auto text = behind_keyword(arguments, "FROM");
    if (!text) return Refusal{501, "5.5.4", "Syntax: MAIL FROM:<address>"};
    const ParsedPath path = parse_path(*text);
    if (const Fault fault = path_fault(path, "5.1.7")) return fault;
    const MailTarget target{envelope, mail};
    if (const Fault fault = parse_parameters(mail_parameters, path.rest, target)) return fault;
    if (!path.ascii && !envelope.smtputf8) return needs_smtputf8;
    envelope.reverse_path = path.address;
    return std::nullopt;
}

std::optional<Refusal> parse_rcpt(std::string_view arguments, bool smtputf8, Recipient& recipient) {
    const auto text = behind_keyword(arguments, "TO");
    if (!text) return Refusal{501, "5.5.4", "Syntax: RCPT TO:<address>"};
    const ParsedPath path = parse_path(*text);
    if (const Fault fault = path_fault(path, "5.1.3")) return fault;
    if (path.address.empty()) return Refusal{501, "5.1.3", "A recipient needs an address"};
    if (!path.ascii && !smtputf8) return needs_smtputf8;
    const RcptTarget target{recipient, smtputf8};
    if (const Fault fault = parse_parameters(rcpt_parameters, path.rest, target)) return fault;
    recipient.address = path.address;
    return std::nullopt;
}

std::optional<BdatArguments> parse_bdat(std::string_view arguments) {
    const std::size_t end = arguments.find_first_of(" \t");
    const auto size = parse_number(arguments.substr(0, end));
    if (!size) return std::nullopt;
    const std::string_view word =
        end == std::string_view::npos ? std::string_view{} : base::trim(arguments.substr(end));
    if (!word.empty() && !base::equals_ignoring_case(word, "LAST")) return std::nullopt;
    return BdatArguments{*size, !word.empty()};
}

}  // namespace smtp
