#include "smtp/report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "smtp/encoded_word.hpp"
#include "smtp/header_downgrade.hpp"
#include "smtp/report_text.hpp"
#include "smtp/transfer_encoding.hpp"
#include "smtp/xtext.hpp"

namespace smtp {
namespace {

std::string_view action_name(ReportAction action) {
    switch (action) {
        case ReportAction::failed:
            return "failed";
        case ReportAction::delayed:
            return "delayed";
        case ReportAction::relayed:
            return "relayed";
    }
    return "failed";
}

// RFC 3463: the class must fit the action, whatever a server said.
std::string status_of(const ReportedRecipient& recipient) {
    const bool failed = recipient.action == ReportAction::failed;
    const bool delayed = recipient.action == ReportAction::delayed;
    const char wanted = failed ? '5' : delayed ? '4' : '2';
    const std::string_view status = recipient.status;
    // A message that expired fails with the 4.x.y of its last attempt (RFC 3464 section 2.3.4).
    const bool fits = status.starts_with(wanted) || (failed && status.starts_with('4'));
    return fits ? one_safe_line(status) : fmt::format("{}.0.0", wanted);
}

std::string ascii_line(std::string_view text) { return one_safe_line(ascii_only(text)); }

class ReportWriter {
 public:
    explicit ReportWriter(const ReportInput& input) : input_(input) {
        international_ = std::ranges::any_of(input.recipients, [](const ReportedRecipient& r) {
            return !base::is_ascii(r.recipient.address);
        });
    }

    std::string write() {
        const std::string text = report_text(input_);
        const std::string status = delivery_status();
        const std::string original = returned_part();
        const std::string boundary = choose_boundary({text, status, original});
        write_header(boundary);
        const std::string open = fmt::format("--{}\r\n", boundary);
        out_ += open + text_part(text) + "\r\n" + open + status + "\r\n" + open + original;
        out_ += fmt::format("\r\n--{}--\r\n", boundary);
        return std::move(out_);
    }

 private:
    void field(std::string& out, std::string_view name, std::string_view value) {
        out += fold_field(name, fmt::format(" {}", value));
    }
    std::string choose_boundary(std::initializer_list<std::string_view> parts) const;
    void write_header(const std::string& boundary);
    std::string text_part(std::string_view text);
    std::string delivery_status();
    void recipient_status(std::string& out, const ReportedRecipient& recipient);
    std::string returned_part();
    // In message/global-delivery-status text is UTF-8 (RFC 6533 section 4).
    [[nodiscard]] std::string status_line(std::string_view text) const {
        return international_ && base::is_valid_utf8(text) ? one_safe_line(text) : ascii_line(text);
    }

