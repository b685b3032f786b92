#include "admin/json.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/hidden_characters.hpp"
#include "base/text.hpp"

namespace admin {

namespace json = boost::json;

namespace {

json::value text_json(std::string_view text) { return json::value(valid_utf8(text)); }

json::value text_or_null(std::string_view text) {
    return text.empty() ? json::value(nullptr) : text_json(text);
}

json::value time_json(base::Time time) { return json::value(base::format_iso8601(time)); }

json::value time_or_null(const std::optional<base::Time>& time) {
    return time ? time_json(*time) : json::value(nullptr);
}

json::value verdict_or_null(const std::optional<diagnose::VerdictCode>& code) {
    return code ? text_json(diagnose::verdict_name(*code)) : json::value(nullptr);
}

std::string_view recipient_state_name(spool::RecipientState state) {
    switch (state) {
        case spool::RecipientState::pending:
            return "pending";
        case spool::RecipientState::delivered:
            return "delivered";
        case spool::RecipientState::failed:
            return "failed";
    }
    return "pending";
}

json::object recipient_json(const spool::RecipientRecord& record) {
    json::object object;
    object["address"] = text_json(record.recipient.address);
    object["state"] = text_json(recipient_state_name(record.state));
    object["reply"] = record.last_reply.code == 0 ? json::value(nullptr)
                                                  : text_json(record.last_reply.one_line());
    object["problem"] = text_or_null(record.last_problem);
    return object;
}

bool waits_for_attempt(spool::MessageState state) {
    return state == spool::MessageState::queued || state == spool::MessageState::unknown;
}

std::string_view family_name(net::Family family) {
    switch (family) {
        case net::Family::any:
            return "any";
        case net::Family::ipv4:
            return "ipv4";
        case net::Family::ipv6:
            return "ipv6";
    }
    return "any";
}

json::object evidence_json(const diagnose::PortEvidence& evidence) {
    json::object object;
    object["operator"] = text_json(evidence.operator_name);
    object["host"] = text_json(evidence.host);
    object["address"] = text_or_null(evidence.address);
    object["port"] = evidence.port;
    object["family"] = text_json(family_name(evidence.family));
    object["result"] = text_json(evidence.result);
    object["banner"] = text_or_null(evidence.banner);
    object["ms"] = evidence.took.count();
    return object;
}

json::object smarthost_ports_json(const diagnose::SmarthostPorts& smarthost) {
    json::object ports;
    for (const auto& [port, result] : smarthost.ports) {
        ports[std::to_string(port)] = text_json(result);
    }
    json::object object;
    object["name"] = text_json(smarthost.name);
    object["host"] = text_json(smarthost.host);
    object["ports"] = std::move(ports);
    return object;
}

}  // namespace

std::string valid_utf8(std::string_view text) {
    std::string valid;
    valid.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = base::utf8_length(text);
        if (length == 0) {
            valid += "\xEF\xBF\xBD";
            text.remove_prefix(1);
            continue;
        }
        valid += text.substr(0, length);
        text.remove_prefix(length);
    }
    return valid;
}

std::string json_line(const json::value& value) {
    return base::json_without_hidden_characters(valid_utf8(json::serialize(value))) + "\n";
}

json::object message_json(const spool::Message& message) {
    json::array recipients;
    for (const auto& record : message.recipients) recipients.push_back(recipient_json(record));
    json::object object;
    object["id"] = message.id.text();
    object["state"] = text_json(spool::state_name(message.state));
    object["received"] = time_json(message.received);
    object["due"] =
        waits_for_attempt(message.state) ? time_json(message.due) : json::value(nullptr);
    object["finished"] = time_or_null(message.finished);
    object["from"] = text_json(message.envelope.reverse_path);
    object["recipients"] = std::move(recipients);
    object["subject"] = text_json(message.subject);
    object["header_from"] = text_json(message.from);
    object["message_id"] = text_json(message.message_id);
    object["size"] = message.size;
    object["attempts"] = message.attempts;
    return object;
}

json::object attempt_json(const spool::Attempt& attempt) {
    json::object object;
    object["at"] = time_json(attempt.at);
    object["smarthost"] = text_json(attempt.smarthost);
    object["remote"] = text_or_null(attempt.remote);
    object["tls"] = text_or_null(attempt.tls);
    object["stage"] = text_json(smtp::stage_name(attempt.stage));
    object["outcome"] = text_json(attempt.outcome);
    object["reply"] = text_or_null(attempt.reply);
    object["problem"] = text_or_null(attempt.problem);
    object["ms"] = attempt.took.count();
    return object;
}

