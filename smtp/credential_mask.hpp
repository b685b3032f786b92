#pragma once

#include <bitset>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"

namespace smtp {

// Takes our credentials out of what a server says. Some repeat the command that they refuse, and a
// reply goes to the log, the queue, reports and the admin page. Replaced by "***" are the password,
// its base64 at any offset, and the lines of the sign-in, each also when it is cut short.
// A password of less than four bytes is left: hiding each "a" of a reply would only tell it.
class CredentialMask {
 public:
    CredentialMask() = default;  // hides nothing
    explicit CredentialMask(const base::Secret& password);

    void add_sent(const base::Secret& line);  // as on the wire, without CRLF
    void apply(std::string& text) const;

 private:
    struct Needle {
        base::Secret text;
        std::size_t enough;  // so many of its first bytes are hidden, more if they are there
    };

    void add(base::Secret text, std::size_t enough);
    [[nodiscard]] std::size_t match(std::string_view text) const;

    std::vector<Needle> needles_;
    std::bitset<256> beginnings_;  // first bytes of needles: each reply is looked through
};

}  // namespace smtp
