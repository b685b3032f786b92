#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "config/settings.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace relay {

// How the program ends; `config` is EX_CONFIG of sysexits.h.
enum class ExitStatus : int { done = 0, bad = 1, usage = 2, config = 78 };

// What the command line said outside the command's own options, and what it chose to do.
struct Context {
    std::string config_file;  // --config, "" when not given
    bool json = false;        // --json
    std::string color = "auto";
    std::function<ExitStatus()> action;  // of the chosen command; run after parsing
};

// What a command gets besides --help and --color.
struct CommandOptions {
    bool config = true;  // --config FILE
    bool json = false;   // --json
};

// --config, --json and --color, each with its one description.
CLI::Option* add_config_option(CLI::App& app, Context& context);
CLI::Option* add_json_option(CLI::App& app, Context& context);
CLI::Option* add_color_option(CLI::App& app, Context& context);

// One subcommand. Its file adds further options to what this returns; action runs once all of the
// command line is known to be good.
CLI::App* add_command(CLI::App& parent, Context& context, const char* name, const char* description,
                      CommandOptions options, std::function<ExitStatus()> action);
// A subcommand that only groups others, such as `queue`: it takes no action of its own.
CLI::App* add_command_group(CLI::App& parent, const char* name, const char* description);

// Finds and reads the configuration. When that fails it has told why on stderr, with all problems,
// and the caller ends with ExitStatus::config. The files that it names are loaded, too, as the
// server will load them.
[[nodiscard]] std::optional<config::Settings> load_to_run(const Context& context);
// The same for commands that can do part of their work without the secrets that this user has no
// right to: those are empty.
[[nodiscard]] std::optional<config::Settings> load_but_secrets(const Context& context);
// The same for commands that need these sections only, and no secret: nothing that the file names
// is opened or run, and faults of other sections are told but stop nothing.
[[nodiscard]] std::optional<config::Settings> load_sections(
    const Context& context, std::initializer_list<std::string_view> needed);

// For options whose empty value would pass for an absent one: "--server $UNSET" is a mistake.
[[nodiscard]] std::string must_not_be_empty(const std::string& value);
[[nodiscard]] std::string must_be_a_count(const std::string& value);  // 1, 2, 3 ...

// "relay: MESSAGE" on stderr; returns the status, so that a command can end with it.
ExitStatus fail(std::string_view message, ExitStatus status = ExitStatus::bad);

// Each is defined in the file of its name: command_run.cpp, command_queue.cpp ...
void add_run_command(CLI::App& root, Context& context);
void add_check_command(CLI::App& root, Context& context);
void add_diagnose_command(CLI::App& root, Context& context);
void add_send_command(CLI::App& root, Context& context);
void add_queue_command(CLI::App& root, Context& context);
void add_status_command(CLI::App& root, Context& context);
void add_explain_command(CLI::App& root, Context& context);
void add_sink_command(CLI::App& root, Context& context);
void add_user_command(CLI::App& root, Context& context);
void add_vantage_command(CLI::App& root, Context& context);
void add_version_command(CLI::App& root, Context& context);

// All of them in the order of `relay --help`, or only the one that the line begins with: the
// options of all take a tenth of a start.
void add_commands(CLI::App& root, Context& context, std::string_view first_word);

}  // namespace relay
