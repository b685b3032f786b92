#include <ares.h>
#include <gsasl.h>
#include <openssl/crypto.h>
#include <spdlog/version.h>
#include <sqlite3.h>
#include <toml++/toml.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <boost/version.hpp>

#include "admin/json.hpp"
#include "relay/cli.hpp"
#include "relay/commands.hpp"
#include "relay/output.hpp"

namespace relay {

namespace {

struct Part {
    const char* name;
    std::string version;
};

std::string dotted(int major, int minor, int patch) {
    return fmt::format("{}.{}.{}", major, minor, patch);
}

// Shared libraries say what was loaded, header-only ones what was compiled in.
std::vector<Part> parts() {
    return {
        {"Boost", dotted(BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100)},
        {"OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING)},
        {"SQLite", sqlite3_libversion()},
        {"c-ares", ares_version(nullptr)},
        {"GNU SASL", gsasl_check_version(nullptr)},
        {"toml++", dotted(TOML_LIB_MAJOR, TOML_LIB_MINOR, TOML_LIB_PATCH)},
        {"spdlog", dotted(SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH)},
        {"fmt", dotted(FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
    };
}

const char* build_type() {
#ifdef NDEBUG
    return "release";
#else
    return "debug";
#endif
}

std::string compiler() {
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

std::string as_json() {
    boost::json::object libraries;
    for (const Part& part : parts()) libraries[part.name] = part.version;
    boost::json::object object;
    object["version"] = version_text();
    object["build"] = build_type();
    object["compiler"] = compiler();
    object["libraries"] = std::move(libraries);
    return admin::json_line(object);
}

std::string as_text() {
    std::string text = fmt::format("relay {}\n{:<10}{}\n{:<10}{}\n", version_text(), "build",
                                   build_type(), "compiler", compiler());
    for (const Part& part : parts()) text += fmt::format("{:<10}{}\n", part.name, part.version);
    return text;
}

}  // namespace

void add_version_command(CLI::App& root, Context& context) {
    add_command(root, context, "version", "Version, build and library versions",
                {.config = false, .json = true}, [&context] {
                    print(context.json ? as_json() : as_text());
                    return ExitStatus::done;
                });
}

}  // namespace relay
