#include <fmt/format.h>

#include "config/sections.hpp"
#include "config/syntax.hpp"

namespace config {
namespace {

using std::chrono::days;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr base::Duration default_hybrid_budget = seconds{4};

const Choice<int>& mode_choice() {
    static const Choice<int> choice{{{"queue", 0}, {"hybrid", 1}, {"cutthrough", 2}}};
    return choice;
}

const Choice<int>& path_choice() {
    static const Choice<int> choice{{{"smarthost", 0}, {"auto", 1}, {"direct", 2}}};
    return choice;
}

void read_schedule(TableReader& reader, delivery::RetryOptions& retry) {
    reader.optional("retry", retry.steps, ListOf<Span>{{milliseconds{10}, days{30}}});
    if (retry.steps.empty()) {
        reader.fault("retry", "must name at least one wait, such as [\"1m\", \"15m\", \"1h\"]");
    }
    reader.optional("max_age", retry.max_age, Span{seconds{1}, days{365}});
    if (reader.sound("retry") && reader.sound("max_age") && retry.max_age <= retry.steps.front()) {
        reader.fault(
            reader.given("max_age") ? "max_age" : "retry",
            fmt::format("mail would be given up after {} without a single retry (the first comes "
                        "after {})",
                        base::format_duration(retry.max_age),
                        base::format_duration(retry.steps.front())));
    }
    reader.optional("warn_after", retry.warn_after, Span{seconds{1}, days{365}});
    if (reader.given("warn_after") && reader.sound("warn_after") && reader.sound("max_age") &&
        retry.warn_after >= retry.max_age) {
        reader.warn("warn_after",
                    fmt::format("comes no sooner than max_age ({}), when mail is given up: nobody "
                                "will be told that it is late",
                                base::format_duration(retry.max_age)));
    }
}

void read_bounces(TableReader& reader, delivery::Options& options) {
    std::string bounce_to = "sender";
    reader.optional("bounce_to", bounce_to, Text{bounce_to_rule});
    if (bounce_to == "none") {
        options.bounce_to = delivery::BounceTo::none;
        reader.warn("bounce_to", "senders will not hear of mail that could not be delivered");
    } else if (bounce_to != "sender") {
        options.bounce_to = delivery::BounceTo::address;
        options.bounce_address = bounce_to;
    }
    reader.optional("bounce_from", options.bounce_from, Text{bounce_from_rule});
    reader.unavailable("bounce_webhook", Text{},
                       "bounce_to = \"admin@example.com\" has bounces mailed to one place");
}

}  // namespace

void read_delivery(Report& report, const Table& root, Settings& settings) {
    TableReader reader = open_section(report, root, "delivery");
    reader.only("mode", 0, mode_choice(), "\"queue\" is: mail is on disk before it is accepted");
    reader.only("path", 0, path_choice(), "\"smarthost\" is");
    read_schedule(reader, settings.delivery.retry);
    reader.only("hybrid_budget", default_hybrid_budget, Span{milliseconds{1}, days{1}});
    read_bounces(reader, settings.delivery);
    reader.finish();
}

void read_rewrite(Report& report, const Table& root, Settings& settings) {
    TableReader reader = open_section(report, root, "rewrite");
    reader.optional("add_missing_headers", settings.add_missing_headers, Flag{});
    for (const std::string_view key : {"sender", "recipient", "header_from"}) {
        reader.unavailable(key, TextMap{}, "have the application use the final address");
    }
    reader.unavailable("local_recipients_to", Text{address_rule},
                       "have programs send to a full address such as \"admin@example.com\"");
    reader.unavailable("subject_prefix", Text{any_text}, "have the application write it");
    reader.finish();
}

void read_policy(Report& report, const Table& root) {
    TableReader reader = open_section(report, root, "policy");
    constexpr std::string_view sink = "to keep test mail in, point [smarthost] at relay sink";
    reader.unavailable("redirect_all_to", Text{address_rule}, sink);
    for (const std::string_view key : {"allow_recipients", "deny_recipients"}) {
        reader.unavailable(key, ListOf<Text>{}, sink);
    }
    reader.unavailable("allow_senders", ListOf<Text>{},
                       "server.allow_clients and server.auth say who may send");
    reader.finish();
}

}  // namespace config
