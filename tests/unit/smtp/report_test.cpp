#include "smtp/report.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <regex>

#include <unistd.h>

#include "base/hidden_characters.hpp"
#include "base/text.hpp"
#include "smtp/mime_entity.hpp"
#include "smtp/report_text.hpp"
#include "tests/support/catch.hpp"

using smtp::MimeEntity;
using smtp::ReportAction;
using smtp::ReportInput;

namespace {

ReportInput example(ReportAction action = ReportAction::failed) {
    ReportInput input;
    input.reporting_host = "relay.example";
    input.to = "alice@x.example";
    input.message_id = "<r1@relay.example>";
    input.now = base::Time{std::chrono::hours{24 * 365 * 50}};
    input.arrival = input.now - std::chrono::hours{1};
    input.original.envid = "QQ+2B1";
    input.original_id = "0h3k00000000";
    input.original_header =
        "From: alice@x.example\r\nSubject: Lunch\r\nMessage-ID: <m1@x.example>\r\n\r\n";
    smtp::ReportedRecipient recipient;
    recipient.recipient = {"bob@y.example", {}, "rfc822;bob+2Bsales@y.example"};
    recipient.action = action;
    recipient.status = action == ReportAction::delayed ? "4.2.0" : "5.1.1";
    recipient.remote_host = "smtp.provider.example";
    recipient.diagnostic = "550 5.1.1 No such user";
    recipient.explanation = "The address does not exist at the provider.";
    recipient.last_attempt = input.now;
    input.recipients.push_back(recipient);
    return input;
}

struct Report {
    explicit Report(std::string wire) : text(std::move(wire)) {
        top = smtp::split_entity(text);
        const std::string value = field(top, "Content-Type");
        const auto type = smtp::split_parameters(value);
        REQUIRE(type.value == "multipart/report");
        const auto boundary =
            std::ranges::find(type.parameters, "boundary", [](const auto& p) { return p.first; });
        split_body(boundary->second);
        REQUIRE(parts.size() == 3);
    }
    void split_body(std::string_view boundary) {
        smtp::Delimiter last = smtp::Delimiter::none;
        std::size_t begin = 0;  // of the part in hand
        for (std::size_t at = 0; last != smtp::Delimiter::close;) {
            const std::size_t end = top.body.find('\n', at) + 1;
            REQUIRE(end > 0);  // the closing delimiter comes
            const smtp::Delimiter kind =
                smtp::delimiter_kind(top.body.substr(at, end - at), boundary);
            if (kind != smtp::Delimiter::none) {
                if (last == smtp::Delimiter::part) {
                    parts.push_back(smtp::split_entity(top.body.substr(begin, at - begin)));
                }
                begin = end;
                last = kind;
            }
            at = end;
        }
    }
    static std::string field(const MimeEntity& entity, std::string_view name) {
        const smtp::HeaderField* found = smtp::find_field(entity, name);
        return found == nullptr ? "" : std::string{base::trim(smtp::unfold(found->value))};
    }
    // The group of fields with this number inside message/delivery-status.
    [[nodiscard]] MimeEntity group(std::size_t number) const {
        MimeEntity entity = smtp::split_entity(parts[1].body);
        while (number-- > 0) entity = smtp::split_entity(entity.body);
        return entity;
    }

    std::string text;
    MimeEntity top;
    std::vector<MimeEntity> parts;
};

}  // namespace

TEST_CASE("a report has the parts and fields of RFC 3462 and RFC 3464", "[smtp]") {
    const Report report{smtp::make_report(example())};
    REQUIRE(report.field(report.top, "From") == "Mail Delivery System <postmaster@relay.example>");
    REQUIRE(report.field(report.top, "To") == "<alice@x.example>");
    REQUIRE(report.field(report.top, "Auto-Submitted") == "auto-replied");
    REQUIRE(report.field(report.top, "MIME-Version") == "1.0");
    REQUIRE(report.field(report.top, "Message-ID") == "<r1@relay.example>");
    REQUIRE(report.field(report.top, "Content-Type").find("report-type=delivery-status") !=
            std::string::npos);
    REQUIRE(base::is_ascii(report.text));

    REQUIRE(report.field(report.parts[1], "Content-Type") == "message/delivery-status");
    const MimeEntity message = report.group(0), recipient = report.group(1);
    REQUIRE(report.field(message, "Reporting-MTA") == "dns; relay.example");
    REQUIRE(report.field(message, "Original-Envelope-Id") == "QQ+1");
    REQUIRE_FALSE(report.field(message, "Arrival-Date").empty());
    REQUIRE(report.field(recipient, "Original-Recipient") == "rfc822;bob+sales@y.example");
    REQUIRE(report.field(recipient, "Final-Recipient") == "rfc822; bob@y.example");
    REQUIRE(report.field(recipient, "Action") == "failed");
    REQUIRE(report.field(recipient, "Status") == "5.1.1");
    REQUIRE(report.field(recipient, "Remote-MTA") == "dns; smtp.provider.example");
    REQUIRE(report.field(recipient, "Diagnostic-Code") == "smtp; 550 5.1.1 No such user");
    REQUIRE_FALSE(report.field(recipient, "Last-Attempt-Date").empty());

    REQUIRE(report.field(report.parts[2], "Content-Type") == "text/rfc822-headers");
    REQUIRE(report.parts[2].body.find("Subject: Lunch") != std::string::npos);
}

