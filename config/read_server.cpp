#include <fmt/format.h>

#include <algorithm>

#include "config/sections.hpp"
#include "config/syntax.hpp"
#include "config/system_defaults.hpp"

namespace config {
namespace {

using smtp::AuthPolicy;
using std::chrono::hours;
using std::chrono::milliseconds;

// RFC 5321 section 4.5.3.1.8: a server must take at least 100 recipients.
constexpr std::uint32_t least_recipients = 100;

const Choice<AuthPolicy>& auth_choice() {
    static const Choice<AuthPolicy> choice{{{"none", AuthPolicy::none},
                                            {"accept-any", AuthPolicy::accept_any},
                                            {"required", AuthPolicy::required}}};
    return choice;
}

const Choice<smtp::BareNewline>& newline_choice() {
    static const Choice<smtp::BareNewline> choice{
        {{"normalize", smtp::BareNewline::normalize}, {"reject", smtp::BareNewline::reject}}};
    return choice;
}

bool only_local(const std::vector<std::string>& endpoints) {
    return std::all_of(endpoints.begin(), endpoints.end(), [](const std::string& text) {
        const auto endpoint = parse_endpoint(text);
        return !endpoint || endpoint->kind == Endpoint::Kind::systemd || endpoint->local();
    });
}

bool has_duplicate(std::vector<std::string> texts, std::string& which) {
    std::erase_if(texts, [](const std::string& text) { return text.ends_with(":0"); });
    std::sort(texts.begin(), texts.end());
    const auto twin = std::adjacent_find(texts.begin(), texts.end());
    if (twin != texts.end()) which = *twin;
    return twin != texts.end();
}

void check_listeners(TableReader& reader, const relay::ListenerOptions& listener) {
    if (!reader.sound("listen") || !reader.sound("tls_listen")) return;
    if (listener.listen.empty() && listener.tls_listen.empty()) {
        reader.fault("listen", "must name at least one address, such as \"127.0.0.1:2525\"");
    }
    // "systemd" may stand in both: its sockets carry names.
    std::vector<std::string> all = listener.listen;
    std::copy_if(listener.tls_listen.begin(), listener.tls_listen.end(), std::back_inserter(all),
                 [](const std::string& address) { return address != "systemd"; });
    std::string twin;
    if (has_duplicate(std::move(all), twin) || has_duplicate(listener.tls_listen, twin)) {
        const std::string_view key =
            reader.given("tls_listen") && !listener.tls_listen.empty() ? "tls_listen" : "listen";
        reader.fault(key, fmt::format("{} is listed twice", in_quotes(twin)));
    }
}

void check_certificate(TableReader& reader, const relay::ListenerOptions& listener) {
    const bool certificate = reader.given("certificate");
    const bool key = reader.given("private_key");
    if (certificate && !key) {
        reader.fault("certificate", "needs private_key, the PEM file of its key");
    }
    if (key && !certificate) {
        reader.fault("private_key",
                     "needs certificate, the PEM file of the certificate and its chain");
    }
    if (!listener.tls_listen.empty() && !certificate && !key) {
        reader.fault("tls_listen", "needs certificate and private_key");
    }
}

void check_auth(TableReader& reader, const Settings& settings) {
    if (!reader.sound("auth")) return;
    if (settings.server.auth == AuthPolicy::required && !reader.given("users_file")) {
        reader.fault("auth", "\"required\" needs users_file, the file of those who may sign in");
    }
    if (settings.server.auth == AuthPolicy::required && !reader.given("certificate") &&
        !only_local(settings.listener.listen)) {
        reader.warn("auth",
                    "without certificate and private_key clients off this host are offered "
                    "SCRAM-SHA-256 alone: those that know only PLAIN or LOGIN cannot sign in, and "
                    "the mail itself crosses the network unencrypted");
    }
}

void refuse_strangers(TableReader& reader, std::string_view key,
                      const std::vector<std::string>& endpoints) {
    if (!reader.sound(key)) return;
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
        if (only_local({endpoints[i]})) continue;
        reader.fault_at(reader.place(key, i), key,
                        "others than this host can connect here: say who may send with "
                        "allow_clients = [\"192.168.0.0/16\"] (your own network), or set auth = "
                        "\"required\"");
    }
}

// Never an open relay: mail is taken only from clients that the operator named or that signed in.
void check_open_relay(TableReader& reader, Settings& settings) {
    relay::ListenerOptions& listener = settings.listener;
    if (!reader.sound("auth") || !reader.sound("allow_clients")) return;
    const bool sign_in = settings.server.auth == AuthPolicy::required;
    if (sign_in && !reader.given("allow_clients")) {
        listener.allow_clients = {"0.0.0.0/0", "::/0"};  // who signs in may come from anywhere
        return;
    }
    if (sign_in) return;

    bool only_loopback = true;
    for (std::size_t i = 0; i < listener.allow_clients.size(); ++i) {
        const auto block = parse_block(listener.allow_clients[i]);
        only_loopback = only_loopback && block->loopback;
        if (!block->open_to_all()) continue;
        reader.fault_at(reader.place("allow_clients", i), "allow_clients",
                        fmt::format("{} lets strangers send through this host (an open relay): "
                                    "name your own networks, or set auth = \"required\"",
                                    in_quotes(listener.allow_clients[i])));
    }
    if (!only_loopback) return;
    refuse_strangers(reader, "listen", listener.listen);
    refuse_strangers(reader, "tls_listen", listener.tls_listen);
}

// true: those on this host. A list: the peers in these networks, and no others.
void read_proxies(TableReader& reader, relay::ListenerOptions& listener) {
    constexpr std::string_view key = "proxy_protocol";
    const ListOf<Text> blocks{{client_block_rule}};
    if (const Value* value = reader.find(key)) {
        const FaultSink sink = [&](Place place, std::string message) {
            reader.fault_at(place, key, std::move(message));
        };
        const auto* text = std::get_if<std::string>(&value->data);
        if (std::holds_alternative<List>(value->data)) {
            if (auto given = blocks.read(*value, sink)) listener.proxies = std::move(*given);
        } else if (text != nullptr && parse_block(*text)) {
            sink(value->place, fmt::format("write it as a list: [{}]", in_quotes(*text)));
        } else if (Flag{}.read(*value, sink).value_or(false)) {
            listener.proxies = {"127.0.0.0/8", "::1/128"};
            listener.unix_proxies = true;
        }
    }
    for (std::size_t i = 0; i < listener.proxies.size(); ++i) {
        if (!parse_block(listener.proxies[i])->open_to_all()) continue;
        reader.fault_at(reader.place(key, i), key,
                        fmt::format("{} lets strangers say that they are whoever may send: name "
                                    "your proxies",
                                    in_quotes(listener.proxies[i])));
    }
    const bool off = listener.proxies.empty();
    const std::string shown =
        off || listener.unix_proxies ? Flag{}.show(!off) : blocks.show(listener.proxies);
    reader.show(key, shown);
}

void read_limits(TableReader& reader, Settings& settings) {
    smtp::ServerOptions& server = settings.server;
    relay::ListenerOptions& listener = settings.listener;
    reader.optional("max_message_size", server.max_message_size, Size{1024, 64ULL << 30});
    reader.optional("max_recipients", server.max_recipients, Count{1, 1'000'000});
    if (server.max_recipients < least_recipients) {
        reader.warn("max_recipients",
                    "RFC 5321 expects at least 100; clients may take a refusal for a failure");
    }
    reader.optional("max_connections", listener.max_connections, Count{1, 1'000'000});
    reader.optional("max_connections_per_client", listener.max_connections_per_client,
                    Count{1, 1'000'000}, "(unlimited on loopback, 100 for others)");
    reader.optional("idle_timeout", listener.idle_timeout, Span{milliseconds{100}, hours{24}});
}

void read_access(TableReader& reader, Settings& settings) {
    const FilePath readable{reader.report().folder(), reader.report().looks_around()};
    relay::ListenerOptions& listener = settings.listener;
    reader.optional("certificate", listener.tls.certificate, readable, "(none)");
    reader.optional("private_key", listener.tls.private_key, readable, "(none)");
    reader.optional("auth", settings.server.auth, auth_choice());
    reader.optional("users_file", listener.users_file, readable, "(none)");

    const ListOf<Text> blocks{{client_block_rule}};
    if (const Value* value = reader.find("allow_clients")) {
        const FaultSink sink = [&](Place place, std::string message) {
            reader.fault_at(place, "allow_clients", std::move(message));
        };
        if (auto given = blocks.read(*value, sink)) listener.allow_clients = std::move(*given);
    }
    check_open_relay(reader, settings);
    const bool widened =
        settings.server.auth == AuthPolicy::required && !reader.given("allow_clients");
    reader.show("allow_clients", blocks.show(listener.allow_clients),
                widened ? "default with auth = \"required\"" : reader.source("allow_clients"));
}

}  // namespace

void read_server(Report& report, const Table& root, Settings& settings) {
    TableReader reader = open_section(report, root, "server");
    const ListOf<Text> endpoints{{listen_rule}};
    reader.optional("listen", settings.listener.listen, endpoints);
    reader.optional("tls_listen", settings.listener.tls_listen, endpoints);
    if (!reader.given("hostname")) settings.server.hostname = system_hostname();
    reader.optional("hostname", settings.server.hostname, Text{hostname_rule});
    if (reader.given("hostname") && reader.sound("hostname") &&
        settings.server.hostname.find('.') == std::string::npos) {
        reader.warn("hostname",
                    "has no dot: relay says it in EHLO, where some smarthosts refuse it; give the "
                    "full name, as in \"mail.example.com\"");
    }
    settings.delivery.hostname = settings.server.hostname;
    read_limits(reader, settings);
    read_access(reader, settings);
    reader.optional("bare_newline", settings.server.bare_newline, newline_choice());
    read_proxies(reader, settings.listener);
    reader.unavailable("rate", RateLimit{},
                       "max_connections_per_client bounds what one client can do");
    check_listeners(reader, settings.listener);
    check_certificate(reader, settings.listener);
    check_auth(reader, settings);
    reader.finish();
}

}  // namespace config
