#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "admin/options.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "delivery/options.hpp"
#include "diagnose/options.hpp"
#include "relay/options.hpp"
#include "smtp/options.hpp"
#include "spool/options.hpp"

namespace config {

// One fault or remark in a configuration file. Line and column count from 1; 0 when there is no
// place.
struct Problem {
    std::string file;
    unsigned line = 0, column = 0;
    std::string message;    // names the key, what is wrong and what would be right
    std::string excerpt;    // the line as written, secrets masked; "" when there is none
    std::string section{};  // "smarthost"; "" when it concerns the file as a whole
    bool secret = false;    // the file is good, and a secret that it names is not to be had here

    [[nodiscard]] std::string text() const;  // "relay.toml:3:8: ..."
};

// Where a value came from, for relay check.
struct SettingLine {
    std::string key;                // "smarthost.host", "smarthost[1].host"
    std::string value;              // as TOML; secrets masked
    std::string source;             // "relay.toml:3", "default", "$RELAY_PASSWORD", "password_file
                                    // /etc/relay/password"
    unsigned line = 0, column = 0;  // of the value; 0 when it does not stand in the file
};

struct Settings {
    smtp::ServerOptions server;
    relay::ListenerOptions listener;
    delivery::Options delivery;
    spool::Options spool;
    diagnose::ProbeOptions probe;
    admin::Options admin;
    base::LogOptions log;
    bool add_missing_headers = true;

    std::filesystem::path file;
    std::vector<Problem> warnings;       // accepted, but worth a word
    std::vector<SettingLine> effective;  // every key of the table, in its order
};

struct LoadResult {
    Settings settings;              // only meaningful when ok() or ok_but_secrets()
    std::vector<Problem> problems;  // all of them at once, in file order
    [[nodiscard]] bool ok() const { return problems.empty(); }
    // Nothing else is wrong: those secrets are empty.
    [[nodiscard]] bool ok_but_secrets() const;
};

// How much is looked at. Commands that speak to a running server have no use for its secrets, and
// whoever runs them may well have neither its rights nor its environment.
enum class Reading {
    everything,  // secrets included: files read, commands run, at most 10 s each
    file_alone,  // nothing that the file names is opened or run; secrets stay empty
};

// Reads, checks and completes a file.
[[nodiscard]] LoadResult load_file(const std::filesystem::path& path,
                                   Reading reading = Reading::everything);
// The same for text; name stands for the file in messages.
[[nodiscard]] LoadResult load_text(std::string_view text, const std::string& name);

// The first that exists of: explicit_path (must exist), $RELAY_CONFIG, ./relay.toml,
// $XDG_CONFIG_HOME/relay/relay.toml, /etc/relay/relay.toml. The error lists the places looked at.
[[nodiscard]] base::Result<std::filesystem::path> find_file(const std::string& explicit_path);

// The lines that relay needs, to show when there is no file.
[[nodiscard]] std::string_view minimal_example();

}  // namespace config
