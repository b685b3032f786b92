#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "relay/control_client.hpp"

namespace relay {

// Reads the API's JSON without fuss: a member that is missing, null or of another type reads as
// empty, so that an older server can be shown as well.
class ApiView {
 public:
    explicit ApiView(const boost::json::object& object) : object_(&object) {}

    [[nodiscard]] std::string text(std::string_view name) const;
    [[nodiscard]] std::uint64_t number(std::string_view name) const;
    [[nodiscard]] bool flag(std::string_view name) const;
    [[nodiscard]] std::optional<base::Time> time(std::string_view name) const;
    [[nodiscard]] const boost::json::array& list(std::string_view name) const;
    [[nodiscard]] std::optional<ApiView> object(std::string_view name) const;
    [[nodiscard]] const boost::json::object& raw() const { return *object_; }

 private:
    [[nodiscard]] const boost::json::value* find(std::string_view name) const;

    const boost::json::object* object_;
};

// The objects of a list, e.g. for (ApiView message : objects(page.list("messages"))).
[[nodiscard]] std::vector<ApiView> objects(const boost::json::array& list);

// An answer taken apart; the error is the API's own words when it refused.
[[nodiscard]] base::Result<boost::json::object> parse_answer(const admin::ApiResponse& response);

// Calls the API and takes its answer apart; the error is in words when there was no answer or the
// API refused.
[[nodiscard]] base::Result<boost::json::object> call_api(ControlChannel& channel,
                                                         const std::string& method,
                                                         const std::string& target,
                                                         const std::string& body = "");

// "2026-11-24T11:12:13.123Z", as base::format_iso8601() makes it.
[[nodiscard]] std::optional<base::Time> parse_iso8601(const std::string& text);

// One unit, for tables: "45s", "3m", "4h", "5d".
[[nodiscard]] std::string short_duration(base::Duration duration);

}  // namespace relay
