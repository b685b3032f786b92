#include "smtp/password_hash.hpp"

#include <fmt/format.h>
#include <gsasl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <charconv>
#include <mutex>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>

#include "base/base64.hpp"
#include "base/text.hpp"

namespace smtp {
namespace {

constexpr std::string_view scheme = "{SCRAM-SHA-256}";
constexpr std::size_t salt_length = 16;
constexpr std::size_t key_length = SHA256_DIGEST_LENGTH;
constexpr unsigned most_client_iterations = 1'000'000;  // a server names it: 0.3 s at most

const unsigned char* octets(std::string_view bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* octets(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    if (RAND_bytes(octets(bytes), static_cast<int>(count)) != 1) {
        throw std::runtime_error("the system gave no random numbers");
    }
    return bytes;
}

std::string hmac(std::string_view key, std::string_view message) {
    std::string digest(key_length, '\0');
    unsigned length = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), octets(message), message.size(),
         octets(digest), &length);
    return digest;
}

std::string sha256(std::string_view message) {
    std::string digest(key_length, '\0');
    SHA256(octets(message), message.size(), octets(digest));
    return digest;
}

// SASLprep (RFC 4013); a password it forbids is taken as it is, like GNU SASL's clients cannot.
base::Secret prepare(std::string_view password) {
    const base::Secret raw{std::string(password)};
    if (base::is_ascii(password) || password.find('\0') != std::string_view::npos) return raw;
    char* prepared = nullptr;
    if (gsasl_saslprep(raw.reveal().c_str(), GSASL_ALLOW_UNASSIGNED, &prepared, nullptr) !=
        GSASL_OK) {
        return raw;
    }
    base::Secret result{prepared};
    OPENSSL_cleanse(prepared, result.reveal().size());
    gsasl_free(prepared);
    return result;
}

// RFC 5802 section 3.
base::Secret salted_password(std::string_view password, std::string_view salt,
                             unsigned iterations) {
    const base::Secret prepared = prepare(password);
    std::string key(key_length, '\0');
    PKCS5_PBKDF2_HMAC(prepared.reveal().data(), static_cast<int>(prepared.reveal().size()),
                      octets(salt), static_cast<int>(salt.size()), static_cast<int>(iterations),
                      EVP_sha256(), static_cast<int>(key_length), octets(key));
    return base::Secret{std::move(key)};
}

std::string stored_key_of(const base::Secret& salted) {
    const base::Secret client_key{hmac(salted.reveal(), "Client Key")};
    return sha256(client_key.reveal());
}

// One per process, so that a memory dump of another process or an older core tells nothing.
const std::string& process_key() {
    static const std::string key = random_bytes(key_length);
    return key;
}

// Passwords that were right, as keyed digests. Bounded: when full it begins anew.
class RightPasswords {
 public:
    [[nodiscard]] bool contains(const std::string& digest) {
        const std::lock_guard lock{mutex_};
        return digests_.contains(digest);
    }
    void add(const std::string& digest) {
        const std::lock_guard lock{mutex_};
        if (digests_.size() >= most_kept) digests_.clear();
        digests_.insert(digest);
    }

 private:
    static constexpr std::size_t most_kept = 4096;
    std::mutex mutex_;
    std::unordered_set<std::string> digests_;
};

RightPasswords& right_passwords() {
    static RightPasswords passwords;
    return passwords;
}

// The StoredKey changes with the password and with the salt, so a changed entry is never answered
// from what was right for the old one.
std::string cache_digest(const ScramSecret& secret, std::string_view password) {
    const std::string secret_key = hmac(process_key(), secret.stored_key + secret.salt);
    return hmac(secret_key, password);
}

// Derived from what relay itself signs in with, so there are few. Bounded like the above.
class SaltedPasswords {
 public:
    [[nodiscard]] std::optional<base::Secret> find(const std::string& digest) {
        const std::lock_guard lock{mutex_};
        const auto found = salted_.find(digest);
        if (found == salted_.end()) return std::nullopt;
        return found->second;
    }
    void add(const std::string& digest, const base::Secret& salted) {
        const std::lock_guard lock{mutex_};
        if (salted_.size() >= most_kept) salted_.clear();
        salted_.insert_or_assign(digest, salted);
    }

 private:
    static constexpr std::size_t most_kept = 256;
    std::mutex mutex_;
    std::unordered_map<std::string, base::Secret> salted_;
};

SaltedPasswords& salted_passwords() {
    static SaltedPasswords passwords;
    return passwords;
}

}  // namespace

