#pragma once

#include <boost/json/value.hpp>
#include <functional>
#include <memory>
#include <string>

#include "admin/api.hpp"
#include "admin/target.hpp"

namespace admin {

// One request on its way to the handler that its path and method chose.
struct Call {
    std::shared_ptr<const Services> services;
    Target target;
    std::string id;  // what stands for {id} in the path
    std::string body;
    std::function<void(ApiResponse)> done;
};

// {"error":{"code","message"}}; the code is for programs, the message for people.
[[nodiscard]] ApiResponse error_response(unsigned status, std::string_view code,
                                         std::string_view message);
[[nodiscard]] ApiResponse spool_error_response(const spool::SpoolError& error);
[[nodiscard]] ApiResponse json_response(const boost::json::value& value);

// api_status.cpp
void show_overview(Call call);
void show_health(Call call);
void show_readiness(Call call);
void show_metrics(Call call);
void show_status(Call call);
void show_stats(Call call);

// api_messages.cpp
void list_messages(Call call);
void show_message(Call call);
void show_raw_message(Call call);

// api_diagnose.cpp
void run_diagnosis(Call call);

// api_actions.cpp
enum class Action { retry, hold, release, remove };
void change_message(Call call, Action action);
void change_messages(Call call, Action action);

}  // namespace admin