    const ReportInput& input_;
    bool international_ = false;
    std::string out_;
};

std::string ReportWriter::choose_boundary(std::initializer_list<std::string_view> parts) const {
    for (unsigned number = 0;; ++number) {
        // "=_" occurs neither in quoted-printable nor in base64 (RFC 2045 section 6.7).
        std::string boundary =
            fmt::format("=_report_{}_{}", input_.now.time_since_epoch().count(), number);
        const bool taken = std::ranges::any_of(parts, [&](std::string_view part) {
            return part.find(boundary) != std::string_view::npos;
        });
        if (!taken) return boundary;
    }
}

void ReportWriter::write_header(const std::string& boundary) {
    const ReportAction action =
        input_.recipients.empty() ? ReportAction::failed : input_.recipients.front().action;
    field(out_, "Date", base::format_rfc5322(input_.now));
    field(
        out_, "From",
        fmt::format("Mail Delivery System <postmaster@{}>", one_safe_line(input_.reporting_host)));
    field(out_, "To", fmt::format("<{}>", one_safe_line(input_.to)));
    field(out_, "Subject", encode_unstructured(report_subject(input_, action)));
    if (!input_.message_id.empty()) field(out_, "Message-ID", one_safe_line(input_.message_id));
    // RFC 3834 section 5: keeps vacation programs and other reporters quiet.
    field(out_, "Auto-Submitted", "auto-replied");
    field(out_, "MIME-Version", "1.0");
    field(out_, "Content-Type",
          fmt::format("multipart/report; report-type={}; boundary=\"{}\"",
                      international_ ? "global-delivery-status" : "delivery-status", boundary));
    out_ += "\r\nThis is a delivery report in MIME format.\r\n\r\n";
}

std::string ReportWriter::text_part(std::string_view text) {
    std::string out;
    const bool ascii = base::is_ascii(text);
    field(out, "Content-Type", fmt::format("text/plain; charset={}", ascii ? "us-ascii" : "utf-8"));
    if (!ascii) field(out, "Content-Transfer-Encoding", "quoted-printable");
    out += "\r\n";
    out += ascii ? std::string{text} : quoted_printable(text);
    return out;
}

// RFC 3464 section 2: fields of the message, then a group for each recipient.
std::string ReportWriter::delivery_status() {
    std::string out;
    field(out, "Content-Type",
          international_ ? "message/global-delivery-status" : "message/delivery-status");
    if (international_) field(out, "Content-Transfer-Encoding", "8bit");
    out += "\r\n";
    field(out, "Reporting-MTA", fmt::format("dns; {}", status_line(input_.reporting_host)));
    if (const auto envid = xtext_decode(input_.original.envid); envid && !envid->empty()) {
        field(out, "Original-Envelope-Id", status_line(*envid));
    }
    if (input_.arrival != base::Time{}) {
        field(out, "Arrival-Date", base::format_rfc5322(input_.arrival));
    }
    for (const ReportedRecipient& recipient : input_.recipients) recipient_status(out, recipient);
    return out;
}

void ReportWriter::recipient_status(std::string& out, const ReportedRecipient& recipient) {
    out += "\r\n";
    // "rfc822;bob+40x.example": the address type is not encoded, and has no xtext in it.
    const auto orcpt = xtext_decode(recipient.recipient.orcpt);
    if (orcpt && orcpt->find(';') != std::string::npos) {
        field(out, "Original-Recipient", status_line(*orcpt));
    }
    const std::string& address = recipient.recipient.address;
    field(
        out, "Final-Recipient",
        fmt::format("{}; {}", base::is_ascii(address) ? "rfc822" : "utf-8", status_line(address)));
    field(out, "Action", action_name(recipient.action));
    field(out, "Status", status_of(recipient));
    if (!recipient.remote_host.empty()) {
        field(out, "Remote-MTA", fmt::format("dns; {}", status_line(recipient.remote_host)));
    }
    if (!recipient.diagnostic.empty()) {
        field(out, "Diagnostic-Code", fmt::format("smtp; {}", status_line(recipient.diagnostic)));
    }
    if (recipient.last_attempt != base::Time{}) {
        field(out, "Last-Attempt-Date", base::format_rfc5322(recipient.last_attempt));
    }
    if (recipient.action == ReportAction::delayed && input_.will_retry_until != base::Time{}) {
        field(out, "Will-Retry-Until", base::format_rfc5322(input_.will_retry_until));
    }
}

// RFC 3462 section 2: the whole message when it was asked for (RET=FULL), else its header.
std::string ReportWriter::returned_part() {
    const bool full = !input_.original_body.empty();
    const bool ascii_header = base::is_ascii(input_.original_header);
    const bool ascii = ascii_header && base::is_ascii(input_.original_body);
    // message/rfc822 promises a header in ASCII, message/global does not (RFC 6532 section 3.7).
    const bool global = !ascii_header && base::is_valid_utf8(input_.original_header);
    std::string out;
    if (!full) {
        field(out, "Content-Type", global ? "message/global-headers" : "text/rfc822-headers");
        if (!ascii) field(out, "Content-Transfer-Encoding", "quoted-printable");
        out += "\r\n";
        out += ascii ? input_.original_header : quoted_printable(input_.original_header);
        return out;
    }
    field(out, "Content-Type", global ? "message/global" : "message/rfc822");
    if (!ascii) field(out, "Content-Transfer-Encoding", "8bit");
    out += "\r\n";
    out += input_.original_header;
    // The header section may have been kept with or without the empty line that ends it.
    if (!input_.original_header.ends_with("\r\n\r\n")) out += "\r\n";
    out += input_.original_body;
    return out;
}

}  // namespace

std::string make_report(const ReportInput& input) { return ReportWriter{input}.write(); }

}  // namespace smtp
