#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "smtp/reply.hpp"
#include "smtp/stage.hpp"

namespace relay {

// An address pattern and the reply that it earns.
struct SinkRefusal {
    std::string pattern;  // glob
    smtp::Reply reply;
};

// What a sink does wrong on purpose, so that a client's answer to it can be seen.
struct SinkFaults {
    std::vector<SinkRefusal> recipients, senders;
    std::optional<smtp::Reply> data_reply;  // to every message, after its last byte
    // To every sign-in but the third of a connection, which gets 421 and the end as ever.
    std::optional<smtp::Reply> auth_reply;
    base::Duration greeting_delay{}, data_delay{};
    std::optional<smtp::Stage> drop;  // closes the connection without a word when it gets there
    std::vector<std::string> hidden;  // extensions left out of the EHLO reply, upper case
};

struct SinkOptions {
    std::string hostname = "sink.localhost";
    std::string listen = "127.0.0.1:0";      // "": not at all; port 0: a free one
    std::string tls_listen = "127.0.0.1:0";  // implicit TLS
    bool tls = true;                         // false: neither STARTTLS nor tls_listen
    std::string user;                        // "": any credentials are taken, none are needed
    base::Secret password;
    std::string directory;  // "": mail is counted and dropped
    bool print = false;
    bool quiet = false;
    std::string ca_file;      // where the CA's certificate is written, "" for nowhere
    std::string ready_file;   // likewise the addresses, as JSON
    std::uint64_t count = 0;  // ends after so many messages; 0: never
    std::uint64_t max_message_size = 100ULL << 20;
    SinkFaults faults;
};

// "GLOB" or "GLOB=CODE TEXT"; without a reply the usual one for the stage is given.
[[nodiscard]] base::Result<SinkRefusal> parse_refusal(std::string_view text,
                                                      const smtp::Reply& usual);
// "451 4.3.0 text": a code of 200 to 599, perhaps an enhanced code, a text.
[[nodiscard]] base::Result<smtp::Reply> parse_fault_reply(std::string_view text);
// The same with a code from 400 on: what refuses something cannot say that it is done.
[[nodiscard]] base::Result<smtp::Reply> parse_refusing_reply(std::string_view text);
// connect, greeting, ehlo, mail, rcpt, data, body or final-dot.
[[nodiscard]] base::Result<smtp::Stage> parse_drop_stage(std::string_view text);

// In capitals, one that the sink offers.
[[nodiscard]] base::Result<std::string> parse_extension(std::string_view text);

// Replies on their way to the client, changed as the faults want it: extensions are taken out of
// an EHLO reply, and auth_reply stands in place of 535.
[[nodiscard]] std::string apply_faults(std::string output, const SinkFaults& faults);

}  // namespace relay