json::object summary_json(const spool::Summary& summary) {
    json::object object = message_json(summary.message);
    object["last_attempt"] = summary.last_attempt ? json::value(attempt_json(*summary.last_attempt))
                                                  : json::value(nullptr);
    return object;
}

json::object details_json(const spool::Details& details) {
    const spool::Message& message = details.message;
    json::object object = message_json(message);
    json::object origin;
    origin["client"] = text_json(message.origin.client);
    origin["client_name"] = text_json(message.origin.client_name);
    origin["user"] = text_or_null(message.origin.user);
    origin["protocol"] = text_json(message.origin.protocol);
    object["origin"] = std::move(origin);
    object["body"] = text_json(smtp::body_name(message.envelope.body));
    object["smtputf8"] = message.envelope.smtputf8;
    object["envid"] = text_or_null(message.envelope.envid);
    object["warned"] = message.warned;
    object["wedged"] = message.wedged;
    object["under_way"] = details.under_way;
    object["asked"] = text_or_null(details.removal_asked ? "delete"
                                   : details.hold_asked  ? "hold"
                                                         : "");
    json::array history;
    for (const auto& attempt : details.attempts) history.push_back(attempt_json(attempt));
    object["history"] = std::move(history);
    return object;
}

json::object stats_json(const spool::Stats& stats) {
    json::object object;
    object["queued"] = stats.queued;
    object["held"] = stats.held;
    object["unknown"] = stats.unknown;
    object["delivered"] = stats.delivered;
    object["failed"] = stats.failed;
    object["bytes"] = stats.bytes;
    object["oldest"] = time_or_null(stats.oldest);
    object["free_bytes"] = stats.free_bytes;
    object["commits"] = stats.commits;
    object["synced_messages"] = stats.synced_messages;
    return object;
}

json::object listener_json(const ListenerStatus& listener) {
    json::array addresses;
    for (const auto& address : listener.addresses) addresses.push_back(text_json(address));
    json::array tls_addresses;
    for (const auto& address : listener.tls_addresses) tls_addresses.push_back(text_json(address));
    json::object object;
    object["addresses"] = std::move(addresses);
    object["tls_addresses"] = std::move(tls_addresses);
    object["connections"] = listener.connections;
    object["connections_total"] = listener.connections_total;
    object["connections_refused"] = listener.connections_refused;
    object["messages_accepted"] = listener.messages_accepted;
    object["messages_refused"] = listener.messages_refused;
    object["bytes_accepted"] = listener.bytes_accepted;
    return object;
}

json::object verdict_json(const diagnose::StartupVerdict& verdict) {
    json::array smarthosts;
    for (const auto& smarthost : verdict.smarthosts) {
        smarthosts.push_back(smarthost_ports_json(smarthost));
    }
    json::array evidence;
    for (const auto& item : verdict.evidence) evidence.push_back(evidence_json(item));
    json::object object;
    object["code"] = text_json(diagnose::verdict_name(verdict.code));
    object["summary"] = text_json(verdict.summary);
    object["ipv4"] = verdict_or_null(verdict.ipv4);
    object["ipv6"] = verdict_or_null(verdict.ipv6);
    object["smarthosts"] = std::move(smarthosts);
    object["evidence"] = std::move(evidence);
    object["at"] = time_json(verdict.at);
    object["ms"] = verdict.took.count();
    return object;
}

json::object smarthost_json(const delivery::SmarthostStatus& smarthost) {
    json::object object;
    object["name"] = text_json(smarthost.name);
    object["host"] = text_json(smarthost.host);
    object["port"] = smarthost.port;
    object["health"] = text_json(delivery::health_name(smarthost.health));
    object["problem"] = text_or_null(smarthost.problem);
    object["advice"] = text_or_null(smarthost.advice);
    object["since"] = time_or_null(smarthost.since);
    object["next_attempt"] = time_or_null(smarthost.next_attempt);
    object["tls"] = text_or_null(smarthost.tls);
    object["auth"] = text_or_null(smarthost.auth);
    object["connections"] = smarthost.connections;
    object["delivered"] = smarthost.delivered;
    object["deferred"] = smarthost.deferred;
    object["failed"] = smarthost.failed;
    object["unknown"] = smarthost.unknown;
    object["sessions"] = smarthost.sessions;
    object["resumed_sessions"] = smarthost.resumed_sessions;
    return object;
}

}  // namespace admin
