#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "relay/client_connection.hpp"

namespace relay {

// The message being received.
struct ClientConnection::Content {
    Content(base::MessageId message_id, smtp::HeaderAdditions additions,
            std::unique_ptr<spool::BodyWriter> writer)
        : id(message_id), editor(std::move(additions)), body(std::move(writer)) {}

    base::MessageId id;
    smtp::HeaderEditor editor;
    std::unique_ptr<spool::BodyWriter> body;
    base::Time received{};
    bool eight_bit = false;
    std::string scratch;
    std::uint64_t size_when_asked = 0;   // whether there is room
    std::optional<smtp::Reply> refusal;  // then the rest is read and dropped
};

}  // namespace relay
