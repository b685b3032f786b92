#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <memory>
#include <vector>

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

// What signing in to one smarthost came to.
struct SignIn {
    std::string name;
    bool ok = false;
    std::string text;    // one line
    std::string advice;  // what to do about it, "" when nothing is known
};

asio::awaitable<void> sign_in(asio::any_io_executor executor, net::Resolver& resolver,
                              const delivery::SmarthostOptions& options, SignIn& result) {
    result.name = options.name;
    base::Result<tls::ClientContext> context = tls::ClientContext::load(options.verification);
    if (!context) {
        result.text = context.error().message;
        co_return;
    }
    delivery::Connection connection{executor, resolver, options, *context};
    const std::optional<smtp::SessionFailure> failure =
        co_await connection.open(options.ports.front());
    if (failure) {
        result.text = delivery::describe_failure(*failure);
        if (failure->reply.code != 0) result.advice = explain_reply(failure->reply, failure->stage);
        co_return;
    }
    result.ok = true;
    const std::string tls =
        connection.handshake().version.empty() ? "no TLS" : connection.handshake().version;
    const std::string auth =
        connection.auth().empty() ? "without sign-in" : "signed in with " + connection.auth();
    result.text = connection.remote() + ", " + tls + ", " + auth;
    co_await connection.quit();
}

std::vector<SignIn> sign_in_everywhere(const delivery::Options& options) {
    asio::io_context loop{1};
    const std::unique_ptr<net::Resolver> resolver = net::make_resolver(loop.get_executor());
    std::vector<SignIn> results(options.smarthosts.size());
    std::size_t left = results.size();
    for (std::size_t i = 0; i < results.size(); ++i) {
        asio::co_spawn(loop,
                       sign_in(loop.get_executor(), *resolver, options.smarthosts[i], results[i]),
                       [&](const std::exception_ptr&) {
                           // The resolver keeps watching resolv.conf: the loop ends when the work
                           // does.
                           if (--left == 0) loop.stop();
                       });
    }
    loop.run();
    return results;
}

std::string with_sign_ins(const std::string& report, const std::vector<SignIn>& results) {
    boost::json::object object = boost::json::parse(report).as_object();
    boost::json::array online;
    for (const SignIn& result : results) {
        online.push_back({{"smarthost", result.name},
                          {"ok", result.ok},
                          {"text", result.text},
                          {"advice", result.advice}});
    }
    object["online"] = std::move(online);
    return boost::json::serialize(object) + "\n";
}

void print_sign_ins(const std::vector<SignIn>& results) {
    for (const SignIn& result : results) {
        std::printf("%s %s: %s\n", result.ok ? "ok    " : "FAILED", result.name.c_str(),
                    result.text.c_str());
        if (!result.advice.empty()) std::printf("       %s\n", result.advice.c_str());
    }
}

ExitStatus check(const Context& context, bool online) {
    const base::Result<std::filesystem::path> path = config::find_file(context.config_file);
    if (!path) return fail(path.error().message, ExitStatus::config);
    config::LoadResult loaded = config::load_file(*path);
    check_files(loaded);

    std::vector<SignIn> results;
    if (loaded.ok() && online) results = sign_in_everywhere(loaded.settings.delivery);
    if (context.json) {
        const std::string report = check_json(loaded);
        std::fputs(online ? with_sign_ins(report, results).c_str() : report.c_str(), stdout);
    } else {
        std::fputs(check_text(loaded, standard_output(context.color).color).c_str(), stdout);
        print_sign_ins(results);
    }
    if (!loaded.ok()) return ExitStatus::config;
    for (const SignIn& result : results) {
        if (!result.ok) return ExitStatus::bad;
    }
    return ExitStatus::done;
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