TEST_CASE("the text tells a person what happened", "[smtp]") {
    struct Case {
        ReportAction action;
        std::string_view action_field, status, says;
    };
    const Case c = GENERATE(values<Case>({
        {ReportAction::failed, "failed", "5.1.1", "could not be delivered"},
        {ReportAction::delayed, "delayed", "4.2.0", "You need not do anything"},
        {ReportAction::relayed, "relayed", "2.0.0", "does not report back"},
    }));
    ReportInput input = example(c.action);
    input.will_retry_until = input.now + std::chrono::hours{96};
    const Report report{smtp::make_report(input)};
    std::string text{report.parts[0].body};
    std::erase(text, '\r');
    std::ranges::replace(text, '\n', ' ');
    REQUIRE(text.find(c.says) != std::string::npos);
    REQUIRE(text.find("<bob@y.example>") != std::string::npos);
    REQUIRE(text.find("Subject: Lunch") != std::string::npos);
    REQUIRE(text.find("550 5.1.1 No such user") != std::string::npos);
    REQUIRE(report.field(report.group(1), "Action") == c.action_field);
    REQUIRE(report.field(report.group(1), "Status") == c.status);
    REQUIRE(report.field(report.group(1), "Will-Retry-Until").empty() ==
            (c.action != ReportAction::delayed));
}

TEST_CASE("several recipients have a group each", "[smtp]") {
    ReportInput input = example();
    input.recipients.push_back(input.recipients.front());
    input.recipients[1].recipient = {"carol@y.example", {}, ""};
    input.recipients[1].status = "4.4.1";  // given up after the last temporary failure
    input.recipients[1].remote_host = input.recipients[1].diagnostic = "";
    const Report report{smtp::make_report(input)};
    REQUIRE(report.field(report.group(2), "Final-Recipient") == "rfc822; carol@y.example");
    REQUIRE(report.field(report.group(2), "Original-Recipient").empty());
    REQUIRE(report.field(report.group(2), "Status") == "4.4.1");
    REQUIRE(report.field(report.group(2), "Diagnostic-Code").empty());
}

TEST_CASE("the whole message is returned when it is given", "[smtp]") {
    ReportInput input = example();
    input.original_body = "Shall we?\r\n";
    const bool separated = GENERATE(true, false);
    if (!separated) input.original_header.resize(input.original_header.size() - 2);
    const Report report{smtp::make_report(input)};
    REQUIRE(report.field(report.parts[2], "Content-Type") == "message/rfc822");
    const MimeEntity original = smtp::split_entity(report.parts[2].body);
    REQUIRE(report.field(original, "Subject") == "Lunch");
    REQUIRE(original.body == "Shall we?\r\n\r\n");
}

TEST_CASE("an international message gets the types of RFC 6533", "[smtp]") {
    ReportInput input = example();
    input.original.smtputf8 = true;
    input.recipients[0].recipient.address = "b\xc3\xbc@y.example";
    input.original_header = "Subject: \xc3\xa4\r\n\r\n";
    const Report report{smtp::make_report(input)};
    REQUIRE(report.field(report.top, "Content-Type").find("global-delivery-status") !=
            std::string::npos);
    REQUIRE(report.field(report.parts[1], "Content-Type") == "message/global-delivery-status");
    REQUIRE(report.field(report.group(1), "Final-Recipient") == "utf-8; b\xc3\xbc@y.example");
    REQUIRE(report.field(report.parts[2], "Content-Type") == "message/global-headers");
    REQUIRE(report.parts[2].body.find("=C3=A4") != std::string::npos);
}

TEST_CASE("a report of a message in Latin-1 stays in ASCII", "[smtp]") {
    ReportInput input = example();
    input.original_header = "Subject: \xe4\r\n\r\n";
    input.recipients[0].diagnostic = "550 \xe4";
    input.recipients[0].explanation = "";
    const Report report{smtp::make_report(input)};
    REQUIRE(base::is_ascii(report.text));
    REQUIRE(report.field(report.parts[2], "Content-Type") == "text/rfc822-headers");
    REQUIRE(report.field(report.group(1), "Diagnostic-Code") == "smtp; 550 ?");
}

