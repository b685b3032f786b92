#include "admin/routes.hpp"
#include "diagnose/report_json.hpp"

namespace admin {

namespace {

ApiResponse refused(unsigned status, std::string_view code, std::string_view message) {
    ApiResponse response = error_response(status, code, message);
    response.headers.emplace_back("Retry-After", "15");
    return response;
}

}  // namespace

void run_diagnosis(Call call) {
    if (!call.services->diagnose) {
        return call.done(error_response(503, "not_running",
                                        "only a running server diagnoses here; without one: relay "
                                        "diagnose"));
    }
    const auto done = call.done;
    const DiagnosisStart start = call.services->diagnose(
        [done](diagnose::Report report) { done(json_response(diagnose::report_json(report))); });
    switch (start) {
        case DiagnosisStart::started:
            return;
        case DiagnosisStart::running:
            return done(
                refused(409, "already_running", "a diagnosis is running; it takes up to 15 s"));
        case DiagnosisStart::too_soon:
            return done(refused(429, "too_soon", "the last diagnosis has only just ended"));
    }
}

}  // namespace admin
