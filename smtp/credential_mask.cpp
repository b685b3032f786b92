#include "smtp/credential_mask.hpp"

#include <algorithm>
#include <utility>

#include "base/base64.hpp"

namespace smtp {
namespace {

constexpr std::size_t shortest_password = 4;
constexpr std::size_t telling_part = 12;  // of a password, or of its base64
constexpr std::size_t telling_line = 8;   // of what was sent, which is no word of any reply

// The base64 characters that the secret alone decides when so many bytes modulo 3 stand before it.
base::Secret encoded_behind(std::size_t before, const base::Secret& secret) {
    const base::Secret padded{std::string(before, '.') + secret.reveal()};
    const base::Secret encoded{base::base64_encode(padded.reveal())};
    const std::size_t begin = (8 * before + 5) / 6;
    const std::size_t end = 8 * padded.reveal().size() / 6;
    return base::Secret{encoded.reveal().substr(begin, end - begin)};
}

}  // namespace

CredentialMask::CredentialMask(const base::Secret& password) {
    if (password.reveal().size() < shortest_password) return;
    add(password, telling_part);
    for (const std::size_t before : {0, 1, 2}) add(encoded_behind(before, password), telling_part);
}

void CredentialMask::add_sent(const base::Secret& line) {
    if (line.reveal().size() >= telling_line) add(line, telling_line);
}

void CredentialMask::add(base::Secret text, std::size_t enough) {
    const std::size_t length = text.reveal().size();
    beginnings_.set(static_cast<unsigned char>(text.reveal().front()));
    needles_.push_back({std::move(text), std::min(length, enough)});
}

void CredentialMask::apply(std::string& text) const {
    if (needles_.empty()) return;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (!beginnings_[static_cast<unsigned char>(text[at])]) continue;
        const std::size_t length = match(std::string_view{text}.substr(at));
        if (length == 0) continue;
        text.replace(at, length, base::masked_secret);
        at += base::masked_secret.size() - 1;
    }
}

// How much of the beginning of text has to go.
std::size_t CredentialMask::match(std::string_view text) const {
    std::size_t longest = 0;
    for (const Needle& needle : needles_) {
        const std::string& secret = needle.text.reveal();
        const std::size_t limit = std::min(secret.size(), text.size());
        const auto end =
            std::mismatch(secret.begin(), secret.begin() + static_cast<long>(limit), text.begin());
        const auto length = static_cast<std::size_t>(end.first - secret.begin());
        if (length >= needle.enough) longest = std::max(longest, length);
    }
    return longest;
}

}  // namespace smtp
