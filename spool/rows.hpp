#pragma once

#include "spool/database.hpp"
#include "spool/message.hpp"

namespace spool {

// How values of message.hpp stand in rows. The columns are read in the order of these lists; a
// message's are followed by whether a final dot was marked, which another table tells.
inline constexpr std::string_view message_columns =
    "id, state, due, received, finished, size, attempts, wedged, warned, reverse_path, body_type, "
    "smtputf8, ret, envid, client, client_name, user, protocol, message_id, subject, header_from";
inline constexpr std::string_view dot_marked_column =
    "EXISTS (SELECT 1 FROM dot WHERE dot.message = message.id AND counted < 2)";
inline constexpr std::string_view recipient_columns =
    "address, notify, orcpt, state, code, enhanced, reply, problem";
inline constexpr std::string_view attempt_columns =
    "at, smarthost, remote, tls, stage, outcome, reply, took";

[[nodiscard]] Message message_from(const Statement& row);  // without its recipients
[[nodiscard]] RecipientRecord recipient_from(const Statement& row);
[[nodiscard]] Attempt attempt_from(const Statement& row);

[[nodiscard]] std::int64_t notify_bits(const smtp::Notify& notify);

}  // namespace spool
