#pragma once

#include <string_view>

#include "admin/target.hpp"
#include "base/result.hpp"
#include "spool/spool.hpp"

namespace admin {

// How many messages one answer lists at most, and how many ids one request may name.
inline constexpr std::size_t list_limit_default = 100;
inline constexpr std::size_t list_limit_most = 1000;
inline constexpr std::size_t selection_ids_most = 10000;

// "queued,held" as states; nothing or "all" is every state.
[[nodiscard]] base::Result<std::vector<spool::MessageState>> parse_states(std::string_view text);

// ?state=&q=&to=&from=&limit=&cursor=
[[nodiscard]] base::Result<spool::Query> parse_query(const Target& target);

// {"ids":[..]} or {"all":true} or any of {"state","to","from","q"}. An empty selection is an
// error: it must not act on everything by accident.
[[nodiscard]] base::Result<spool::Selection> parse_selection(std::string_view body);

}  // namespace admin
