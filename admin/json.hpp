#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "admin/api.hpp"

namespace admin {

// Subjects, addresses and replies come from strangers: bytes that are no UTF-8 become U+FFFD, so
// that what we send is always JSON (RFC 8259 section 8.1). Control characters are escaped later.
[[nodiscard]] std::string valid_utf8(std::string_view text);

// The value on one line, with its end. A terminal that shows it obeys nothing in it: hidden
// characters (base/hidden_characters.hpp) are written as \uXXXX, which means the same.
[[nodiscard]] std::string json_line(const boost::json::value& value);

[[nodiscard]] boost::json::object message_json(const spool::Message& message);
[[nodiscard]] boost::json::object attempt_json(const spool::Attempt& attempt);
[[nodiscard]] boost::json::object summary_json(const spool::Summary& summary);
[[nodiscard]] boost::json::object details_json(const spool::Details& details);
[[nodiscard]] boost::json::object stats_json(const spool::Stats& stats);
[[nodiscard]] boost::json::object listener_json(const ListenerStatus& listener);
[[nodiscard]] boost::json::object verdict_json(const diagnose::StartupVerdict& verdict);
[[nodiscard]] boost::json::object smarthost_json(const delivery::SmarthostStatus& smarthost);

}  // namespace admin