TEST_CASE("nothing a server or sender says becomes a field or a part", "[smtp]") {
    ReportInput input = example();
    input.recipients[0].diagnostic = "550 x\r\nBcc: all@x\r\n\r\n--=_report_1_0";
    input.recipients[0].explanation = "a\r\nSubject: b";
    input.recipients[0].remote_host = "h\r\nX: y";
    input.to = "a@x\r\nBcc: b@x";
    input.original.envid = "a\r\nX: y";
    input.original_header = "Subject: a\r\n\r\n--=_report_1576800000000_0--\r\n";
    const Report report{smtp::make_report(input)};  // has three parts still
    REQUIRE(report.field(report.top, "Bcc").empty());
    REQUIRE(report.field(report.group(0), "X").empty());
    REQUIRE(report.field(report.group(1), "Bcc").empty());
    REQUIRE(report.field(report.group(1), "X").empty());
}

// A mark that turns the direction of text can make an address look like another.
TEST_CASE("the text has no hidden characters, whoever sent them", "[smtp]") {
    const std::string mark = GENERATE(as<std::string>{}, "\xe2\x80\xae", "\xe2\x80\xa8", "\xc2\x9b",
                                      "\xe2\x80\x8b", "\xf3\xa0\x81\x81", "\x1b[31m", "\xff");
    const std::string forged = "a" + mark + "b";
    ReportInput input = example();
    input.recipients[0].recipient.address = forged + "@y.example";
    input.recipients[0].diagnostic = "550 5.1.1 " + forged;
    input.recipients[0].explanation = forged;
    input.recipients[0].remote_host = forged;
    input.original_id = forged;
    input.original_header = "Subject: " + forged + "\r\nTo: " + forged + "\r\n\r\n";
    const std::string text = smtp::report_text(input);
    CAPTURE(text);
    CHECK(text.find(mark) == std::string::npos);
    CHECK(base::is_valid_utf8(text));
    CHECK_FALSE(base::has_hidden_characters(std::regex_replace(text, std::regex{"\r\n"}, "")));
}

TEST_CASE("a long subject is cut, at the end of a character", "[smtp]") {
    ReportInput input = example();
    input.original_header = "Subject: x";
    for (int i = 0; i < 400; ++i) input.original_header += "\xc3\xa4";
    input.original_header += "\r\n\r\n";
    const std::string text = smtp::report_text(input);
    CHECK(base::is_valid_utf8(text));
    CHECK(text.find("\xc3\xa4...\r\n") != std::string::npos);
}

TEST_CASE("lines stay within RFC 5322's limits", "[smtp]") {
    ReportInput input = example();
    std::string words;
    for (int i = 0; i < 400; ++i) words += "reason ";
    input.recipients[0].diagnostic = "550 " + words;
    input.recipients[0].explanation = words;
    const std::string report = smtp::make_report(input);
    for (const std::string_view line : base::split(report, '\n')) {
        REQUIRE(line.size() <= 79);
        REQUIRE((line.empty() || line.ends_with('\r')));
    }
}

// Another reader's opinion, where one is installed.
TEST_CASE("Python's email package reads the report", "[smtp]") {
    if (std::system("python3 -c 'import email' 2>/dev/null") != 0) return;
    ReportInput input = example();
    input.original_body = "Shall we?\r\n";
    char path[] = "/tmp/relay-report-XXXXXX";
    const int descriptor = mkstemp(path);
    REQUIRE(descriptor >= 0);
    std::ofstream{path, std::ios::binary} << smtp::make_report(input);
    const std::string program =
        "import email, email.policy\n"
        "m = email.message_from_binary_file(open('" +
        std::string{path} +
        "', 'rb'), "
        "policy=email.policy.default)\n"
        "text, status, original = m.get_payload()\n"
        "assert not m.defects and not status.defects, m.defects\n"
        "assert m.get_content_type() == 'multipart/report'\n"
        "assert m['From'].addresses[0].addr_spec == 'postmaster@relay.example'\n"
        "assert 'could not be delivered' in text.get_content()\n"
        "groups = status.get_payload()\n"
        "assert groups[1]['Final-Recipient'] == 'rfc822; bob@y.example'\n"
        "assert original.get_payload()[0]['Subject'] == 'Lunch'\n";
    const int status = std::system(("python3 -c \"" + program + "\"").c_str());
    std::remove(path);
    REQUIRE(status == 0);
}
