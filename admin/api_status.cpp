#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "admin/json.hpp"
#include "admin/metrics.hpp"
#include "admin/routes.hpp"
#include "base/text.hpp"
#include "base/units.hpp"
#include "base/uptime.hpp"

namespace admin {

namespace json = boost::json;

namespace {

ApiResponse text_response(std::string text) {
    ApiResponse response;
    response.content_type = "text/plain; charset=utf-8";
    response.body = std::move(text);
    return response;
}

bool is_ready(const Services& services) { return !services.ready || services.ready(); }

base::Duration uptime(const Services& services) {
    return base::uptime() - services.started_uptime;  // whatever somebody does to the clock
}

// Asks the spool for its numbers, then answers with what make() says of the whole.
void with_snapshot(Call call, ApiResponse (*make)(const Services&, const Snapshot&)) {
    const auto services = call.services;
    services->spool->stats(
        [services, done = std::move(call.done), make](spool::Outcome<spool::Stats> stats) {
            if (!stats) return done(spool_error_response(stats.error()));
            done(make(*services, take_snapshot(*services, *stats)));
        });
}

std::string smarthost_line(const delivery::SmarthostStatus& smarthost) {
    std::string line =
        "smarthost " + smarthost.name + ": " + std::string(delivery::health_name(smarthost.health));
    if (!smarthost.problem.empty()) line += ", " + smarthost.problem;
    return base::printable(line) + "\n";
}

ApiResponse overview_response(const Services& services, const Snapshot& snapshot) {
    const spool::Stats& queue = snapshot.queue;
    std::string text =
        "relay " + services.version + ", " + base::uptime_words(uptime(services)) + "\n";
    if (snapshot.listener) {
        text += "listening on " + base::join(snapshot.listener->addresses, ", ") + "\n";
    }
    if (snapshot.verdict) text += "port 25: " + base::printable(snapshot.verdict->summary) + "\n";
    if (snapshot.delivery) {
        for (const auto& smarthost : snapshot.delivery->smarthosts) {
            text += smarthost_line(smarthost);
        }
    }
    text += "queue: " + std::to_string(queue.queued) + " queued, " + std::to_string(queue.held) +
            " held, " + std::to_string(queue.unknown) + " unknown, " +
            base::human_size(queue.bytes) + "\n";
    text += "more: /api/v1/status, /api/v1/messages, /metrics\n";
    return text_response(std::move(text));
}

ApiResponse metrics_response(const Services& services, const Snapshot& snapshot) {
    ApiResponse response =
        text_response(metrics_text(services, snapshot, base::SystemClock{}.now()));
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return response;
}

ApiResponse status_response(const Services& services, const Snapshot& snapshot) {
    json::object object;
    object["version"] = services.version;
    object["started"] = base::format_iso8601(services.started);
    object["uptime_seconds"] =
        std::chrono::duration_cast<std::chrono::seconds>(uptime(services)).count();
    object["config_file"] = valid_utf8(services.config_file);
    object["ready"] = is_ready(services);
    object["listener"] =
        snapshot.listener ? json::value(listener_json(*snapshot.listener)) : json::value(nullptr);
    object["verdict"] =
        snapshot.verdict ? json::value(verdict_json(*snapshot.verdict)) : json::value(nullptr);
    if (services.probing) object["probing"] = services.probing();
    json::array smarthosts;
    if (snapshot.delivery) {
        for (const auto& smarthost : snapshot.delivery->smarthosts) {
            smarthosts.push_back(smarthost_json(smarthost));
        }
    }
    object["smarthosts"] = std::move(smarthosts);
    object["active"] = snapshot.delivery ? snapshot.delivery->active : 0;
    object["queue"] = stats_json(snapshot.queue);
    if (services.last_minute) {
        const RecentCounts counts = services.last_minute();
        json::object recent;
        recent["accepted"] = counts.accepted;
        recent["delivered"] = counts.delivered;
        object["last_minute"] = std::move(recent);
    }
    return json_response(object);
}

// Why mail cannot be taken now; empty when it can.
std::vector<std::string> unready_reasons(const Services& services) {
    std::vector<std::string> reasons;
    if (!is_ready(services)) reasons.emplace_back("relay is starting or stopping");
    if (services.listener && services.listener().addresses.empty()) {
        reasons.emplace_back("no listener is open");
    }
    // One byte: what min_free and max_size say is the same for any small message.
    const auto room = services.spool->room_for(1);
    if (!room) reasons.push_back(room.error().message);
    return reasons;
}

ApiResponse readiness_response(const std::vector<std::string>& reasons) {
    json::array list;
    for (const auto& reason : reasons) list.push_back(json::value(valid_utf8(reason)));
    json::object object;
    object["ready"] = reasons.empty();
    object["reasons"] = std::move(list);
    ApiResponse response = json_response(object);
    response.status = reasons.empty() ? 200 : 503;
    return response;
}

}  // namespace

void show_overview(Call call) { with_snapshot(std::move(call), overview_response); }

// Answered by the loop alone: a slow disk does not make it fail.
void show_health(Call call) { call.done(text_response("ok\n")); }

void show_metrics(Call call) { with_snapshot(std::move(call), metrics_response); }

void show_status(Call call) { with_snapshot(std::move(call), status_response); }

void show_readiness(Call call) {
    std::vector<std::string> reasons = unready_reasons(*call.services);
    call.services->spool->stats([done = std::move(call.done), reasons = std::move(reasons)](
                                    spool::Outcome<spool::Stats> stats) mutable {
        if (!stats) reasons.push_back("the spool does not answer: " + stats.error().message);
        done(readiness_response(reasons));
    });
}

void show_stats(Call call) {
    call.services->spool->stats([done = std::move(call.done)](spool::Outcome<spool::Stats> stats) {
        done(stats ? json_response(stats_json(*stats)) : spool_error_response(stats.error()));
    });
}

}  // namespace admin
