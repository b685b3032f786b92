#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/log.hpp"
#include "relay/commands.hpp"
#include "relay/service.hpp"

namespace relay {
namespace {

ExitStatus run(const Context& context) {
    keep_reloads_waiting();  // a password_command may take its time
    std::optional<config::Settings> settings = load_to_run(context);
    if (!settings) {
        // Whoever has a file wants to hear of its faults alone.
        if (!config::find_file(context.config_file)) {
            const std::string example = std::string{"\nThe least that relay needs:\n\n"} +
                                        std::string{config::minimal_example()};
            std::fputs(example.c_str(), stderr);
        }
        return ExitStatus::config;
    }
    if (const base::Result<> log = base::open_log(settings->log); !log) {
        return fail(log.error().message, ExitStatus::config);
    }
    if (const base::Result<> ran = run_service(std::move(*settings)); !ran) {
        base::log_error("relay cannot start", {{"problem", ran.error().message}});
        return ExitStatus::bad;
    }
    return ExitStatus::done;
}

}  // namespace

void add_run_command(CLI::App& root, Context& context) {
    CLI::App* const command =
        add_command(root, context, "run", "Accept mail and deliver it, in the foreground",
                    {.config = true, .json = false}, [&context] { return run(context); });
    command->footer(
        "Signals: SIGTERM and SIGINT let transactions under way end, then stop; a second one cuts "
        "them;\n"
        "SIGHUP reads the configuration again (a file with faults changes nothing).");
}

}  // namespace relay
