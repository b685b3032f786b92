// A message through what adds fields, surveys it, and rewrites it for a lesser next hop.
#include <string>

#include "base/text.hpp"
#include "smtp/downgrade.hpp"
#include "smtp/encoded_word.hpp"
#include "smtp/header_editor.hpp"
#include "smtp/received.hpp"
#include "tests/fuzz/check.hpp"

namespace {

std::string edit(std::string_view message, std::size_t piece) {
    smtp::HeaderAdditions additions;
    additions.trace = "Received: from x by y\r\n";
    additions.date = "Tue, 24 Nov 2026 10:00:00 +0000";
    additions.message_id = "<1@y>";
    smtp::HeaderEditor editor{additions};
    std::string out;
    while (!message.empty()) {
        editor.write(message.substr(0, piece), out);
        message.remove_prefix(std::min(piece, message.size()));
    }
    editor.finish(out);
    return out;
}

// A line of a field begins with its name or with a blank.
bool one_field(std::string_view field) {
    for (std::size_t at = field.find("\r\n"); at + 2 < field.size();
         at = field.find("\r\n", at + 2)) {
        if (field[at + 2] != ' ' && field[at + 2] != '\t') return false;
    }
    return field.ends_with("\r\n");
}

void check_trace(std::string_view text) {
    smtp::ReceivedTrace trace;
    trace.client_name = text;
    trace.client_address = "192.0.2.1";
    trace.hostname = "relay.example";
    trace.protocol = "ESMTP";
    trace.id = "0123456789ab";
    trace.recipient = text;
    trace.date = "Tue, 24 Nov 2026 10:00:00 +0000";
    if (!fuzz::has_controls(text)) {
        fuzz::require(one_field(smtp::received_field(trace)), "Received is one field");
    }
}

std::string downgraded(std::string_view message, std::size_t piece) {
    smtp::DowngradeRun run{smtp::Downgrade{true, true, true}};
    for (std::string_view rest = message; !rest.empty();) {
        run.study(rest.substr(0, piece));
        rest.remove_prefix(std::min(piece, rest.size()));
    }
    run.finish_study();
    std::string out;
    for (std::string_view rest = message; !rest.empty();) {
        out += run.rewrite(rest.substr(0, piece));
        rest.remove_prefix(std::min(piece, rest.size()));
    }
    return out + run.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = fuzz::text_of(data, size);
    const std::string whole = edit(text, size + 1);
    fuzz::require(whole == edit(text, 1), "the split of a message changes nothing");
    fuzz::require(whole.starts_with("Received: "), "Received is on top");
    smtp::ContentSurvey survey;
    survey.write(text);
    const std::string lesser = downgraded(text, size + 1);
    fuzz::require(base::is_ascii(lesser), "what is rewritten has 7 bits");
    fuzz::require(lesser == downgraded(text, 1),
                  "the split of a message changes nothing in what is rewritten");
    for (const auto place :
         {smtp::WordPlace::text, smtp::WordPlace::comment, smtp::WordPlace::phrase}) {
        for (const char c : smtp::encode_words(text, place)) {
            fuzz::require(c > ' ' - 1 && c < 0x7f, "an encoded word is printable ASCII");
        }
    }
    static_cast<void>(smtp::encode_unstructured(text));
    static_cast<void>(smtp::encode_addresses(text));
    static_cast<void>(smtp::encode_parameters(text));
    check_trace(text);
    return 0;
}
