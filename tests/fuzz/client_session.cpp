// A server's bytes to the client session. The first byte chooses settings; a zero byte parts what
// comes in one read from the next.
#include <algorithm>
#include <string>

#include "smtp/client_session.hpp"
#include "tests/fuzz/check.hpp"

namespace {

constexpr std::string_view body = "Subject: x\r\n\r\n.hello\r\n";
// What PLAIN and LOGIN would send.
constexpr std::string_view secrets[] = {"AGFsaWNlAHNlc2FtZS1vcGVu",
                                        "c2VzYW1lLW9wZW4=", "sesame-open"};

struct Driver {
    smtp::ClientSession session;
    bool encrypted = false, finished = false, begun = false;
    int messages = 0;
    std::string written_in_clear{};

    void take() {
        const std::string output = session.take_output();
        if (!encrypted) written_in_clear += output;
    }

    // From the sign-in on the server knows the password, and may say it.
    void check_words(std::string_view words) const {
        if (session.auth_mechanism().empty()) return;
        for (const std::string_view secret : secrets) {
            fuzz::require(words.find(secret) == std::string_view::npos, "no credentials are shown");
        }
    }

    void results(const std::vector<smtp::RecipientResult>& found) {
        fuzz::require(found.size() == 2, "each recipient has a result");
        for (const smtp::RecipientResult& result : found) {
            check_words(result.reply.text);
            check_words(result.problem);
            if (result.outcome != smtp::Outcome::delivered) continue;
            fuzz::require(result.reply.code / 100 == 2, "delivered means that the server said so");
        }
        begun = false;
    }

    static smtp::Transaction transaction() {
        smtp::Transaction made;
        made.envelope.reverse_path = "a@x.example";
        made.envelope.recipients.resize(2);
        made.envelope.recipients[0].address = "b@y.example";
        made.envelope.recipients[1].address = "c@y.example";
        made.body_size = body.size();
        return made;
    }

    void begin() {
        session.begin(transaction());
        begun = true;
        ++messages;
    }

    // Until the session needs bytes.
    void pump() {
        while (!finished) {
            const smtp::ClientEvent event = session.next_event();
            if (std::holds_alternative<smtp::event::ClientNeedInput>(event)) break;
            if (std::holds_alternative<smtp::event::StartTls>(event)) {
                take();
                encrypted = true;
                session.tls_established("binding");
            } else if (std::holds_alternative<smtp::event::Ready>(event)) {
                begin();
            } else if (std::holds_alternative<smtp::event::BodyWanted>(event)) {
                session.write_body(body, true);
                if (messages < 3) static_cast<void>(session.begin_early(transaction()));
            } else if (const auto* done = std::get_if<smtp::event::TransactionDone>(&event)) {
                results(done->results);
                if (session.begun_early()) {
                    fuzz::require(session.ready(), "what has begun can be taken up");
                    begin();
                } else if (session.ready()) {
                    session.quit();
                }
            } else if (const auto* failed = std::get_if<smtp::event::SessionFailed>(&event)) {
                check_words(failed->failure.reply.text);
                check_words(failed->failure.problem);
                finished = true;
            } else if (std::holds_alternative<smtp::event::SessionClosed>(event)) {
                finished = true;
            }
            take();
        }
        take();
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    smtp::ClientOptions options;
    options.helo = "client.example";
    options.tls = static_cast<smtp::ClientTls>(data[0] % 3);
    options.auth = static_cast<smtp::AuthMechanism>((data[0] >> 2) % 9);
    options.username = "alice";
    options.password = base::Secret{"sesame-open"};
    options.host = "mx.example";
    options.port = 587;
    const bool implicit = options.tls == smtp::ClientTls::implicit;
    Driver driver{smtp::ClientSession{std::move(options)}, implicit};
    if (implicit) driver.session.tls_established("binding");
    std::string_view bytes = fuzz::text_of(data + 1, size - 1);
    driver.pump();
    while (!bytes.empty() && !driver.finished) {
        const std::string_view read = bytes.substr(0, bytes.find('\0'));
        bytes.remove_prefix(std::min(read.size() + 1, bytes.size()));
        driver.session.receive(read);
        driver.pump();
    }
    if (!driver.finished) {
        driver.session.connection_lost("the connection ended");
        driver.pump();
    }
    fuzz::require(!driver.begun, "a transaction begun has results");
    for (const std::string_view secret : secrets) {
        fuzz::require(driver.written_in_clear.find(secret) == std::string::npos,
                      "no credentials without TLS");
    }
    return 0;
}
