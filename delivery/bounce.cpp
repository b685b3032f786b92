#include "delivery/bounce.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace delivery {
namespace {

std::string report_recipient(const spool::Message& message, const Options& options) {
    switch (options.bounce_to) {
        case BounceTo::sender:
            return message.envelope.reverse_path;
        case BounceTo::address:
            return options.bounce_address;
        case BounceTo::none:
            return "";
    }
    return "";
}

// A report about a report would go round in circles (RFC 5321 section 6.1).
bool about_a_report(const spool::Message& message) {
    return message.envelope.reverse_path.empty() || message.origin.protocol == "report";
}

// RFC 3463: the class follows the action, the detail the smarthost's reply where it gave one.
std::string status_for(const spool::Report::Change& change, smtp::ReportAction action) {
    if (!change.reply.enhanced.empty()) return change.reply.enhanced;
    const bool failed = action == smtp::ReportAction::failed;
    if (failed && !change.reply.permanent()) return "5.4.7";  // delivery time expired
    if (change.reply.code != 0) return fmt::format("{}.0.0", change.reply.code / 100);
    if (action == smtp::ReportAction::delayed) return "4.4.7";
    return "2.0.0";
}

smtp::ReportedRecipient reported(const BounceInput& input, std::size_t index) {
    const auto& changes = input.decision->changes;
    const auto change = std::find_if(changes.begin(), changes.end(),
                                     [&](const auto& c) { return c.recipient == index; });
    smtp::ReportedRecipient recipient;
    recipient.recipient = input.message->recipients[index].recipient;
    recipient.action = input.wish->action;
    recipient.last_attempt = input.now;
    if (change == changes.end()) return recipient;
    recipient.status = status_for(*change, input.wish->action);
    recipient.explanation = change->problem;
    if (change->reply.code != 0) {
        recipient.remote_host = input.remote_host;
        recipient.diagnostic = change->reply.one_line();
    }
    return recipient;
}

}  // namespace

std::optional<spool::NewMessage> make_bounce(const BounceInput& input, const Options& options,
                                             std::unique_ptr<spool::BodyWriter> body) {
    const spool::Message& original = *input.message;
    const std::string to = report_recipient(original, options);
    if (to.empty()) return std::nullopt;
    if (about_a_report(original) && options.bounce_to != BounceTo::address) return std::nullopt;
    // A report to the fixed address that cannot be delivered ends here.
    if (about_a_report(original) && original.envelope.recipients.size() == 1 &&
        original.envelope.recipients.front().address == to) {
        return std::nullopt;
    }

    smtp::ReportInput report;
    report.reporting_host = options.hostname;
    report.to = to;
    report.message_id = fmt::format("<{}@{}>", input.id.text(), options.hostname);
    report.now = input.now;
    report.arrival = original.received;
    report.on_hold = input.decision->state == spool::MessageState::held;
    if (!report.on_hold) report.will_retry_until = original.received + options.retry.max_age;
    report.original = original.envelope;
    report.original_id = original.id.text();
    report.original_header = input.original_header;
    // RFC 3461 section 4.3: RET is about reports of failure.
    if (input.wish->action == smtp::ReportAction::failed) {
        report.original_body = input.original_body;
    }
    for (const std::size_t index : input.wish->recipients)
        report.recipients.push_back(reported(input, index));

    spool::NewMessage message;
    message.id = input.id;
    message.received = input.now;
    message.envelope.reverse_path = options.bounce_from;
    message.envelope.recipients.push_back({to, {}, ""});
    message.envelope.smtputf8 = original.envelope.smtputf8;
    message.origin.client = "local";
    message.origin.protocol = "report";
    message.message_id = report.message_id;
    message.from = fmt::format("postmaster@{}", options.hostname);
    message.subject = "Delivery report for " + original.id.text();
    message.take = false;
    message.body = std::move(body);
    // It is whole in memory already, so waiting for ready() would hold back nothing: with very many
    // recipients it may be under way to the disk beyond the bound for those who bring more.
    static_cast<void>(message.body->write(smtp::make_report(report)));
    return message;
}

}  // namespace delivery
