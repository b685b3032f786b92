#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "base/result.hpp"
#include "delivery/body_source.hpp"
#include "delivery/turns.hpp"
#include "smtp/client_session.hpp"
#include "spool/message.hpp"

namespace delivery {

// A message's content as this server can take it.
struct AdaptedContent {
    Turns::Turn turn;                     // for as long as rewritten takes room on the disk
    std::optional<BodySource> rewritten;  // none: as it is, byte for byte
    // The server can never take it (RFC 6531 section 3.5), or it cannot be rewritten.
    std::optional<smtp::RecipientResult> refusal;
    bool seven_bit = false;  // rewritten to 7 bits: BODY=8BITMIME no longer holds
};

// Looks at the content only when the server lacks an extension that it might need: at the header
// alone when that is SMTPUTF8, and nobody asked for it. What lies in a file is rewritten into one,
// as turns allow.
[[nodiscard]] boost::asio::awaitable<base::Result<AdaptedContent>> adapt_content(
    BodySource& body, const spool::Message& message, const smtp::Extensions& server,
    boost::asio::any_io_executor files, Turns& turns);

// Whether adapt_content() would leave it as it is.
[[nodiscard]] boost::asio::awaitable<bool> goes_as_it_is(BodySource& body,
                                                         const spool::Message& message,
                                                         const smtp::Extensions& server);

}  // namespace delivery
