#include "relay/cli.hpp"

#include <fmt/format.h>
#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "base/private_memory.hpp"
#include "base/text.hpp"
#include "relay/commands.hpp"
#include "relay/output.hpp"

#ifndef RELAY_VERSION
#define RELAY_VERSION "0.1.0"
#endif

namespace relay {

namespace {

std::vector<std::string> command_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
    return names;
}

const CLI::App* find_command(const CLI::App& app, const std::string& word) {
    for (const CLI::App* command : app.get_subcommands({})) {
        if (command->check_name(word)) return command;
    }
    return nullptr;
}

std::string full_name(const CLI::App& app) {
    const CLI::App* parent = app.get_parent();
    return parent == nullptr ? app.get_name() : full_name(*parent) + " " + app.get_name();
}

// The command that the line chose, as far as it got.
const CLI::App& deepest(const CLI::App& app) {
    const auto chosen = app.get_subcommands();
    return chosen.empty() ? app : deepest(*chosen.back());
}

ExitStatus usage_error(const CLI::App& app, const std::string& message) {
    return fail(message + "\nSee: " + full_name(app) + " --help", ExitStatus::usage);
}

// Commands that the documentation of other versions has, and what to do without them.
struct Absent {
    std::string_view name, instead;
};
constexpr Absent absent[] = {
    {"init", "write the configuration by hand, as relay.toml(5) and the examples show"},
    {"login", "set auth = \"xoauth2\" and have password_command give a valid access token"},
    {"providers", "set smarthost.host and port as the provider's instructions say"},
    {"sendmail", "have the program send by SMTP to the address of server.listen"},
    {"mailq", "\"relay queue list\" shows what waits"},
};

std::string absence(const Absent& command) {
    return fmt::format("{} is not available in this version: {}", command.name, command.instead);
}

ExitStatus unknown_command(const CLI::App& app, const std::string& word) {
    for (const Absent& command : absent) {
        if (app.get_parent() == nullptr && word == command.name) {
            return fail(absence(command), ExitStatus::usage);
        }
    }
    const std::vector<std::string> names = command_names(app);
    const std::string near = base::nearest(word, names);
    std::string message = "unknown command \"" + base::printable(word, 64) + "\"";
    message += near.empty() ? "; there are " + base::join(names, ", ")
                            : "; did you mean \"" + near + "\"?";
    return usage_error(app, message);
}

// The first word that should be a command and is none, with the app that lacks it. CLI11 would
// only call it an unexpected argument.
const std::string* misspelt_command(const CLI::App*& app, const std::vector<std::string>& words) {
    bool value = false;  // of --config, which may stand before a command
    for (const std::string& word : words) {
        if (std::exchange(value, word == "--config") || value) continue;
        if (word.starts_with("--config=")) continue;
        if (app->get_subcommands({}).empty() || word.starts_with("-")) return nullptr;
        const CLI::App* found = find_command(*app, word);
        if (found == nullptr) return &word;
        app = found;
    }
    return nullptr;
}

std::string unexpected_argument(const CLI::App& command) {
    const std::vector<std::string> rest = command.remaining();
    if (rest.empty()) return "there are too many arguments";
    const std::string& first = rest.front();
    std::string message = "unexpected argument \"" + base::printable(first, 64) + "\"";
    std::vector<std::string> known;
    for (const CLI::Option* option : command.get_options()) {
        for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    }
    const std::string near = first.starts_with("--") ? base::nearest(first, known) : "";
    if (!near.empty()) message += "; did you mean " + near + "?";
    return message;
}

ExitStatus explain(const CLI::App& root, const CLI::ParseError& error) {
    const CLI::App& command = deepest(root);
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {  // --help
        const CLI::App* parent = command.get_parent();
        print(command.help(parent == nullptr ? "" : full_name(*parent)));
        return ExitStatus::done;
    }
    if (!command.get_subcommands({}).empty()) {
        return usage_error(command,
                           "a command is missing: " + base::join(command_names(command), ", "));
    }
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
        return usage_error(command, unexpected_argument(command));
    }
    if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
        const std::string text = error.what();
        return usage_error(command, text.substr(0, text.find(':')) + " needs a value");
    }
    return usage_error(command, error.what());
}

