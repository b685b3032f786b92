#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/unit/smtp/client_script.hpp"

namespace test {

inline std::string hello(std::string_view keywords) {
    std::string script = "S: 220 mx\nC: EHLO me\nS: 250-mx\n";
    for (const std::string_view keyword : base::split(keywords, '\n')) {
        script += fmt::format("S: 250-{}\n", keyword);
    }
    return script + "S: 250 HELP\n";
}

inline ScriptedServer::Message message(std::vector<std::string> recipients,
                                       std::vector<std::string> pieces = {"Hi\r\n"}) {
    ScriptedServer::Message m;
    m.transaction.envelope.reverse_path = "a@x";
    for (std::string& address : recipients) {
        m.transaction.envelope.recipients.push_back({std::move(address), {}, {}});
    }
    m.pieces = std::move(pieces);
    for (const std::string& piece : m.pieces) m.transaction.body_size += piece.size();
    return m;
}

inline ScriptedServer make_server(std::string_view keywords, std::string_view script,
                                  std::size_t chunk) {
    smtp::ClientOptions options;
    options.helo = "me";
    options.tls = smtp::ClientTls::none;
    return {options, hello(keywords) + std::string{script}, chunk};
}

inline std::string run(std::string_view keywords, std::vector<ScriptedServer::Message> messages,
                       std::string_view script, std::size_t chunk) {
    ScriptedServer server = make_server(keywords, script, chunk);
    server.messages = std::move(messages);
    return server.run();
}

}  // namespace test
