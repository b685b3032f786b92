#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "base/this_host.hpp"
#include "config/secrets.hpp"
#include "config/sections.hpp"
#include "config/syntax.hpp"

namespace config {
namespace {

using delivery::SmarthostOptions;
using delivery::TlsMode;
using smtp::AuthMechanism;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr Span time_limit{milliseconds{10}, hours{24}};

const Choice<TlsMode>& tls_choice() {
    static const Choice<TlsMode> choice{{{"auto", TlsMode::automatic},
                                         {"starttls", TlsMode::starttls},
                                         {"implicit", TlsMode::implicit},
                                         {"none", TlsMode::none}}};
    return choice;
}

const Choice<AuthMechanism>& mechanism_choice() {
    static const Choice<AuthMechanism> choice{{{"auto", AuthMechanism::automatic},
                                               {"plain", AuthMechanism::plain},
                                               {"login", AuthMechanism::login},
                                               {"cram-md5", AuthMechanism::cram_md5},
                                               {"scram-sha-256", AuthMechanism::scram_sha_256},
                                               {"xoauth2", AuthMechanism::xoauth2},
                                               {"oauthbearer", AuthMechanism::oauthbearer},
                                               {"external", AuthMechanism::external},
                                               {"none", AuthMechanism::none}}};
    return choice;
}

const Choice<int>& sender_choice() {
    static const Choice<int> choice{{{"keep", 0}, {"envelope", 1}, {"header", 2}}};
    return choice;
}

void read_address(TableReader& reader, SmarthostOptions& options) {
    reader.required("host", options.host, Text{peer_rule}, "host = \"smtp.example.com\"");
    options.name = options.host;
    reader.optional("name", options.name, Text{});
    reader.unavailable("provider", Text{},
                       "set host, and port if it is not 587, as the provider's instructions say");
    reader.optional("port", options.ports, Ports{});
    reader.optional("tls", options.tls, tls_choice());
}

void read_verification(TableReader& reader, tls::ClientOptions& options) {
    const FilePath readable{reader.report().folder(), reader.report().looks_around()};
    reader.optional("ca_file", options.ca_file, readable, "(the system's trust store)");
    reader.optional("fingerprint", options.fingerprints,
                    ListOf<Text>{{fingerprint_rule}, Several::list_or_one}, "(none)");
    reader.optional("verify", options.verify, Flag{});
    reader.optional("client_certificate", options.certificate, readable, "(none)");
    reader.optional("client_key", options.private_key, readable, "(none)");
    if (reader.given("client_certificate") && !reader.given("client_key")) {
        reader.fault("client_certificate", "needs client_key, the PEM file of its key");
    }
    if (reader.given("client_key") && !reader.given("client_certificate")) {
        reader.fault("client_key", "needs client_certificate, the PEM file of the certificate");
    }
}

// Credentials go out only on a verified connection: who does not look at the certificate gives the
// password to whoever answers.
void check_peer_is_known(TableReader& reader, const SmarthostOptions& options) {
    if (options.verification.verify || !options.verification.fingerprints.empty()) return;
    if (!reader.sound("verify") || !reader.sound("fingerprint") || !reader.sound("host")) return;
    const bool credentials = reader.given("username") || !options.password.empty();
    if (credentials && !base::is_this_host(options.host)) {
        reader.fault("verify",
                     "false would give the password to whoever answers in the smarthost's place: "
                     "name the server's ca_file, or its fingerprint (relay check --online shows "
                     "what it presents)");
    } else {
        reader.warn("verify",
                    "whoever sits between here and the smarthost can read the mail; give the "
                    "server's ca_file or fingerprint instead");
    }
}

// What a mechanism needs beyond what every one of them needs.
void check_mechanism(TableReader& reader, const SmarthostOptions& options, bool password) {
    const bool username = reader.given("username");
    switch (options.auth) {
        case AuthMechanism::automatic:
            return;
        case AuthMechanism::none:
            if (username || password) {
                reader.fault("auth", "\"none\" leaves username and password unused: remove either");
            }
            return;
        case AuthMechanism::external:
            if (!reader.given("client_certificate")) {
                reader.fault("auth", "\"external\" needs client_certificate and client_key");
            }
            return;
        case AuthMechanism::plain:
        case AuthMechanism::login:
        case AuthMechanism::cram_md5:
        case AuthMechanism::scram_sha_256:
        case AuthMechanism::xoauth2:
        case AuthMechanism::oauthbearer:
            if (!username && !password) {
                reader.fault("auth", fmt::format("{} needs username and a password",
                                                 mechanism_choice().show(options.auth)));
            }
            return;
    }
}

void read_credentials(TableReader& reader, SmarthostOptions& options) {
    reader.optional("username", options.username, Text{}, "(none)");
    const bool password =
        read_secret(reader, "password",
                    {SecretForm::inline_value, SecretForm::file, SecretForm::environment,
                     SecretForm::command, SecretForm::credential},
                    options.password);
    if (!password) reader.show("password", "(none)");
    reader.optional("auth", options.auth, mechanism_choice());
    if (!reader.sound("auth")) return;
    const bool needs_password =
        options.auth != AuthMechanism::external && options.auth != AuthMechanism::none;
    if (reader.given("username") && !password && needs_password) {
        reader.fault(
            "username",
            "needs a password: add password_file = \"/etc/relay/password\" (or password_env, "
            "password_command, password_credential, password)");
    }
    if (password && !reader.given("username")) {
        reader.fault("username", "missing, though a password is given");
    }
    check_mechanism(reader, options, password);
}

// Credentials never cross a network unencrypted.
void check_encryption(TableReader& reader, const SmarthostOptions& options) {
    if (!reader.sound("tls") || !reader.sound("host") || !reader.sound("port")) return;
    const bool on_465 = options.ports == std::vector<std::uint16_t>{465};
    if (options.tls == TlsMode::none && on_465) {
        reader.fault("tls", "\"none\" does not go with port 465, which is TLS from the first byte");
    } else if (options.tls == TlsMode::starttls && on_465) {
        reader.warn("tls",
                    "port 465 is TLS from the first byte almost everywhere: \"auto\" knows that");
    }
    if (options.tls != TlsMode::none || base::is_this_host(options.host)) return;
    if (reader.given("username") || !options.password.empty()) {
        reader.fault("tls",
                     "\"none\" would send the password unencrypted: remove tls, or username and "
                     "password (only on this host itself is it allowed)");
    } else if (!on_465) {
        reader.warn("tls",
                    "\"none\" sends all mail over the network unencrypted: remove it if the "
                    "smarthost offers STARTTLS");
    }
}

void read_limits(TableReader& reader, SmarthostOptions& options) {
    reader.optional("max_connections", options.max_connections, Count{1, 10'000});
    reader.optional("messages_per_connection", options.messages_per_connection,
                    Count{1, 1'000'000});
    reader.optional("connect_timeout", options.connect_timeout, time_limit);
    reader.optional("command_timeout", options.command_timeout, time_limit);
    reader.optional("final_timeout", options.final_timeout, time_limit);
    // RFC 5321 section 4.5.3.2.6.
    if (reader.given("final_timeout") && options.final_timeout < minutes{10}) {
        reader.warn(
            "final_timeout",
            "a smarthost may take ten minutes to answer for a message; who does not wait sends "
            "it again, and recipients get it twice");
    }
    reader.unavailable("rate", ListOf<RateLimit>{{}, Several::list_or_one},
                       "max_connections bounds how fast mail leaves");
    reader.only("sender", 0, sender_choice(),
                "have the application send from an address that the smarthost accepts");
    reader.unavailable("sender_address", Text{address_rule},
                       "have the application send from an address that the smarthost accepts");
    reader.optional("priority", options.priority, Whole<std::int32_t>{-1'000'000, 1'000'000});
}

void check_oauth2(TableReader& reader) {
    const Value* value = reader.find("oauth2");
    if (value == nullptr) return;
    const auto* table = std::get_if<Table>(&value->data);
    if (table == nullptr) {
        reader.fault("oauth2", "is a section: write [smarthost.oauth2] and its keys below");
        return;
    }
    TableReader inner{reader.report(), reader.name("oauth2"), table, value->place};
    for (const std::string_view key :
         {"flow", "client_id", "client_secret", "client_secret_file", "client_secret_env",
          "client_secret_command", "client_secret_credential", "tenant", "scope", "token_url",
          "authorize_url", "token_file"}) {
        std::string ignored;
        inner.check(key, ignored, Text{});
    }
    inner.finish();
    reader.refuse(
        "oauth2",
        "set auth = \"xoauth2\" and have password_command (or password_file) give a valid "
        "access token");
}

SmarthostOptions read_one(TableReader& reader, const Settings& settings) {
    SmarthostOptions options;
    read_address(reader, options);
    read_verification(reader, options.verification);
    read_credentials(reader, options);
    options.helo = settings.server.hostname;
    reader.optional("helo", options.helo, Text{helo_rule});
    read_limits(reader, options);
    check_encryption(reader, options);
    check_peer_is_known(reader, options);
    check_oauth2(reader);
    reader.finish();
    return options;
}

void check_names(std::vector<TableReader>& readers, const std::vector<SmarthostOptions>& all) {
    for (std::size_t i = 1; i < all.size(); ++i) {
        const auto twin = std::find_if(
            all.begin(), all.begin() + static_cast<std::ptrdiff_t>(i),
            [&](const SmarthostOptions& other) {
                return !other.name.empty() && base::equals_ignoring_case(other.name, all[i].name);
            });
        if (twin == all.begin() + static_cast<std::ptrdiff_t>(i)) continue;
        readers[i].fault("name",
                         fmt::format("{} is the name of an earlier smarthost as well: give each "
                                     "[[smarthost]] a name of its own",
                                     in_quotes(all[i].name)));
    }
}

}  // namespace

void read_smarthosts(Report& report, const Table& root, Settings& settings) {
    std::vector<TableReader> readers = open_sections(report, root, "smarthost");
    const auto found = std::find_if(root.begin(), root.end(),
                                    [](const Member& item) { return item.key == "smarthost"; });
    const auto* list = found == root.end() ? nullptr : std::get_if<List>(&found->value.data);
    if (found == root.end() || (list != nullptr && list->empty())) {
        report.fault(found == root.end() ? Place{} : found->place,
                     fmt::format("there is no [smarthost], the server that takes your mail. The "
                                 "least that works:\n\n{}",
                                 minimal_example()),
                     "smarthost");
    }
    for (TableReader& reader : readers) {
        settings.delivery.smarthosts.push_back(read_one(reader, settings));
    }
    check_names(readers, settings.delivery.smarthosts);
}

void read_routes(Report& report, const Table& root) {
    for (TableReader& reader : open_sections(report, root, "route")) {
        std::vector<std::string> ignored;
        const ListOf<Text> globs{{}, Several::list_or_one};
        for (const std::string_view key : {"sender", "recipient", "smarthost"}) {
            reader.check(key, ignored, globs);
        }
        reader.finish();
        reader.refuse_section(
            "all mail goes to the [[smarthost]] with the lowest priority number that is up");
    }
}

}  // namespace config
