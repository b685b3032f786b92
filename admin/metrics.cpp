#include "admin/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "admin/json.hpp"

namespace admin {

namespace {

using Label = prometheus::ClientMetric::Label;

// Collects families from values that others count; a registry would keep counters of its own.
class Families {
 public:
    // Later samples go to the family opened last.
    void open(const char* name, const char* help, prometheus::MetricType type) {
        prometheus::MetricFamily family;
        family.name = name;
        family.help = help;
        family.type = type;
        families_.push_back(std::move(family));
    }
    void gauge(const char* name, const char* help) {
        open(name, help, prometheus::MetricType::Gauge);
    }
    void counter(const char* name, const char* help) {
        open(name, help, prometheus::MetricType::Counter);
    }

    void sample(double value,
                std::initializer_list<std::pair<const char*, std::string>> labels = {}) {
        prometheus::ClientMetric metric;
        metric.gauge.value = value;
        metric.counter.value = value;
        for (const auto& [name, text] : labels)
            metric.label.push_back(Label{name, valid_utf8(text)});
        families_.back().metric.push_back(std::move(metric));
    }

    // A family of one sample without labels.
    void single_gauge(const char* name, const char* help, double value) {
        gauge(name, help);
        sample(value);
    }
    void single_counter(const char* name, const char* help, std::uint64_t value) {
        counter(name, help);
        sample(static_cast<double>(value));
    }

    [[nodiscard]] std::string text() const {
        return prometheus::TextSerializer{}.Serialize(families_);
    }

 private:
    std::vector<prometheus::MetricFamily> families_;
};

double seconds(base::Duration duration) { return std::chrono::duration<double>(duration).count(); }

// The clock may have been set back since.
base::Duration age(base::Time since, base::Time now) {
    return std::max(now - since, base::Duration::zero());
}

void add_queue(Families& families, const spool::Stats& queue, base::Time now) {
    families.gauge("relay_queue_messages", "Messages that wait, by state.");
    families.sample(static_cast<double>(queue.queued), {{"state", "queued"}});
    families.sample(static_cast<double>(queue.held), {{"state", "held"}});
    families.sample(static_cast<double>(queue.unknown), {{"state", "unknown"}});
    families.gauge("relay_finished_messages", "Finished messages still listed, by state.");
    families.sample(static_cast<double>(queue.delivered), {{"state", "delivered"}});
    families.sample(static_cast<double>(queue.failed), {{"state", "failed"}});
    families.single_gauge("relay_queue_bytes", "Bytes of message content in the spool.",
                          static_cast<double>(queue.bytes));
    families.single_gauge("relay_queue_oldest_age_seconds",
                          "Age of the oldest message that waits, 0 when none does.",
                          queue.oldest ? seconds(age(*queue.oldest, now)) : 0.0);
    families.single_gauge("relay_spool_free_bytes", "Free space on the spool's file system.",
                          static_cast<double>(queue.free_bytes));
    families.single_counter("relay_spool_commits_total", "Transactions synced to disk.",
                            queue.commits);
    families.single_counter("relay_spool_synced_messages_total",
                            "Messages made durable by these transactions.", queue.synced_messages);
}

void add_listener(Families& families, const ListenerStatus& listener) {
    families.single_gauge("relay_connections", "Connections of applications open now.",
                          static_cast<double>(listener.connections));
    families.single_counter("relay_connections_total", "Connections of applications.",
                            listener.connections_total);
    families.single_counter("relay_connections_refused_total",
                            "Connections refused by a limit or by allow_clients.",
                            listener.connections_refused);
    families.single_counter("relay_messages_accepted_total", "Messages accepted.",
                            listener.messages_accepted);
    families.single_counter("relay_messages_refused_total", "Messages refused.",
                            listener.messages_refused);
    families.single_counter("relay_accepted_bytes_total", "Bytes of the messages accepted.",
                            listener.bytes_accepted);
}

void add_smarthost_outcomes(Families& families, const delivery::Status& status) {
    families.counter("relay_deliveries_total", "Recipients tried, by smarthost and outcome.");
    for (const auto& smarthost : status.smarthosts) {
        const std::pair<const char*, std::uint64_t> outcomes[] = {
            {"delivered", smarthost.delivered},
            {"deferred", smarthost.deferred},
            {"failed", smarthost.failed},
            {"unknown", smarthost.unknown}};
        for (const auto& [outcome, count] : outcomes) {
            families.sample(static_cast<double>(count),
                            {{"smarthost", smarthost.name}, {"outcome", outcome}});
        }
    }
}

template <class Value>
void add_per_smarthost(Families& families, const delivery::Status& status, Value value) {
    for (const auto& smarthost : status.smarthosts) {
        families.sample(static_cast<double>(value(smarthost)), {{"smarthost", smarthost.name}});
    }
}

void add_delivery(Families& families, const delivery::Status& status) {
    using Smarthost = delivery::SmarthostStatus;
    families.single_gauge("relay_deliveries_active", "Messages being delivered now.",
                          status.active);
    add_smarthost_outcomes(families, status);
    families.gauge("relay_smarthost_up",
                   "1 when the last session with the smarthost was good; none before the first.");
    for (const Smarthost& smarthost : status.smarthosts) {
        if (smarthost.health == delivery::Health::untried) continue;
        families.sample(smarthost.health == delivery::Health::ok ? 1 : 0,
                        {{"smarthost", smarthost.name}});
    }
    families.gauge("relay_smarthost_paused", "1 while sign-in is refused and relay waits.");
    add_per_smarthost(families, status,
                      [](const Smarthost& s) { return s.health == delivery::Health::paused; });
    families.gauge("relay_smarthost_connections", "Connections to the smarthost open now.");
    add_per_smarthost(families, status, [](const Smarthost& s) { return s.connections; });
    families.counter("relay_smarthost_sessions_total", "Sessions with the smarthost.");
    add_per_smarthost(families, status, [](const Smarthost& s) { return s.sessions; });
    families.counter("relay_smarthost_resumed_sessions_total",
                     "Sessions that resumed an earlier TLS session.");
    add_per_smarthost(families, status, [](const Smarthost& s) { return s.resumed_sessions; });
}

}  // namespace

Snapshot take_snapshot(const Services& services, const spool::Stats& queue) {
    Snapshot snapshot;
    snapshot.queue = queue;
    if (services.listener) snapshot.listener = services.listener();
    if (services.delivery) snapshot.delivery = services.delivery();
    if (services.verdict) snapshot.verdict = services.verdict();
    return snapshot;
}

std::string metrics_text(const Services& services, const Snapshot& snapshot, base::Time now) {
    Families families;
    families.gauge("relay_build_info", "Which relay this is; always 1.");
    families.sample(1, {{"version", services.version}});
    families.single_gauge("relay_start_time_seconds", "When this relay started, since the epoch.",
                          seconds(services.started.time_since_epoch()));
    add_queue(families, snapshot.queue, now);
    if (snapshot.listener) add_listener(families, *snapshot.listener);
    if (snapshot.delivery) add_delivery(families, *snapshot.delivery);
    if (snapshot.verdict) {
        families.gauge("relay_port25_verdict_info",
                       "What outbound port 25 does on this network; always 1.");
        families.sample(1, {{"code", std::string(diagnose::verdict_name(snapshot.verdict->code))}});
    }
    return families.text();
}

}  // namespace admin
