#include "relay/api_view.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <chrono>
#include <cstdio>

namespace relay {

namespace json = boost::json;

const json::value* ApiView::find(std::string_view name) const {
    return object_->if_contains({name.data(), name.size()});
}

std::string ApiView::text(std::string_view name) const {
    const json::value* value = find(name);
    if (value == nullptr || !value->is_string()) return "";
    return {value->get_string().data(), value->get_string().size()};
}

std::uint64_t ApiView::number(std::string_view name) const {
    const json::value* value = find(name);
    if (value == nullptr || !value->is_number()) return 0;
    boost::system::error_code error;
    const auto number = value->to_number<std::uint64_t>(error);
    return error ? 0 : number;
}

bool ApiView::flag(std::string_view name) const {
    const json::value* value = find(name);
    return value != nullptr && value->is_bool() && value->get_bool();
}

std::optional<base::Time> ApiView::time(std::string_view name) const {
    return parse_iso8601(text(name));
}

const json::array& ApiView::list(std::string_view name) const {
    static const json::array none;
    const json::value* value = find(name);
    return value != nullptr && value->is_array() ? value->get_array() : none;
}

std::optional<ApiView> ApiView::object(std::string_view name) const {
    const json::value* value = find(name);
    if (value == nullptr || !value->is_object()) return std::nullopt;
    return ApiView{value->get_object()};
}

std::vector<ApiView> objects(const json::array& list) {
    std::vector<ApiView> views;
    for (const json::value& value : list) {
        if (value.is_object()) views.emplace_back(value.get_object());
    }
    return views;
}

base::Result<json::object> parse_answer(const admin::ApiResponse& response) {
    if (response.status >= 400) return base::error(error_message(response));
    boost::system::error_code error;
    json::value value = json::parse(response.body, error);
    if (error || !value.is_object()) return base::error("the server's answer is no JSON object");
    return std::move(value.get_object());
}

base::Result<json::object> call_api(ControlChannel& channel, const std::string& method,
                                    const std::string& target, const std::string& body) {
    admin::ApiRequest request;
    request.method = method;
    request.target = target;
    request.body = body;
    const auto response = channel.call(std::move(request));
    if (!response) return response.error();
    return parse_answer(*response);
}

std::optional<base::Time> parse_iso8601(const std::string& text) {
    int year = 0;
    unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0, milliseconds = 0;
    const int read = std::sscanf(text.c_str(), "%4d-%2u-%2uT%2u:%2u:%2u.%3uZ", &year, &month, &day,
                                 &hour, &minute, &second, &milliseconds);
    if (read != 7) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{month},
                                           std::chrono::day{day}};
    if (!date.ok()) return std::nullopt;
    return std::chrono::sys_days{date} + std::chrono::hours{hour} + std::chrono::minutes{minute} +
           std::chrono::seconds{second} + std::chrono::milliseconds{milliseconds};
}

std::string short_duration(base::Duration duration) {
    using std::chrono::duration_cast;
    const auto seconds =
        std::max<std::int64_t>(0, duration_cast<std::chrono::seconds>(duration).count());
    if (seconds < 120) return std::to_string(seconds) + "s";
    if (seconds < 120 * 60) return std::to_string(seconds / 60) + "m";
    if (seconds < 48 * 3600) return std::to_string(seconds / 3600) + "h";
    return std::to_string(seconds / 86400) + "d";
}

}  // namespace relay
