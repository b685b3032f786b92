#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "config/secrets.hpp"
#include "config/sections.hpp"
#include "config/syntax.hpp"
#include "config/system_defaults.hpp"

// The sections about running the program itself: [spool], [probe], [admin], [log].
namespace config {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr std::size_t least_token = 16;

const Choice<spool::Durability>& durability_choice() {
    static const Choice<spool::Durability> choice{
        {{"full", spool::Durability::full}, {"none", spool::Durability::none}}};
    return choice;
}

const Choice<base::LogLevel>& level_choice() {
    static const Choice<base::LogLevel> choice{{{"debug", base::LogLevel::debug},
                                                {"info", base::LogLevel::info},
                                                {"warning", base::LogLevel::warning},
                                                {"error", base::LogLevel::error}}};
    return choice;
}

const Choice<base::LogFormat>& format_choice() {
    static const Choice<base::LogFormat> choice{
        {{"text", base::LogFormat::text}, {"json", base::LogFormat::json}}};
    return choice;
}

void read_directory(TableReader& reader, std::filesystem::path& directory) {
    const FilePath codec{reader.report().folder()};
    std::string given;
    if (reader.find("directory") != nullptr) {
        reader.optional("directory", given, codec);
        directory = given;
        return;
    }
    const auto fallback = default_spool_directory(
        environment, ::geteuid() == 0,
        reader.report().folder() / std::filesystem::path{reader.report().file()}.filename());
    if (!fallback) {
        reader.fault("directory", fallback.error().message);
        return;
    }
    directory = fallback->path;
    reader.show("directory", codec.show(directory.string()), fallback->source);
}

void check_admin(TableReader& reader, const admin::Options& options, bool token) {
    if (!reader.sound("listen")) return;
    const bool local =
        std::all_of(options.listen.begin(), options.listen.end(),
                    [](const std::string& text) { return parse_endpoint(text)->local(); });
    if (!local && !token) {
        reader.fault(
            "listen",
            "others than this host can connect here: set token_file to a file with a secret of "
            "at least 16 characters (openssl rand -hex 32)");
    }
    if (!options.token.empty() && options.token.reveal().size() < least_token) {
        const std::string_view key = reader.given("token") ? "token" : "token_file";
        reader.warn(key,
                    "shorter than 16 characters, so that it can be guessed: make one with openssl "
                    "rand -hex 32");
    }
}

}  // namespace

void read_spool(Report& report, const Table& root, Settings& settings) {
    TableReader reader = open_section(report, root, "spool");
    spool::Options& options = settings.spool;
    read_directory(reader, options.directory);
    reader.optional("durability", options.durability, durability_choice());
    if (options.durability == spool::Durability::none) {
        reader.warn("durability", "\"none\" loses accepted mail when the power fails");
    }
    reader.optional("min_free", options.min_free, Size{});
    reader.optional("max_size", options.max_size, Size{1}, "(unlimited)");
    if (options.max_size && *options.max_size < settings.server.max_message_size) {
        reader.warn("max_size",
                    "smaller than server.max_message_size: the largest messages never fit");
    }
    reader.optional("keep_delivered", options.keep_delivered, Span{milliseconds{0}, days{3650}});
    reader.finish();
}

void read_probe(Report& report, const Table& root, Settings& settings) {
    TableReader reader = open_section(report, root, "probe");
    diagnose::ProbeOptions& options = settings.probe;
    reader.optional("enabled", options.enabled, Flag{});
    reader.optional("targets", options.targets, ListOf<Text>{{target_rule}},
                    "(the built-in mail servers)");
    reader.optional("timeout", options.timeout, Span{milliseconds{10}, minutes{1}});
    reader.optional("interval", options.interval, Span{milliseconds{100}, days{1}});

    std::vector<int> families{4, 6};
    reader.optional("families", families, ListOf<Choice<int>>{{{{"ipv4", 4}, {"ipv6", 6}}}});
    if (families.empty()) {
        reader.fault("families",
                     "must name \"ipv4\", \"ipv6\" or both; enabled = false turns probing off");
    }
    options.ipv4 = std::find(families.begin(), families.end(), 4) != families.end();
    options.ipv6 = std::find(families.begin(), families.end(), 6) != families.end();
    reader.finish();
}

void read_admin(Report& report, const Table& root, Settings& settings) {
    TableReader reader = open_section(report, root, "admin");
    admin::Options& options = settings.admin;
    reader.optional("listen", options.listen, ListOf<Text>{{admin_listen_rule}});
    const bool token =
        read_secret(reader, "token", {SecretForm::inline_value, SecretForm::file}, options.token);
    if (!token) reader.show("token", "(none)");
    check_admin(reader, options, token);
    reader.finish();
}

void read_log(Report& report, const Table& root, Settings& settings) {
    TableReader reader = open_section(report, root, "log");
    reader.optional("level", settings.log.level, level_choice());
    reader.optional("format", settings.log.format, format_choice());
    reader.optional("file", settings.log.file, FilePath{report.folder()}, "(stderr)");
    reader.finish();
}

}  // namespace config
