// What is said in clear where TLS is to begin.
#include "tests/unit/tls/exchange.hpp"

using namespace tls_test;
using Catch::Matchers::Contains;

namespace {

// What a read gives that waits already when the peer does something.
template <class Deed>
std::string read_meanwhile(asio::io_context& loop, tls::Stream& reader, Deed deed) {
    Outcome outcome;
    spawn(loop, read_once(reader, outcome));
    loop.restart();
    loop.poll();
    deed();
    run_until(loop, [&] { return outcome.over; });
    return outcome.text;
}

// Why the client's handshake fails.
std::string refusal_by_client(asio::io_context& loop, Pair& pair) {
    Handshakes results;
    spawn(loop, shake_client(pair.client, client_context(), mx, results));
    run_until(loop, [&] { return results.client.has_value(); });
    REQUIRE(results.client->has_error());
    return results.client->error().message;
}

}  // namespace

TEST_CASE("a peer that answers in clear text is named as such", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    Handshakes results;
    const bool early =
        GENERATE(true, false);  // before our ClientHello, as a server on port 25 does
    if (early) write_to(loop, pair.server, "220 mail.example ESMTP\r\n");
    spawn(loop, shake_client(pair.client, client_context(), mx, results));
    if (!early) {
        read_from(loop, pair.server);
        write_to(loop, pair.server, "220 mail.example ESMTP\r\n");
    }
    run_until(loop, [&] { return results.client.has_value(); });
    REQUIRE(results.client->has_error());
    CHECK_THAT(results.client->error().message,
               Contains("does not speak TLS here") && Contains("\"220 mail.example ESMTP\""));
    CHECK(results.client->error().clear_text);
    CHECK_FALSE(results.client->error().proxy_header);
    CHECK_FALSE(results.client->error().faults.any());
}

TEST_CASE("plaintext behind the answer to STARTTLS stops the client", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    CHECK(write_to(loop, pair.server, "220 go\r\n") == "written");
    CHECK(read_from(loop, pair.client) == "220 go\r\n");
    CHECK(write_to(loop, pair.server, "250 injected\r\n") == "written");
    CHECK_THAT(refusal_by_client(loop, pair),
               Contains("after agreeing to start TLS") && Contains("250 injected"));
}

TEST_CASE("plaintext that came with the answer to STARTTLS stops the client", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    const std::string answer(64, '2');  // what read_from() takes
    CHECK(read_meanwhile(loop, pair.client, [&] {
              write_to(loop, pair.server, answer + "250 injected\r\n");
          }) == answer);
    CHECK_THAT(refusal_by_client(loop, pair),
               Contains("after agreeing to start TLS") && Contains("250 injected"));
}

TEST_CASE("what a client pipelined behind STARTTLS is no part of what it says in TLS", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    const std::string command(64, 'S');  // what read_from() takes
    CHECK(read_meanwhile(loop, pair.server, [&] {
              write_to(loop, pair.client, command + "RCPT TO:<x@example.com>\r\n");
          }) == command);
    Handshakes results;
    spawn(loop, shake_server(pair.server, server_for(for_names({"mx.example"})), results));
    run_until(loop, [&] { return results.server.has_value(); });
    REQUIRE(results.server->has_error());
    CHECK_THAT(results.server->error().message, Contains("it said RCPT in clear text"));
}

TEST_CASE("a client that talks plain SMTP to a TLS port is named as such", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    Handshakes results;
    struct Case {
        std::string_view bytes, told;
    };
    // The client's line may hold a password, so its verb is all that is told.
    const Case c = GENERATE(values<Case>({
        {"EHLO client.example\r\n", "it said EHLO in clear text"},
        {"AUTH PLAIN AGFsAHNlY3JldA==\r\n", "it said AUTH in clear text"},
        {"auth\tplain AGFsAHNlY3JldA==\r\n", "it said AUTH in clear text"},
        {"AGFsAHNlY3JldA==\r\n", "it spoke in clear text"},
        {"secret word\r\n", "it spoke in clear text"},
    }));
    write_to(loop, pair.client, std::string{c.bytes});
    spawn(loop, shake_server(pair.server, server_for(for_names({"mx.example"})), results));
    run_until(loop, [&] { return results.server.has_value(); });
    REQUIRE(results.server->has_error());
    const std::string& message = results.server->error().message;
    CHECK_THAT(message, Contains("the client does not speak TLS here") &&
                            Contains(std::string{c.told}) && !Contains("secret") &&
                            !Contains("AGFsAHNlY3JldA") && !Contains("example"));
}
