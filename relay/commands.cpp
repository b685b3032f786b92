#include "relay/commands.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "base/text.hpp"
#include "relay/loaded_files.hpp"

namespace relay {

std::string must_not_be_empty(const std::string& value) {
    return value.empty() ? "must not be empty" : "";
}

// CLI11 would take "-3" for a very large number.
std::string must_be_a_count(const std::string& value) {
    const bool digits = value.find_first_not_of("0123456789") == std::string::npos;
    if (digits && value.find_first_not_of('0') != std::string::npos) return {};
    return "must be a whole number from 1, not \"" + value + "\"";
}

CLI::Option* add_config_option(CLI::App& app, Context& context) {
    return app.add_option("--config", context.config_file, "Configuration file")
        ->type_name("FILE")
        ->check(must_not_be_empty);
}

CLI::Option* add_json_option(CLI::App& app, Context& context) {
    return app.add_flag("--json", context.json, "Print JSON, for programs");
}

CLI::Option* add_color_option(CLI::App& app, Context& context) {
    return app.add_option("--color", context.color, "When to use colours (auto)")
        ->type_name("auto|always|never")
        ->check([](const std::string& value) {
            const bool known = value == "auto" || value == "always" || value == "never";
            return known ? std::string{} : "must be auto, always or never, not \"" + value + "\"";
        });
}

CLI::App* add_command(CLI::App& parent, Context& context, const char* name, const char* description,
                      CommandOptions options, std::function<ExitStatus()> action) {
    CLI::App* command = parent.add_subcommand(name, description);
    if (options.config) add_config_option(*command, context);
    if (options.json) add_json_option(*command, context);
    add_color_option(*command, context);
    command->callback([&context, action = std::move(action)] { context.action = action; });
    return command;
}

CLI::App* add_command_group(CLI::App& parent, const char* name, const char* description) {
    return parent.add_subcommand(name, description)->require_subcommand(1);
}

// It may quote an argument or a server: no escape sequence may reach the terminal.
ExitStatus fail(std::string_view message, ExitStatus status) {
    constexpr std::size_t longest_line = std::size_t{64} * 1024;
    std::string text = "relay: ";
    for (const std::string_view line : base::split(message, '\n')) {
        text += base::printable(line, longest_line) + "\n";
    }
    std::fputs(text.c_str(), stderr);
    return status;
}

namespace {

// What is there, with all problems told on stderr.
std::optional<config::LoadResult> load(const Context& context, config::Reading reading,
                                       bool with_files = false) {
    const auto path = config::find_file(context.config_file);
    if (!path) {
        fail(path.error().message);
        return std::nullopt;
    }
    config::LoadResult loaded = config::load_file(*path, reading);
    if (with_files) check_files(loaded);
    for (const auto& problem : loaded.problems) {
        std::fputs((problem.text() + "\n").c_str(), stderr);
    }
    return loaded;
}

}  // namespace

std::optional<config::Settings> load_to_run(const Context& context) {
    auto loaded = load(context, config::Reading::everything, true);
    if (!loaded || !loaded->ok()) return std::nullopt;
    return std::move(loaded->settings);
}

std::optional<config::Settings> load_but_secrets(const Context& context) {
    auto loaded = load(context, config::Reading::everything);
    if (!loaded || !loaded->ok_but_secrets()) return std::nullopt;
    return std::move(loaded->settings);
}

std::optional<config::Settings> load_sections(const Context& context,
                                              std::initializer_list<std::string_view> needed) {
    auto loaded = load(context, config::Reading::file_alone);
    if (!loaded) return std::nullopt;
    const auto matters = [&](const config::Problem& problem) {
        return problem.section.empty() ||
               std::find(needed.begin(), needed.end(), problem.section) != needed.end();
    };
    if (std::any_of(loaded->problems.begin(), loaded->problems.end(), matters)) return std::nullopt;
    if (!loaded->ok()) {
        fail("this command works all the same, but \"relay run\" and a reload refuse that file");
    }
    return std::move(loaded->settings);
}

void add_commands(CLI::App& root, Context& context, std::string_view first_word) {
    struct Row {
        std::string_view name;
        void (*add)(CLI::App&, Context&);
    };
    // In the order of relay --help.
    static constexpr Row rows[] = {
        {"run", add_run_command},         {"diagnose", add_diagnose_command},
        {"explain", add_explain_command}, {"check", add_check_command},
        {"send", add_send_command},       {"queue", add_queue_command},
        {"status", add_status_command},   {"sink", add_sink_command},
        {"vantage", add_vantage_command}, {"user", add_user_command},
        {"version", add_version_command},
    };
    const auto* named = std::ranges::find(rows, first_word, &Row::name);
    if (named != std::end(rows)) return named->add(root, context);
    for (const Row& row : rows) row.add(root, context);
}

}  // namespace relay
