#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/message_id.hpp"
#include "base/result.hpp"
#include "smtp/envelope.hpp"

namespace relay {

// One message that the sink took, and how it came.
struct SinkMessage {
    base::MessageId id;
    base::Time received{};
    smtp::Envelope envelope;
    std::string content;     // byte for byte; empty when nobody wants it
    std::uint64_t size = 0;  // of the content, also when it was not kept
    std::string client;      // address
    std::string helo;
    std::string user;  // "" when not signed in
    std::string protocol;
    std::string tls_version, tls_cipher;  // "" without TLS
};

// "accepted 0h3k... from <a@x> to <b@y>, <c@z>: 1.2 KiB, TLSv1.3, user app"
[[nodiscard]] std::string describe(const SinkMessage& message);

// ID.eml with the content, then ID.json with the rest: whoever sees the second finds the first
// whole.
[[nodiscard]] base::Result<> store(const SinkMessage& message,
                                   const std::filesystem::path& directory);

// Writes a file as a whole or not at all, readable by its owner only.
[[nodiscard]] base::Result<> write_whole_file(const std::filesystem::path& path,
                                              std::string_view content);

}  // namespace relay
