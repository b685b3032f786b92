#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "smtp/line_limit.hpp"

namespace smtp {

struct Extensions;
struct Envelope;

// What a next hop that lacks extensions makes necessary.
struct Downgrade {
    bool quoted_printable =
        false;                    // 8-bit content to a server without 8BITMIME (RFC 6152 section 3)
    bool encode_headers = false;  // UTF-8 header fields to RFC 2047 encoded words
    bool fold_long_lines = false;  // a line beyond longest_text_line
    // The server takes 8 bits: a header field that encoding would take out of a signature stays.
    bool spare_signed = false;
    [[nodiscard]] bool needed() const {
        return quoted_printable || encode_headers || fold_long_lines;
    }
};

// Facts of a message's content that decide about it; gathered in one pass, split anywhere.
class ContentSurvey {
 public:
    void write(std::string_view chunk);
    [[nodiscard]] bool in_header() const { return in_header_; }  // its end has not come
    [[nodiscard]] bool eight_bit_body() const { return eight_bit_body_; }
    [[nodiscard]] bool eight_bit_header() const { return eight_bit_header_; }
    [[nodiscard]] bool long_lines() const { return longest_ > longest_text_line; }
    [[nodiscard]] bool nul_bytes() const { return nul_bytes_; }

 private:
    bool eight_bit_body_ = false, eight_bit_header_ = false, in_header_ = true, nul_bytes_ = false;
    std::size_t line_ = 0, longest_ = 0;
};

// nullopt: the message cannot be sent to this server at all (an address needs SMTPUTF8); the
// reason is then a permanent 5.6.7 failure (RFC 6531 section 3.5) that the caller reports.
[[nodiscard]] std::optional<Downgrade> plan_downgrade(const ContentSurvey& content,
                                                      const Envelope& envelope,
                                                      const Extensions& server);

// Rewrites a message as planned. MIME structure is kept: each leaf part that needs it is re-encoded
// with its own Content-Transfer-Encoding, multipart and message/rfc822 are descended into.
//
// The message is given twice, split anywhere: a header tells how its body is encoded, and stands
// before it. Memory holds one header section and a few bytes for each part, never a body.
class DowngradeRun {
 public:
    explicit DowngradeRun(const Downgrade& plan);
    ~DowngradeRun();
    DowngradeRun(const DowngradeRun&) = delete;
    DowngradeRun& operator=(const DowngradeRun&) = delete;

    void study(std::string_view piece);  // the first time
    void finish_study();
    // A header section of more than 1 MiB or more than a million parts: it cannot be rewritten.
    [[nodiscard]] bool gave_up() const;
    [[nodiscard]] std::string rewrite(std::string_view piece);  // the second time: what comes of it
    [[nodiscard]] std::string finish();

 private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace smtp
