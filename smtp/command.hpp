#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "smtp/envelope.hpp"

namespace smtp {

// A negative answer made of constants, so that giving it costs nothing.
struct Refusal {
    int code = 0;
    std::string_view enhanced;
    std::string_view text;
};

// Of RFC 1870 and of content that grows past what was declared, wherever it is noticed.
inline constexpr Refusal message_too_large{552, "5.3.4",
                                           "Message is larger than this server takes"};

struct CommandLine {
    std::string_view verb;
    std::string_view arguments;  // without blanks at its ends
};
[[nodiscard]] CommandLine split_command(std::string_view line);

// What MAIL said that is not of the envelope.
struct MailArguments {
    std::uint64_t size = 0;  // RFC 1870; 0: not said
};

// Both fill in what they are given and return nullopt, or say what is wrong (RFC 5321 sections
// 4.1.1.2 and 4.1.1.3, RFC 3461, RFC 6531). arguments begin behind the verb.
[[nodiscard]] std::optional<Refusal> parse_mail(std::string_view arguments, Envelope& envelope,
                                                MailArguments& mail);
[[nodiscard]] std::optional<Refusal> parse_rcpt(std::string_view arguments, bool smtputf8,
                                                Recipient& recipient);

// "size [LAST]" (RFC 3030 section 2).
struct BdatArguments {
    std::uint64_t size = 0;
    bool last = false;
};
[[nodiscard]] std::optional<BdatArguments> parse_bdat(std::string_view arguments);

}  // namespace smtp