// "relay help queue" and "relay --version" are what many try first.
void accept_habits(std::vector<std::string>& words) {
    if (words.empty()) return;
    if (words.front() == "--version" || words.front() == "-V") words.front() = "version";
    if (words.front() == "help") {
        words.erase(words.begin());
        words.emplace_back("--help");
    }
}

// Every command takes --config, --json and --color, in front too ("relay --config FILE queue
// list"). The help names them where they do something.
void accept_common_options(CLI::App& app, Context& context) {
    const std::vector<CLI::App*> commands = app.get_subcommands([](CLI::App*) { return true; });
    if (app.get_option_no_throw("--config") == nullptr) {
        CLI::Option* config = add_config_option(app, context);
        if (commands.empty()) config->group("");
    }
    if (commands.empty()) return;
    // For the help alone: move_options_behind_command() takes these two away.
    add_json_option(app, context);
    add_color_option(app, context);
    for (CLI::App* command : commands) accept_common_options(*command, context);
}

// "relay --json queue list": moved to where the command, which may not have the option, sees it.
void move_options_behind_command(const CLI::App& root, std::vector<std::string>& words) {
    std::vector<std::string> commands, moved;
    const CLI::App* app = &root;
    auto word = words.begin();
    for (; word != words.end() && !app->get_subcommands({}).empty(); ++word) {
        const bool config = word->starts_with("--config");
        const bool ours = config || *word == "--json" || word->starts_with("--color");
        if (word->starts_with("-") && !ours) break;
        const CLI::App* found = ours ? app : find_command(*app, *word);
        if (found == nullptr) {
            commands.push_back(*word++);  // a misspelt one, for whoever says so
            break;
        }
        app = found;
        std::vector<std::string>& target = ours && !config ? moved : commands;
        target.push_back(*word);
        const bool has_value = *word == "--config" || *word == "--color";
        if (has_value && std::next(word) != words.end()) target.push_back(*++word);
    }
    commands.insert(commands.end(), moved.begin(), moved.end());
    commands.insert(commands.end(), word, words.end());
    words = std::move(commands);
}

ExitStatus run_words(CLI::App& root, Context& context, std::vector<std::string> words) {
    if (words.empty()) {
        std::fputs(root.help().c_str(), stderr);
        return ExitStatus::usage;
    }
    const CLI::App* app = &root;
    if (const std::string* word = misspelt_command(app, words)) return unknown_command(*app, *word);
    try {
        std::reverse(words.begin(), words.end());  // CLI11 takes the last as the first
        root.parse(std::move(words));
    } catch (const CLI::ParseError& error) {
        return explain(root, error);
    }
    return context.action();
}

}  // namespace

const char* version_text() { return RELAY_VERSION; }

int run_cli(int argc, char** argv) {
    base::keep_memory_private();
    // A reader that went away ("relay queue list | head") shows as a failed write.
    std::signal(SIGPIPE, SIG_IGN);
    // Until `relay run` opens the log of its configuration, only trouble is worth a line.
    base::LogOptions quiet;
    quiet.level = base::LogLevel::warning;
    if (const auto opened = base::open_log(quiet); !opened) {
        return static_cast<int>(fail(opened.error().message));
    }
    if (argc > 0) {
        const std::string name = std::filesystem::path{argv[0]}.filename().string();
        for (const Absent& command : absent) {
            if ((name == "sendmail" || name == "mailq") && name == command.name) {
                std::fputs((absence(command) + "\n").c_str(), stderr);
                return EX_UNAVAILABLE;
            }
        }
    }
    Context context;
    CLI::App root{"Takes an application's mail and sees it out through a smarthost.", "relay"};
    root.require_subcommand(1);
    std::vector<std::string> words{argv + 1, argv + argc};
    accept_habits(words);
    add_commands(root, context, words.empty() ? "" : words.front());
    accept_common_options(root, context);
    move_options_behind_command(root, words);
    const ExitStatus status = run_words(root, context, std::move(words));
    const std::string problem = output_problem();
    if (problem.empty() || status != ExitStatus::done) return static_cast<int>(status);
    return static_cast<int>(fail(problem));
}

}  // namespace relay
