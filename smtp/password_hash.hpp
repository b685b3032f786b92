#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "smtp/credentials.hpp"

namespace smtp {

inline constexpr unsigned least_scram_iterations = 4096;  // RFC 7677 section 4
// Of a users file. Whoever may try to sign in makes the server compute so many, 50 ms for these.
inline constexpr unsigned most_scram_iterations = 250'000;

// A new salt each time. The password is prepared as SCRAM wants it (RFC 5802 section 2.2).
[[nodiscard]] ScramSecret make_scram_secret(const base::Secret& password,
                                            unsigned iterations = least_scram_iterations);

// What stands in a users file: "{SCRAM-SHA-256}4096,SALT,STOREDKEY,SERVERKEY" in base64.
[[nodiscard]] std::string format_password_hash(const ScramSecret& secret);
// The error says what is wrong with it and repeats no part of it.
[[nodiscard]] base::Result<ScramSecret> parse_password_hash(std::string_view text);
// Makes and formats one; the error says what is wrong with the password, never the password.
[[nodiscard]] base::Result<std::string> hash_password(const base::Secret& password);

// RFC 5802's SaltedPassword. Costs a millisecond for 4096 iterations, once: the latest are kept, as
// every connection to a server asks for the same. No value when the count is beyond reason.
[[nodiscard]] std::optional<base::Secret> scram_salted_password(const base::Secret& password,
                                                                std::string_view salt,
                                                                unsigned iterations);

// Costs the secret's iterations, about a millisecond for 4096, unless this password was found right
// for this secret before: such answers are kept for the life of the process, under a key of its
// own.
[[nodiscard]] bool check_password(const ScramSecret& secret, std::string_view password);

// Something to check a password against when there is no such user, so that neither SCRAM's first
// answer nor the time it takes tells. Each name keeps its salt while the known secrets stay, over
// restarts too, and has the iterations and the length of salt of one of them: where they differ,
// they do so among unknown names as among known ones.
class Decoys {
 public:
    Decoys() = default;
    void learn(const ScramSecret& known);
    [[nodiscard]] ScramSecret make(std::string_view user) const;

 private:
    struct Shape {
        unsigned iterations;
        std::size_t salt_length;
    };
    std::vector<Shape> shapes_;
    base::Secret key_;  // a digest over all that is known
};

}  // namespace smtp
