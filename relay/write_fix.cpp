#include "relay/write_fix.hpp"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/text.hpp"
#include "config/edit.hpp"
#include "config/system_defaults.hpp"
#include "relay/commands.hpp"

namespace relay {
namespace {

namespace fs = std::filesystem;

// The block of a report that knows no smarthost names no real one.
bool has_sample_values(const std::string& config) {
    return config.find("smtp.example.com") != std::string::npos;
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

bool refused(const std::string& reason) {
    tell("nothing was written: " + reason);
    return false;
}

}  // namespace

fs::path default_config_file() {
    if (::geteuid() == 0) return "/etc/relay/relay.toml";
    const std::string xdg = config::environment("XDG_CONFIG_HOME");
    if (xdg.starts_with('/')) return fs::path{xdg} / "relay/relay.toml";
    return fs::path{config::environment("HOME")} / ".config/relay/relay.toml";
}

bool write_fix(const diagnose::Report& report, const fs::path& file, bool yes) {
    const diagnose::Fix* fix = fix_with_config(report);
    if (fix == nullptr) {
        tell("no change of the configuration would help: nothing to write");
        return true;
    }
    if (has_sample_values(fix->config)) {
        return refused(
            "the fix needs your own provider's host and account; put the block above into " +
            file.string() + " and fill them in");
    }
    const base::Result<config::Edit> edit = config::put_in(read_file(file), fix->config);
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
    const base::Result<> written = config::replace_file(file, edit->text);
    if (!written) return refused(written.error().message);
    tell("wrote " + file.string() +
         "; a running relay takes it up by SIGHUP (systemctl reload relay)");
    return true;
}

}  // namespace relay
