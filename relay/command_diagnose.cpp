#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <memory>

#include "base/units.hpp"
#include "diagnose/outbound.hpp"
#include "diagnose/report_json.hpp"
#include "relay/commands.hpp"
#include "relay/diagnose_ask.hpp"
#include "relay/diagnose_inbound.hpp"
#include "relay/output.hpp"

namespace relay {
namespace asio = boost::asio;
namespace {

struct DiagnoseFlags {
    std::string timeout = "15s";
    InboundFlags inbound;
};

// No file at all is fine: the direct part needs none. A file that was named, or that has faults, is
// not.
std::optional<diagnose::OutboundAsk> ask_for(const Context& context) {
    const bool named = !context.config_file.empty() || std::getenv("RELAY_CONFIG") != nullptr;
    if (!named && !config::find_file("")) return outbound_ask();
    const std::optional<config::Settings> settings = load_settings(context);
    if (!settings) return std::nullopt;
    return outbound_ask(*settings);
}

diagnose::Report run_outbound(const diagnose::OutboundAsk& ask) {
    asio::io_context loop{1};
    const std::unique_ptr<net::Resolver> resolver = net::make_resolver(loop.get_executor());
    diagnose::Report report;
    asio::co_spawn(loop, diagnose::diagnose_outbound(loop.get_executor(), *resolver, ask),
                   [&](const std::exception_ptr&, diagnose::Report result) {
                       report = std::move(result);
                       loop.stop();
                   });
    loop.run();
    return report;
}

std::string short_text(const diagnose::Report& report) {
    std::string text = report.verdict.summary + "\n";
    for (const diagnose::Check& check : report.checks) {
        text += std::string{diagnose::status_name(check.status)} + "  " + check.title + ": " +
                check.summary + "\n";
    }
    return text;
}

ExitStatus diagnose_command(const Context& context, const DiagnoseFlags& flags) {
    std::optional<diagnose::OutboundAsk> ask = ask_for(context);
    if (!ask) return ExitStatus::config;
    const base::Result<base::Duration> timeout = base::parse_duration(flags.timeout);
    if (!timeout) return fail("--timeout: " + timeout.error().message, ExitStatus::usage);
    ask->timeout = *timeout;
    diagnose::Report report;
    if (flags.inbound.asked()) {
        base::Result<diagnose::Report> seen = run_inbound(flags.inbound, ask->hostname, *timeout);
        if (!seen.has_value()) return fail(seen.error().message, ExitStatus::usage);
        report = std::move(*seen);
    } else {
        report = run_outbound(*ask);
    }
    print(context.json ? boost::json::serialize(diagnose::report_json(report)) + "\n"
                       : short_text(report));
    return report.good ? ExitStatus::done : ExitStatus::bad;
}

}  // namespace

void add_diagnose_command(CLI::App& root, Context& context) {
    auto flags = std::make_shared<DiagnoseFlags>();
    CLI::App* command = add_command(
        root, context, "diagnose", "Tell why mail does not leave, who stops it, and what to do",
        {.config = true, .json = true},
        [&context, flags] { return diagnose_command(context, *flags); });
    command->add_option("--timeout", flags->timeout, "For the whole run (15s)")
        ->type_name("DURATION");
    add_inbound_options(*command, flags->inbound);
}

}  // namespace relay
