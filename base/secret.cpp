#include "base/secret.hpp"

#include <openssl/crypto.h>

#include <utility>

namespace base {

Secret::Secret(std::string value) : value_(std::move(value)) {
    // A short string is copied: its bytes are still in the parameter.
    value.resize(value.capacity());
    OPENSSL_cleanse(value.data(), value.size());
}

Secret::Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }

Secret& Secret::operator=(const Secret& other) {
    if (this != &other) {
        wipe();
        value_ = other.value_;
    }
    return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        wipe();
        value_ = std::move(other.value_);
        other.wipe();
    }
    return *this;
}

Secret::~Secret() { wipe(); }

void Secret::wipe() {
    // The whole capacity: a moved-from short string still holds its bytes inside the object.
    value_.resize(value_.capacity());
    OPENSSL_cleanse(value_.data(), value_.size());
    value_.clear();
}

bool Secret::equal_secrets(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace base