std::optional<base::Secret> scram_salted_password(const base::Secret& password,
                                                  std::string_view salt, unsigned iterations) {
    if (iterations < 1 || iterations > most_client_iterations) return std::nullopt;
    const std::string place = hmac(process_key(), fmt::format("{},{}", iterations, salt));
    const std::string digest = hmac(place, password.reveal());
    if (std::optional<base::Secret> known = salted_passwords().find(digest)) return known;
    base::Secret salted = salted_password(password.reveal(), salt, iterations);
    salted_passwords().add(digest, salted);
    return salted;
}

ScramSecret make_scram_secret(const base::Secret& password, unsigned iterations) {
    ScramSecret secret;
    secret.iterations = iterations;
    secret.salt = random_bytes(salt_length);
    const base::Secret salted = salted_password(password.reveal(), secret.salt, iterations);
    secret.stored_key = stored_key_of(salted);
    secret.server_key = hmac(salted.reveal(), "Server Key");
    return secret;
}

std::string format_password_hash(const ScramSecret& secret) {
    return fmt::format("{}{},{},{},{}", scheme, secret.iterations, base::base64_encode(secret.salt),
                       base::base64_encode(secret.stored_key),
                       base::base64_encode(secret.server_key));
}

base::Result<ScramSecret> parse_password_hash(std::string_view text) {
    const base::Error unknown = base::error("is no SCRAM-SHA-256 hash");
    if (!base::starts_with_ignoring_case(text, scheme)) return unknown;
    const auto parts = base::split(text.substr(scheme.size()), ',');
    if (parts.size() != 4) return unknown;
    ScramSecret secret;
    const char* const digits_end = parts[0].data() + parts[0].size();
    const auto [end, error] = std::from_chars(parts[0].data(), digits_end, secret.iterations);
    const auto salt = base::base64_decode(parts[1]);
    const auto stored_key = base::base64_decode(parts[2]);
    const auto server_key = base::base64_decode(parts[3]);
    if (error != std::errc{} || end != digits_end || !salt || !stored_key || !server_key) {
        return unknown;
    }
    if (secret.iterations < 1 || salt->empty() || stored_key->size() != key_length ||
        server_key->size() != key_length) {
        return unknown;
    }
    if (secret.iterations > most_scram_iterations) {
        return base::error(
            fmt::format("has {} iterations, and everything would wait while a sign-in computes "
                        "them: {} at most",
                        secret.iterations, most_scram_iterations));
    }
    secret.salt = *salt;
    secret.stored_key = *stored_key;
    secret.server_key = *server_key;
    return secret;
}

base::Result<std::string> hash_password(const base::Secret& password) {
    if (password.empty()) return base::error("an empty password lets everybody in: give one");
    if (password.reveal().find('\0') != std::string::npos) {
        return base::error("the password holds a NUL byte, which no client can send");
    }
    return format_password_hash(make_scram_secret(password));
}

bool check_password(const ScramSecret& secret, std::string_view password) {
    const std::string digest = cache_digest(secret, password);
    if (right_passwords().contains(digest)) return true;
    const base::Secret salted = salted_password(password, secret.salt, secret.iterations);
    if (!base::Secret::equal_secrets(stored_key_of(salted), secret.stored_key)) return false;
    right_passwords().add(digest);
    return true;
}

void Decoys::learn(const ScramSecret& known) {
    shapes_.push_back({known.iterations, std::min(known.salt.size(), key_length)});
    key_ = base::Secret{hmac(key_.reveal(), known.salt + known.stored_key)};
}

ScramSecret Decoys::make(std::string_view user) const {
    const std::string choice = hmac(key_.reveal(), fmt::format("shape {}", user));
    const std::size_t number = octets(choice)[0] | std::size_t{octets(choice)[1]} << 8U;
    const Shape shape = shapes_.empty() ? Shape{least_scram_iterations, salt_length}
                                        : shapes_[number % shapes_.size()];
    ScramSecret secret;
    secret.iterations = shape.iterations;
    secret.salt = hmac(key_.reveal(), fmt::format("salt {}", user)).substr(0, shape.salt_length);
    secret.stored_key = random_bytes(key_length);
    secret.server_key = random_bytes(key_length);
    return secret;
}

}  // namespace smtp
