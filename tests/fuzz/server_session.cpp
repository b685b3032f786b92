// A client's bytes to the server session, whole and byte by byte. The first byte chooses settings.
#include "tests/fuzz/check.hpp"
#include "tests/unit/smtp/conversation.hpp"

namespace {

void check(const test::Conversation& conversation) {
    for (const test::Message& message : conversation.messages) {
        fuzz::require(fuzz::canonical(message.content), "content has only CRLF lines");
        fuzz::require(!message.envelope.recipients.empty(), "a message has a recipient");
        fuzz::require(!fuzz::has_controls(message.envelope.reverse_path), "the sender is clean");
        for (const smtp::Recipient& recipient : message.envelope.recipients) {
            fuzz::require(!recipient.address.empty(), "a recipient has an address");
            fuzz::require(!fuzz::has_controls(recipient.address), "a recipient is clean");
            fuzz::require(!fuzz::has_controls(recipient.orcpt), "ORCPT is clean");
        }
    }
}

void converse(std::uint8_t choice, std::string_view bytes, std::size_t piece) {
    static const test::Users users = [] {
        test::Users made;
        made.add("alice", "secret");
        return made;
    }();
    smtp::ServerOptions options = test::usual_options();
    options.max_message_size = (choice & 1) != 0 ? 300 : 0;
    options.max_recipients = 3;
    options.auth = static_cast<smtp::AuthPolicy>((choice >> 1) % 3);
    options.bare_newline = static_cast<smtp::BareNewline>((choice >> 3) % 2);
    smtp::ServerContext context;
    context.options = &options;
    context.credentials = &users;
    context.tls_available = (choice & 16) != 0;
    context.plaintext_auth_allowed = (choice & 32) != 0;
    test::Conversation conversation{context};
    std::string said;
    while (!bytes.empty() && !conversation.closed) {
        said += conversation.say(bytes.substr(0, piece), piece);
        bytes.remove_prefix(std::min(piece, bytes.size()));
        if (conversation.tls_wanted) {
            conversation.handshake();
            conversation.pump();
            said += std::exchange(conversation.said, {}) + conversation.session.take_output();
        }
    }
    fuzz::require(fuzz::canonical(said), "replies have only CRLF lines");
    const bool locked = options.auth == smtp::AuthPolicy::required;
    for (const test::Message& message : conversation.messages) {
        fuzz::require(
            !locked || message.protocol.ends_with("A") || message.protocol.ends_with("SA"),
            "who must sign in has signed in");
    }
    check(conversation);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes = fuzz::text_of(data + 1, size - 1);
    converse(data[0], bytes, 4096);
    converse(data[0], bytes, 1);
    return 0;
}
