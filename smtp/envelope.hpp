#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace smtp {

// RFC 6152 and RFC 3030: what MAIL FROM declared with BODY=.
enum class BodyType : std::uint8_t { seven_bit, eight_bit_mime, binary_mime };

// RFC 3461 section 4.3: how much of the message a report should return.
enum class Ret : std::uint8_t { unset, full, headers };

// RFC 3461 section 4.1. Nothing set means that the sender did not say.
struct Notify {
    bool never = false, success = false, failure = false, delay = false;
    [[nodiscard]] bool given() const { return never || success || failure || delay; }
    [[nodiscard]] std::string text() const;  // "SUCCESS,DELAY", "" when not given
    friend bool operator==(const Notify&, const Notify&) = default;
};

struct Recipient {
    std::string address;  // without angle brackets; quoted local parts stay quoted
    Notify notify;
    std::string orcpt;  // RFC 3461 section 4.2, still xtext-encoded: "rfc822;a@b.example"
    friend bool operator==(const Recipient&, const Recipient&) = default;
};

// What RFC 5321 section 2.3.1 calls the envelope, with its extensions' parameters.
struct Envelope {
    std::string reverse_path;  // "" is the null sender of a report
    std::vector<Recipient> recipients;
    BodyType body = BodyType::seven_bit;
    bool smtputf8 = false;  // RFC 6531
    Ret ret = Ret::unset;
    std::string envid;  // RFC 3461 section 4.4, still xtext-encoded
    friend bool operator==(const Envelope&, const Envelope&) = default;
};

// Of recipients that are the same, local part by letter and domain whatever its case, the first one
// stays: RFC 5321 section 4.1.1.3 makes no second mail of a repeated RCPT. What asks for other
// reports (RFC 3461) is not the same.
void drop_repeated_recipients(std::vector<Recipient>& recipients);

}  // namespace smtp
