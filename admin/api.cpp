#include "admin/api.hpp"

#include <boost/json/object.hpp>

#include "admin/json.hpp"
#include "admin/routes.hpp"
#include "base/text.hpp"

namespace admin {

namespace json = boost::json;

namespace {

// Only who serves it over HTTP can send events: the answer says what is to be sent.
void begin_events(Call call) {
    ApiResponse response;
    response.events = true;
    call.done(std::move(response));
}

struct Route {
    std::string_view method;
    std::string_view path;  // "{id}" stands for any one segment
    void (*handle)(Call call);
};

template <Action action>
void one(Call call) {
    change_message(std::move(call), action);
}

template <Action action>
void many(Call call) {
    change_messages(std::move(call), action);
}

// The first row whose path and method fit wins.
constexpr Route routes[] = {
    {"GET", "/", show_overview},
    {"GET", "/healthz", show_health},
    {"GET", "/readyz", show_readiness},
    {"GET", "/metrics", show_metrics},
    {"GET", "/api/v1/status", show_status},
    {"GET", "/api/v1/stats", show_stats},
    {"GET", "/api/v1/messages", list_messages},
    {"POST", "/api/v1/messages/retry", many<Action::retry>},
    {"POST", "/api/v1/messages/hold", many<Action::hold>},
    {"POST", "/api/v1/messages/release", many<Action::release>},
    {"POST", "/api/v1/messages/delete", many<Action::remove>},
    {"GET", "/api/v1/messages/{id}", show_message},
    {"DELETE", "/api/v1/messages/{id}", one<Action::remove>},
    {"GET", "/api/v1/messages/{id}/raw", show_raw_message},
    {"POST", "/api/v1/messages/{id}/retry", one<Action::retry>},
    {"POST", "/api/v1/messages/{id}/hold", one<Action::hold>},
    {"POST", "/api/v1/messages/{id}/release", one<Action::release>},
    {"GET", "/api/v1/events", begin_events},
    {"POST", "/api/v1/diagnose", run_diagnosis},
};

// Whether the segments fit the route's path; sets id to what stands for "{id}".
bool path_fits(std::string_view path, const std::vector<std::string>& segments, std::string& id) {
    path.remove_prefix(1);
    const auto parts = path.empty() ? std::vector<std::string_view>{} : base::split(path, '/');
    if (parts.size() != segments.size()) return false;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (parts[i] == "{id}") {
            id = segments[i];
        } else if (parts[i] != segments[i]) {
            return false;
        }
    }
    return true;
}

ApiResponse method_not_allowed(std::string_view method, const std::vector<std::string>& allowed) {
    ApiResponse response = error_response(405, "method_not_allowed",
                                          "this path does not take " + valid_utf8(method) +
                                              "; it takes " + base::join(allowed, ", "));
    response.headers.emplace_back("Allow", base::join(allowed, ", "));
    return response;
}

}  // namespace

ApiResponse error_response(unsigned status, std::string_view code, std::string_view message) {
    json::object error;
    error["code"] = json::value(code);
    error["message"] = json::value(valid_utf8(message));
    json::object object;
    object["error"] = std::move(error);
    ApiResponse response;
    response.status = status;
    response.body = json_line(object);
    return response;
}

ApiResponse spool_error_response(const spool::SpoolError& error) {
    switch (error.problem) {
        case spool::Problem::not_found:
            return error_response(404, "not_found", error.message);
        case spool::Problem::full:
            return error_response(507, "spool_full", error.message);
        case spool::Problem::read_only:
            return error_response(500, "spool_read_only", error.message);
        case spool::Problem::io:
            return error_response(500, "spool_io", error.message);
        case spool::Problem::body_lost:
            return error_response(500, "body_lost", error.message);
        case spool::Problem::unsynced:
            return error_response(500, "spool_unsynced", error.message);
        case spool::Problem::corrupt:
            return error_response(500, "spool_corrupt", error.message);
    }
    return error_response(500, "spool_io", error.message);
}

ApiResponse json_response(const json::value& value) {
    ApiResponse response;
    response.body = json_line(value);
    return response;
}

struct Api::State {
    std::shared_ptr<const Services> services;
};

Api::Api(Services services) : state_(std::make_shared<State>()) {
    state_->services = std::make_shared<const Services>(std::move(services));
}

Api::~Api() = default;

void Api::handle(ApiRequest request, std::function<void(ApiResponse)> done) {
    base::Result<Target> target = parse_target(request.target);
    if (!target) return done(error_response(400, "bad_target", target.error().message));
    // RFC 9110 section 9.3.2: the same answer; the server leaves its content out.
    const std::string method = request.method == "HEAD" ? std::string("GET") : request.method;
    std::vector<std::string> allowed;
    std::string id;
    for (const Route& route : routes) {
        if (!path_fits(route.path, target->segments, id)) continue;
        if (route.method == method) {
            Call call{state_->services, std::move(*target), std::move(id), std::move(request.body),
                      std::move(done)};
            return route.handle(std::move(call));
        }
        allowed.emplace_back(route.method);
        if (route.method == "GET") allowed.emplace_back("HEAD");
    }
    if (allowed.empty()) {
        return done(error_response(404, "not_found", "there is nothing at this path"));
    }
    done(method_not_allowed(request.method, allowed));
}

}  // namespace admin
