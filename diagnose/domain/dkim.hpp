#pragma once

#include <string>
#include <string_view>

namespace diagnose {

// A DKIM key record (RFC 6376 section 3.6.1, RFC 8463).
struct DkimKey {
    bool valid = false;
    bool revoked = false;  // p= is empty
    bool testing = false;  // t=y: receivers may treat failures as unsigned mail
    std::string type;      // "rsa", "ed25519"
    unsigned bits = 0;
    std::string problem;  // why it is not valid
};

[[nodiscard]] DkimKey parse_dkim_key(std::string_view text);

}  // namespace diagnose
