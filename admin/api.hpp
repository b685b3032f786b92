#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "delivery/status.hpp"
#include "diagnose/report.hpp"
#include "diagnose/startup_probe.hpp"
#include "spool/spool.hpp"

namespace admin {

// The listening side as status and metrics show it.
struct ListenerStatus {
    std::vector<std::string> addresses;      // as bound: "127.0.0.1:2525"
    std::vector<std::string> tls_addresses;  // those of them with implicit TLS
    std::uint64_t connections = 0, connections_total = 0, connections_refused = 0;
    std::uint64_t messages_accepted = 0, messages_refused = 0, bytes_accepted = 0;
};

// What happened in the last minute.
struct RecentCounts {
    std::uint64_t accepted = 0;   // messages
    std::uint64_t delivered = 0;  // recipients
};

// Whether a diagnosis that was asked for began.
enum class DiagnosisStart : std::uint8_t { started, running, too_soon };

// What the interface shows and does. The program fills it in over its running parts; an offline
// `relay queue` only the spool. All functions are called on the thread that runs the API.
struct Services {
    spool::Spool* spool = nullptr;
    std::function<delivery::Status()> delivery;                        // may be empty (offline)
    std::function<ListenerStatus()> listener;                          // may be empty
    std::function<std::optional<diagnose::StartupVerdict>()> verdict;  // may be empty
    std::function<bool()> probing;              // whether a verdict may come; may be empty
    std::function<RecentCounts()> last_minute;  // may be empty
    std::function<void()>
        attempt_now;  // after a retry: look for due mail and un-pause smarthosts; may be empty
    std::function<bool()> ready;  // for /readyz
    // Begins a diagnosis of the ways out; the function gets its report if it began. May be empty.
    std::function<DiagnosisStart(std::function<void(diagnose::Report)>)> diagnose;
    std::string version;
    base::Time started{};
    base::Duration started_uptime{};  // base::uptime() at that moment
    std::string config_file;
};

struct ApiRequest {
    std::string method;  // "GET"
    std::string target;  // "/api/v1/messages?state=queued"
    std::string body;
};

struct ApiResponse {
    unsigned status = 200;
    std::string content_type = "application/json";
    std::string body;  // small answers
    std::string file;  // or a file to stream instead (a large raw message)
    std::uint64_t file_size = 0;
    bool events = false;  // or events without end, about what /api/v1/status tells
    std::vector<std::pair<std::string, std::string>> headers;
};

// Answers the API's requests. Knows nothing of HTTP's framing: the Beast server and the offline
// commands both call it. One thread; the spool's answers must come back on that same thread.
class Api {
 public:
    explicit Api(Services services);
    ~Api();
    void handle(ApiRequest request, std::function<void(ApiResponse)> done);

 private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace admin
