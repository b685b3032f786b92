#include "smtp/header_editor.hpp"

#include "smtp/received.hpp"
#include "tests/support/catch.hpp"

namespace {

std::string edit(smtp::HeaderEditor& editor, std::string_view message, std::size_t piece) {
    std::string out;
    while (!message.empty()) {
        editor.write(message.substr(0, piece), out);
        message.remove_prefix(std::min(piece, message.size()));
    }
    editor.finish(out);
    return out;
}

smtp::HeaderAdditions additions() { return {"Received: r\r\n", true, "D", "<m@x.example>"}; }

}  // namespace

TEST_CASE("header fields are added and all else stays", "[smtp]") {
    struct Case {
        std::string_view name, message, result;
    };
    const Case c = GENERATE(values<Case>({
        {"nothing missing", "Date: 1\r\nMessage-ID: <a@b>\r\n\r\nBody\r\n",
         "Received: r\r\nDate: 1\r\nMessage-ID: <a@b>\r\n\r\nBody\r\n"},
        {"both missing", "Subject: s\r\n\r\nDate: no field\r\n",
         "Received: r\r\nSubject: s\r\nDate: D\r\nMessage-ID: <m@x.example>\r\n\r\nDate: no "
         "field\r\n"},
        {"case and blanks", "dAtE : 1\r\nMESSAGE-ID:<a@b>\r\n\r\n",
         "Received: r\r\ndAtE : 1\r\nMESSAGE-ID:<a@b>\r\n\r\n"},
        {"from a mailbox file",
         "From a@b Mon Nov 30 10:00:00 2026\r\nSubject: s\r\nDate: 1\r\n\r\nx",
         "Received: r\r\nX-Mailbox-Line: From a@b Mon Nov 30 10:00:00 2026\r\nSubject: s\r\nDate: "
         "1\r\nMessage-ID: <m@x.example>\r\n\r\nx"},
        {"folded", "Subject: a\r\n\tDate: b\r\nDate: 1\r\nMessage-Id:\r\n <a@b>\r\n\r\n",
         "Received: r\r\nSubject: a\r\n\tDate: b\r\nDate: 1\r\nMessage-Id:\r\n <a@b>\r\n\r\n"},
        {"header only", "Subject: s\r\n",
         "Received: r\r\nSubject: s\r\nDate: D\r\nMessage-ID: <m@x.example>\r\n"},
        {"header only, no newline", "Subject: s",
         "Received: r\r\nSubject: s\r\nDate: D\r\nMessage-ID: <m@x.example>\r\n"},
        {"no header", "Hello\r\nDate: 1\r\n",
         "Received: r\r\nDate: D\r\nMessage-ID: <m@x.example>\r\n\r\nHello\r\nDate: 1\r\n"},
        {"body that begins with a blank", " Hello\r\n",
         "Received: r\r\nDate: D\r\nMessage-ID: <m@x.example>\r\n\r\n Hello\r\n"},
        {"empty header", "\r\nHello\r\n",
         "Received: r\r\nDate: D\r\nMessage-ID: <m@x.example>\r\n\r\nHello\r\n"},
        {"empty message", "", "Received: r\r\nDate: D\r\nMessage-ID: <m@x.example>\r\n\r\n"},
        {"no empty line between", "Subject: s\r\nHello there\r\n",
         "Received: r\r\nSubject: s\r\nDate: D\r\nMessage-ID: <m@x.example>\r\n\r\nHello "
         "there\r\n"},
    }));
    const std::size_t piece = GENERATE(1u, 3u, 4096u);
    CAPTURE(c.name, piece);
    smtp::HeaderEditor editor{additions()};
    CHECK(edit(editor, c.message, piece) == c.result);
    CHECK_FALSE(editor.in_header());
}

TEST_CASE("nothing is added when nothing is asked for", "[smtp]") {
    const std::string message = GENERATE("Hello\r\n", "", "Subject: s\r\n\r\nx", "\r\nx");
    const std::size_t piece = GENERATE(1u, 4096u);
    smtp::HeaderEditor editor{{"", false, "D", "<m>"}};
    CHECK(edit(editor, message, piece) == message);
}

TEST_CASE("the header editor notes what the log and the loop check want", "[smtp]") {
    const std::size_t piece = GENERATE(1u, 3u, 4096u);
    smtp::HeaderEditor editor{additions()};
    edit(editor,
         "Received: a\r\n\tb\r\nreceived: c\r\nFrom: \"A\"\r\n <a@x.example>\r\nSubject: one\r\n"
         "  two\r\nSubject: three\r\n four\r\nMessage-ID: <own@x.example>\r\n\r\nReceived: d\r\n",
         piece);
    CHECK(editor.received_count() == 2);
    CHECK(editor.subject() == "one  two");
    CHECK(editor.from() == "\"A\" <a@x.example>");
    CHECK(editor.message_id() == "<own@x.example>");
}

TEST_CASE("a header line without end is not held in memory", "[smtp]") {
    const std::size_t piece = GENERATE(1000u, 1u << 20);
    const std::string line = "Subject: " + std::string(200'000, 's') + "\r\n";
    const std::string rest = "Date: 1\r\nMessage-ID: <a>\r\n\r\nx\r\n";
    smtp::HeaderEditor editor{additions()};
    std::string out;
    editor.write(std::string_view{line}.substr(0, 150'000), out);
    CHECK(out.size() > 100'000);
    for (std::string_view more = std::string_view{line}.substr(150'000); !more.empty();) {
        editor.write(more.substr(0, piece), out);
        more.remove_prefix(std::min(piece, more.size()));
    }
    editor.write(rest, out);
    editor.finish(out);
    CHECK(out == "Received: r\r\n" + line + rest);
    CHECK(editor.subject().size() == 998);
}

TEST_CASE("the Received field tells where a message came from", "[smtp]") {
    smtp::ReceivedTrace trace{"app.example",
                              "192.0.2.1",
                              "mx.example",
                              "ESMTPSA",
                              "0123",
                              "a@b.example",
                              "Tue, 24 Nov 2026 12:12:13 +0100"};
    CHECK(smtp::received_field(trace) ==
          "Received: from app.example ([192.0.2.1])\r\n\tby mx.example with ESMTPSA id 0123\r\n"
          "\tfor <a@b.example>;\r\n\tTue, 24 Nov 2026 12:12:13 +0100\r\n");
    trace.recipient.clear();
    trace.client_address = "2001:db8::1";
    trace.client_name.clear();
    CHECK(
        smtp::received_field(trace).starts_with("Received: from unknown ([IPv6:2001:db8::1])\r\n"));
    trace.client_address.clear();
    CHECK(smtp::received_field(trace).starts_with("Received: from unknown (local socket)\r\n"));
}

TEST_CASE("nothing a client says breaks out of the Received field", "[smtp]") {
    smtp::ReceivedTrace trace{
        "x\r\nBcc: y (z);\x01\xff", "", "mx.example", "SMTP", "0123", "a\r\n>b", "D"};
    CHECK(smtp::received_field(trace) ==
          "Received: from x??Bcc:?y??z???? (local socket)\r\n\tby mx.example with SMTP id "
          "0123;\r\n\tD\r\n");
    trace.client_name = std::string(5000, 'a');
    CHECK(smtp::received_field(trace).size() < 400);
}
