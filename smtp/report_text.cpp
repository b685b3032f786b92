#include "smtp/report_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "smtp/mime_entity.hpp"

namespace smtp {
namespace {

constexpr std::size_t text_width = 72;
constexpr std::string_view recipient_indent = "    ";
constexpr std::string_view detail_indent = "        ";

// Fills lines up to the width, each with the indent.
void append_wrapped(std::string& out, std::string_view indent, std::string_view text) {
    std::size_t column = 0;
    for (const std::string_view word : base::split(text, ' ')) {
        if (word.empty()) continue;
        if (column > 0 && column + 1 + word.size() > text_width) {
            out += "\r\n";
            column = 0;
        }
        const std::string_view lead = column == 0 ? indent : " ";
        out += lead;
        out += word;
        column += lead.size() + word.size();
    }
    out += "\r\n";
}

void append_paragraph(std::string& out, std::string_view text) {
    append_wrapped(out, "", text);
    out += "\r\n";
}

std::string opening(const ReportInput& input, ReportAction action) {
    const bool one = input.recipients.size() == 1;
    const std::string_view whom = one ? "this recipient" : "these recipients";
    switch (action) {
        case ReportAction::failed:
            return fmt::format(
                "Your message could not be delivered to {}. It will not be tried again: unless you "
                "send it once more, {} will not get it.",
                whom, one ? "this recipient" : "they");
        case ReportAction::delayed:
            if (input.on_hold) {
                return fmt::format(
                    "Your message may not have reached {}: the last attempts to deliver it came to "
                    "no answer. It is kept, and waits until the operator of {} has looked at it.",
                    whom, one_safe_line(input.reporting_host));
            }
            return fmt::format(
                "Your message has not yet been delivered to {}. You need not do anything and need "
                "not send it again: it is kept and tried again{}.",
                whom,
                input.will_retry_until == base::Time{}
                    ? ""
                    : fmt::format(" until {}", base::format_rfc5322(input.will_retry_until)));
        case ReportAction::relayed:
            return fmt::format(
                "Your message for {} was handed to a server that does not report back. You will "
                "get no further confirmation.",
                whom);
    }
    return {};
}

void append_recipient(std::string& out, const ReportedRecipient& recipient) {
    out += fmt::format("{}<{}>\r\n", recipient_indent, one_safe_line(recipient.recipient.address));
    if (!recipient.explanation.empty()) {
        append_wrapped(out, detail_indent, one_safe_line(recipient.explanation));
    }
    if (!recipient.diagnostic.empty()) {
        const std::string who =
            recipient.remote_host.empty() ? "The server" : one_safe_line(recipient.remote_host);
        append_wrapped(out, detail_indent,
                       fmt::format("{} said: {}", who, one_safe_line(recipient.diagnostic)));
    }
    out += "\r\n";
}

// So that the reader knows which message is meant. Encoded words would be riddles here.
void append_message_facts(std::string& out, const ReportInput& input) {
    const MimeEntity original = split_entity(input.original_header);
    out += "The message:\r\n\r\n";
    for (const std::string_view name : {"Subject", "Date", "To", "Message-ID"}) {
        const HeaderField* field = find_field(original, name);
        if (field == nullptr) continue;
        const std::string value{base::trim(unfold(field->value))};
        if (value.find("=?") != std::string::npos || !base::is_valid_utf8(value)) continue;
        out += fmt::format("{}{}: {}\r\n", recipient_indent, name, one_safe_line(value, 500));
    }
    if (input.arrival != base::Time{}) {
        out += fmt::format("{}Accepted: {}\r\n", recipient_indent,
                           base::format_rfc5322(input.arrival));
    }
    if (!input.original_id.empty()) {
        out += fmt::format("{}Id in the log of {}: {}\r\n", recipient_indent,
                           one_safe_line(input.reporting_host), one_safe_line(input.original_id));
    }
}

}  // namespace

std::string one_safe_line(std::string_view text, std::size_t limit) {
    std::string line{text};
    for (char& c : line) {
        if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
    }
    return base::printable(line, limit);
}

std::string report_subject(const ReportInput& input, ReportAction action) {
    switch (action) {
        case ReportAction::failed:
            return "Undelivered mail: your message was not delivered";
        case ReportAction::delayed:
            return input.on_hold ? "Delayed mail: your message waits for the operator"
                                 : "Delayed mail: your message is still being tried";
        case ReportAction::relayed:
            return "Relayed mail: your message was passed on";
    }
    return {};
}

std::string report_text(const ReportInput& input) {
    const ReportAction action =
        input.recipients.empty() ? ReportAction::failed : input.recipients.front().action;
    std::string out;
    append_paragraph(
        out, fmt::format("This is the mail relay at {}.", one_safe_line(input.reporting_host)));
    append_paragraph(out, opening(input, action));
    for (const ReportedRecipient& recipient : input.recipients) append_recipient(out, recipient);
    append_message_facts(out, input);
    if (action == ReportAction::failed) {
        out += "\r\n";
        append_wrapped(out, "",
                       "If you cannot tell from this what to do, forward this whole report to the "
                       "people who run your mail.");
    }
    return out;
}

}  // namespace smtp
