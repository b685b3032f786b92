#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <memory>
#include <vector>

#include "admin/json.hpp"
#include "base/bug.hpp"
#include "base/text.hpp"
#include "base/units.hpp"
#include "delivery/attempt.hpp"
#include "delivery/connection.hpp"
#include "net/resolver.hpp"
#include "relay/check_report.hpp"
#include "relay/commands.hpp"
#include "relay/explain_reply.hpp"
#include "relay/loaded_files.hpp"
#include "relay/output.hpp"

namespace relay {
namespace asio = boost::asio;
namespace {

// For each smarthost; they are asked side by side.
constexpr std::chrono::seconds sign_in_limit{30};

// What signing in to one smarthost came to.
struct SignIn {
    std::string name;
    bool ok = false;
    std::string text;         // one line
    std::string advice;       // what to do about it, or a warning; "" when nothing is known
    std::string fingerprint;  // of the key it presented: "sha256//...", "" without TLS

    void take_key(const tls::HandshakeInfo& handshake) {
        const std::string& key = handshake.peer_fingerprint;
        if (!key.empty()) fingerprint = "sha256//" + key;
    }
};

struct SignIns {
    asio::io_context loop{1};
    std::unique_ptr<net::Resolver> resolver = net::make_resolver(loop.get_executor());
    std::vector<delivery::SmarthostOptions> smarthosts;
    std::vector<SignIn> results;
    std::vector<delivery::Connection*> open;  // null once it ended
    std::size_t left = 0;
    bool late = false;  // the limit has passed
};

std::string describe(const SignIns& all, const delivery::SmarthostOptions& options,
                     std::uint16_t port, const smtp::SessionFailure& failure) {
    if (!all.late) return delivery::describe_failure(failure);
    const bool on_path = options.host.starts_with("unix:");
    const std::string place = on_path ? options.host : fmt::format("{}:{}", options.host, port);
    return fmt::format("{}: no end after {}, given up at {}", place,
                       base::format_duration(sign_in_limit), smtp::stage_name(failure.stage));
}

// Whether it takes mail without a sign-in shows only when there is some.
std::string advice_without_sign_in(const delivery::SmarthostOptions& options,
                                   const smtp::Extensions& server) {
    const bool wanted = options.auth == smtp::AuthMechanism::none;
    if (wanted || server.auth.empty()) return "";
    return fmt::format(
        "warning: it offers a sign-in ({}), and none is configured, so it may refuse mail (`relay "
        "diagnose` finds out). Set username and password_file, or auth = \"none\" where it is to "
        "be "
        "used without",
        base::join(server.auth, " "));
}

// The same without sign-in and without a look at the certificate.
delivery::SmarthostOptions only_to_look(delivery::SmarthostOptions options) {
    options.verification.verify = false;
    options.verification.fingerprints.clear();
    options.username.clear();
    options.password = {};
    options.auth = smtp::AuthMechanism::none;
    return options;
}

// The key behind a certificate that was refused, which the user may want to pin. Seeing it takes no
// credentials.
asio::awaitable<void> look_at_key(SignIns& all, std::size_t index) {
    const delivery::SmarthostOptions options = only_to_look(all.smarthosts[index]);
    base::Result<tls::ClientContext> context = tls::ClientContext::load(options.verification);
    if (!context || all.late) co_return;
    delivery::Connection connection{all.loop.get_executor(), *all.resolver, options, *context};
    all.open[index] = &connection;
    static_cast<void>(co_await connection.open(options.ports.front()));
    all.open[index] = nullptr;
    all.results[index].take_key(connection.handshake());
    co_await connection.quit();
}

asio::awaitable<void> sign_in(SignIns& all, std::size_t index) {
    const delivery::SmarthostOptions& options = all.smarthosts[index];
    SignIn& result = all.results[index];
    base::Result<tls::ClientContext> context = tls::ClientContext::load(options.verification);
    if (!context) {
        result.text = context.error().message;
        co_return;
    }
    delivery::Connection connection{all.loop.get_executor(), *all.resolver, options, *context};
    all.open[index] = &connection;
    const std::optional<smtp::SessionFailure> failure =
        co_await connection.open(options.ports.front());
    all.open[index] = nullptr;
    result.take_key(connection.handshake());
    if (failure) {
        // It quotes the server, which may say anything.
        result.text = base::printable(describe(all, options, connection.port(), *failure), 2000);
        if (failure->reply.code != 0) {
            result.advice =
                base::printable(explain_reply(failure->reply, failure->stage, options.host), 2000);
        }
        if (failure->stage == smtp::Stage::tls) co_await look_at_key(all, index);
        co_return;
    }
    result.ok = true;
    const std::string tls =
        connection.handshake().version.empty() ? "no TLS" : connection.handshake().version;
    const std::string auth =
        connection.auth().empty() ? "without sign-in" : "signed in with " + connection.auth();
    if (connection.auth().empty()) {
        result.advice =
            base::printable(advice_without_sign_in(options, connection.extensions()), 2000);
    }
    result.text = base::printable(connection.remote() + ", " + tls + ", " + auth, 2000);
    co_await connection.quit();
}

// On a terminal it is told meanwhile: a server that does not answer makes it long.
void tell_progress(const std::vector<delivery::SmarthostOptions>& smarthosts) {
    if (::isatty(STDERR_FILENO) != 1) return;
    for (const delivery::SmarthostOptions& each : smarthosts) {
        const std::string line = "signing in to " + base::printable(each.name, 200) + " ...\n";
        std::fputs(line.c_str(), stderr);
    }
}

std::vector<SignIn> sign_in_everywhere(std::vector<delivery::SmarthostOptions> smarthosts) {
    tell_progress(smarthosts);
    SignIns all;
    for (delivery::SmarthostOptions& each : smarthosts) {
        // All ports within the limit, which ends what is under way but no connecting.
        const base::Duration connecting =
            base::Duration{sign_in_limit} / static_cast<int>(each.ports.size());
        each.connect_timeout = std::min(each.connect_timeout, connecting);
    }
    all.smarthosts = std::move(smarthosts);
    all.left = all.smarthosts.size();
    all.results.resize(all.left);
    all.open.resize(all.left);
    for (std::size_t i = 0; i < all.results.size(); ++i) {
        all.results[i].name = all.smarthosts[i].name;
        asio::co_spawn(all.loop, sign_in(all, i), [&all, i](const std::exception_ptr& bug) {
            base::log_bug("a sign-in ended by an internal error", bug);
            if (bug) all.results[i].text = "the sign-in ended by an internal error of relay";
            if (bug) all.open[i] = nullptr;
            // The resolver keeps watching resolv.conf: the loop ends when the work does.
            if (--all.left == 0) all.loop.stop();
        });
    }
    all.loop.run_for(sign_in_limit);
    all.late = true;
    for (delivery::Connection* connection : all.open) {
        if (connection != nullptr) connection->cancel();
    }
    if (all.left > 0) all.loop.run();
    return std::move(all.results);
}

bool all_ok(const std::vector<SignIn>& results) {
    return std::all_of(results.begin(), results.end(), [](const SignIn& each) { return each.ok; });
}

// Smarthosts whose certificate nobody looks at: refused with credentials, and the remedy is the
// fingerprint of what they present. Seeing that takes no credentials.
std::vector<delivery::SmarthostOptions> without_verification(const delivery::Options& options) {
    std::vector<delivery::SmarthostOptions> found;
    for (const delivery::SmarthostOptions& each : options.smarthosts) {
        if (each.verification.verify || !each.verification.fingerprints.empty()) continue;
        if (each.host.empty()) continue;
        found.push_back(only_to_look(each));
    }
    return found;
}

std::string with_sign_ins(const std::string& report, const std::vector<SignIn>& results) {
    boost::json::object object = boost::json::parse(report).as_object();
    boost::json::array online;
    for (const SignIn& result : results) {
        online.push_back({{"smarthost", result.name},
                          {"ok", result.ok},
                          {"text", result.text},
                          {"advice", result.advice},
                          {"fingerprint", result.fingerprint}});
    }
    object["online"] = std::move(online);
    object["ok"] = object["ok"].as_bool() && all_ok(results);
    return admin::json_line(object);
}

void print_sign_ins(const std::vector<SignIn>& results) {
    for (const SignIn& result : results) {
        const std::string key = result.fingerprint.empty() ? "" : ", key " + result.fingerprint;
        print(fmt::format("{} {}: {}{}\n", result.ok ? "ok    " : "FAILED", result.name,
                          result.text, key));
        if (!result.advice.empty()) print("       " + result.advice + "\n");
    }
}

ExitStatus check(const Context& context, bool online) {
    const base::Result<std::filesystem::path> path = config::find_file(context.config_file);
    if (!path) return fail(path.error().message, ExitStatus::config);
    config::LoadResult loaded = config::load_file(*path);
    check_files(loaded);

    std::vector<SignIn> results;
    if (online) {
        results = sign_in_everywhere(loaded.ok() ? loaded.settings.delivery.smarthosts
                                                 : without_verification(loaded.settings.delivery));
    }
    if (context.json) {
        const std::string report = check_json(loaded);
        print(online ? with_sign_ins(report, results) : report);
    } else {
        print(check_text(loaded, standard_output(context.color)));
        print_sign_ins(results);
    }
    if (!loaded.ok()) return ExitStatus::config;
    return all_ok(results) ? ExitStatus::done : ExitStatus::bad;
}

}  // namespace

void add_check_command(CLI::App& root, Context& context) {
    auto online = std::make_shared<bool>(false);
    CLI::App* command = add_command(
        root, context, "check", "Check the configuration and show what is in force",
        {.config = true, .json = true}, [&context, online] { return check(context, *online); });
    command->add_flag("--online", *online,
                      "Sign in to each smarthost too, without sending anything");
}

}  // namespace relay
