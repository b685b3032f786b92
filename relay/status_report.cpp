#include "relay/status_report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "base/units.hpp"
#include "relay/queue_report.hpp"

namespace relay {

namespace {

constexpr std::size_t name_width = 12;

std::string line(std::string_view name, const std::string& value) {
    return fmt::format("{:<{}}{}\n", name, name_width, value);
}

std::string addresses_text(const ApiView& listener) {
    std::string text;
    const boost::json::array& tls = listener.list("tls_addresses");
    for (const boost::json::value& address : listener.list("addresses")) {
        if (!address.is_string()) continue;
        if (!text.empty()) text += ", ";
        text += std::string_view{address.get_string().data(), address.get_string().size()};
        if (std::find(tls.begin(), tls.end(), address) != tls.end()) text += " (implicit TLS)";
    }
    return text.empty() ? "nothing" : base::printable(text, 1000);
}

std::string listener_lines(const ApiView& status) {
    const auto listener = status.object("listener");
    if (!listener) return "";
    const std::uint64_t accepted = listener->number("messages_accepted");
    return line("listening", addresses_text(*listener)) +
           line("connections",
                fmt::format("{} open, {} since the start, {} refused",
                            listener->number("connections"), listener->number("connections_total"),
                            listener->number("connections_refused"))) +
           line("messages", fmt::format("{} accepted, {}; {} refused", accepted,
                                        base::human_size(listener->number("bytes_accepted")),
                                        listener->number("messages_refused")));
}

std::string recent_line(const ApiView& status) {
    const auto recent = status.object("last_minute");
    if (!recent) return "";
    return line("last minute",
                fmt::format("{} messages accepted, {} recipients delivered",
                            recent->number("accepted"), recent->number("delivered")));
}

std::string verdict_line(const ApiView& status, const Terminal& terminal) {
    const auto verdict = status.object("verdict");
    if (!verdict) {
        // An older server does not say.
        const bool off = status.raw().contains("probing") && !status.flag("probing");
        return line("port 25", off ? "not looked at: probe.enabled is false" : "not looked at yet");
    }
    const std::string code = verdict->text("code");
    const Style style = code == "ok-direct" ? Style::good : Style::warning;
    return line("port 25", styled(terminal, style, code) + ": " +
                               base::printable(verdict->text("summary"), 1000));
}

Style health_style(std::string_view health) {
    if (health == "ok") return Style::good;
    if (health == "paused" || health == "failing") return Style::bad;
    return Style::plain;
}

std::string smarthost_lines(const ApiView& smarthost, const Terminal& terminal, base::Time now) {
    const std::string host = smarthost.text("host");
    const bool has_port = smarthost.number("port") != 0 && !host.starts_with("unix:");
    std::string place = has_port ? fmt::format("{}:{}", host, smarthost.number("port")) : host;
    if (smarthost.text("name") != host) place = smarthost.text("name") + " (" + place + ")";
    std::string text =
        line("smarthost", base::printable(place, 300) + " " +
                              styled(terminal, health_style(smarthost.text("health")),
                                     base::printable(smarthost_health(smarthost, now), 2000)));
    if (!smarthost.text("advice").empty())
        text += line("", base::printable(smarthost.text("advice"), 2000));
    std::string session;
    if (!smarthost.text("tls").empty()) session += smarthost.text("tls") + ", ";
    if (!smarthost.text("auth").empty()) session += "signed in by " + smarthost.text("auth") + ", ";
    text += line("", fmt::format("{}{} open; {} delivered, {} deferred, {} failed, {} unknown",
                                 session, smarthost.number("connections"),
                                 smarthost.number("delivered"), smarthost.number("deferred"),
                                 smarthost.number("failed"), smarthost.number("unknown")));
    return text;
}

std::string queue_lines(const ApiView& queue, base::Time now) {
    std::string text =
        line("queue", fmt::format("{} queued, {} held, {} unknown, {}", queue.number("queued"),
                                  queue.number("held"), queue.number("unknown"),
                                  base::human_size(queue.number("bytes"))));
    if (const auto oldest = queue.time("oldest")) {
        text += line("", "the oldest has waited for " + base::human_duration(now - *oldest));
    }
    text += line("finished", fmt::format("{} delivered, {} failed (still listed)",
                                         queue.number("delivered"), queue.number("failed")));
    return text + line("disk", base::human_size(queue.number("free_bytes")) + " free");
}

}  // namespace

std::string smarthost_health(const ApiView& smarthost, base::Time now) {
    std::string text = smarthost.text("health");
    if (const auto since = smarthost.time("since")) {
        text += " for " + base::human_duration(now - *since);
    }
    if (!smarthost.text("problem").empty()) text += ": " + smarthost.text("problem");
    if (const auto next = smarthost.time("next_attempt"); next && *next > now) {
        text += "; next try in " + base::human_duration(*next - now);
    }
    return text;
}

std::string status_text(const ApiView& status, const Terminal& terminal, base::Time now) {
    std::string text;
    if (status.flag("running")) {
        const base::Duration up = std::chrono::seconds{status.number("uptime_seconds")};
        text = line("relay", styled(terminal, Style::bold, status.text("version")) + ", " +
                                 base::uptime_words(up) +
                                 (status.flag("ready") ? "" : ", starting or stopping"));
        text += line("config", base::printable(status.text("config_file"), 1000));
        text += listener_lines(status) + recent_line(status) + verdict_line(status, terminal);
        for (const ApiView smarthost : objects(status.list("smarthosts"))) {
            text += smarthost_lines(smarthost, terminal, now);
        }
    } else {
        text = line("relay", styled(terminal, Style::bad, "not running"));
    }
    if (const auto queue = status.object("queue")) text += queue_lines(*queue, now);
    return text;
}

}  // namespace relay
