#include "relay/write_fix.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/text.hpp"
#include "config/edit.hpp"
#include "config/system_defaults.hpp"
#include "diagnose/sample_block.hpp"
#include "relay/commands.hpp"

namespace relay {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view sample_host = diagnose::sample_host, sample_user = diagnose::sample_user,
                           sample_file = diagnose::sample_password_file;

bool has_sample(const std::string& config, std::string_view sample) {
    return config.find(fmt::format("\"{}\"", sample)) != std::string::npos;
}

const diagnose::Fix* fix_with_config(const diagnose::Report& report) {
    for (const diagnose::Fix& fix : report.fixes) {
        if (!fix.config.empty()) return &fix;
    }
    return nullptr;
}

void tell(const std::string& text) { std::fputs(("relay: " + text + "\n").c_str(), stderr); }

std::string read_file(const fs::path& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

bool agreed(const std::string& question) {
    std::fputs((question + " [y/N] ").c_str(), stderr);
    std::string answer;
    if (!std::getline(std::cin, answer)) return false;
    const std::string word = base::to_lower(base::trim(answer));
    return word == "y" || word == "yes";
}

std::string ask(const std::string& question) {
    std::fputs((question + ": ").c_str(), stderr);
    std::string answer;
    std::getline(std::cin, answer);
    return std::string{base::trim(answer)};
}

// What the block lacks, asked for at the terminal; the error says what was no answer.
base::Result<std::string> ask_for_the_rest(const std::string& config) {
    BlockAnswers answers;
    if (has_sample(config, sample_host)) {
        tell("the block needs your provider's submission server and your account there");
        answers.host = ask("Host of the submission server, such as smtp.example.com");
    }
    if (has_sample(config, sample_user)) answers.user = ask("User name there");
    if (has_sample(config, sample_file)) {
        answers.password_file =
            ask(fmt::format("File that holds the password as its only line [{}]", sample_file));
        if (answers.password_file.empty()) answers.password_file = sample_file;
    }
    return fill_block(config, answers);
}

bool refused(const std::string& reason) {
    tell("nothing was written: " + reason);
    return false;
}

}  // namespace

fs::path default_config_file() {
    if (::geteuid() == 0) return "/etc/relay/relay.toml";
    const std::string xdg = config::environment("XDG_CONFIG_HOME");
    if (xdg.starts_with('/')) return fs::path{xdg} / "relay/relay.toml";
    const std::string home = config::environment("HOME");
    if (home.starts_with('/')) return fs::path{home} / ".config/relay/relay.toml";
    return "relay.toml";
}

base::Result<std::string> fill_block(std::string config, const BlockAnswers& answers) {
    struct Blank {
        std::string_view sample, what;
        const std::string& answer;
    };
    for (const Blank& blank :
         {Blank{sample_host, "host", answers.host}, Blank{sample_user, "user name", answers.user},
          Blank{sample_file, "password file", answers.password_file}}) {
        const std::string quoted = fmt::format("\"{}\"", blank.sample);
        const std::size_t at = config.find(quoted);
        if (at == std::string::npos) continue;
        const std::string& answer = blank.answer;
        if (answer.empty()) return base::error(fmt::format("no {} was given", blank.what));
        const bool plain = std::all_of(answer.begin(), answer.end(), [](unsigned char c) {
            return c > ' ' && c != '"' && c != '\\' && c != 0x7f;
        });
        const bool usual = blank.sample == sample_file;
        if (!plain || (answer == blank.sample && !usual)) {
            return base::error(
                fmt::format("\"{}\" is no {}", base::printable(answer, 100), blank.what));
        }
        config.replace(at, quoted.size(), fmt::format("\"{}\"", answer));
    }
    const std::string_view hint = diagnose::sample_hint;
    if (const std::size_t at = config.find(hint); at != std::string::npos) {
        config.erase(at, hint.size());
    }
    return config;
}

std::string why_not_to_ask(const std::string& text, const std::string& block) {
    // A host that nobody knows yet would be a second smarthost.
    if (has_sample(block, sample_host) && config::has_section(text, "smarthost")) {
        return "it has a [smarthost] already, and the block is for another one: change it by hand";
    }
    const base::Result<config::Edit> edit = config::put_in(text, block);
    return edit.has_value() ? std::string{} : edit.error().message;
}

bool write_fix(const diagnose::Report& report, const fs::path& file, bool yes) {
    const diagnose::Fix* fix = fix_with_config(report);
    if (fix == nullptr) {
        tell("no change of the configuration would help: nothing to write");
        return true;
    }
    std::string block = fix->config;
    const std::string text = read_file(file);
    if (has_sample(block, sample_host) || has_sample(block, sample_user)) {
        const std::string futile = why_not_to_ask(text, block);
        if (!futile.empty()) return refused(file.string() + ": " + futile);
        if (yes || ::isatty(STDIN_FILENO) != 1) {
            return refused(
                "the fix needs your own provider's host and account; put the block above into " +
                file.string() + " and fill them in");
        }
        base::Result<std::string> filled = ask_for_the_rest(block);
        if (!filled) return refused(filled.error().message);
        block = std::move(*filled);
    }
    const base::Result<config::Edit> edit = config::put_in(text, block);
    if (!edit) return refused(file.string() + ": " + edit.error().message);
    if (edit->changes.empty()) {
        tell(file.string() + " says so already: nothing to write");
        return true;
    }
    tell("changes of " + file.string() + " (" + fix->title + "):");
    for (const std::string& change : edit->changes) {
        std::fputs(("  " + base::printable(change) + "\n").c_str(), stderr);
    }
    if (!yes && !agreed("Write this to " + file.string() + "?")) {
        tell("nothing was written");
        return true;
    }
    // The first configuration of a host has no folder yet; what cannot be made is told by the
    // write.
    std::error_code ignored;
    if (file.has_parent_path()) fs::create_directories(file.parent_path(), ignored);
    const base::Result<> written = config::replace_file(file, edit->text);
    if (!written) return refused(written.error().message);
    tell("wrote " + file.string() +
         "; a running relay takes it up by SIGHUP (systemctl reload relay)");
    return true;
}

}  // namespace relay
