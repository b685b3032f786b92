#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace smtp {

// What the server keeps of a password (RFC 5803): enough to check it, not to learn it.
struct ScramSecret {
    unsigned iterations = 0;
    std::string salt;  // raw bytes, as are the keys
    std::string stored_key;
    std::string server_key;
};

// Who may sign in. Implemented by the program over its users file, by tests over a map.
class CredentialStore {
 public:
    virtual ~CredentialStore() = default;
    [[nodiscard]] virtual std::optional<ScramSecret> find(std::string_view user) const = 0;
    // What a password is checked against when there is no such user; Decoys makes it.
    [[nodiscard]] virtual ScramSecret decoy(std::string_view user) const = 0;
};

}  // namespace smtp
