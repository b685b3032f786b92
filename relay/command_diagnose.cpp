#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "admin/json.hpp"
#include "base/text.hpp"
#include "base/units.hpp"
#include "config/system_defaults.hpp"
#include "diagnose/report_html.hpp"
#include "diagnose/report_json.hpp"
#include "diagnose/report_text.hpp"
#include "diagnose/report_words.hpp"
#include "relay/commands.hpp"
#include "relay/diagnose_ask.hpp"
#include "relay/diagnose_domain.hpp"
#include "relay/diagnose_inbound.hpp"
#include "relay/diagnose_run.hpp"
#include "relay/named_config.hpp"
#include "relay/output.hpp"
#include "relay/write_fix.hpp"

namespace relay {
namespace {

constexpr std::size_t widest = 100;  // longer lines are hard to read

struct DiagnoseFlags {
    std::string timeout = "15s", html, to, from, domain, selector;
    bool verbose = false, write = false, yes = false;
    InboundFlags inbound;
};

// The command line that repeats this run, for the report to name.
std::string retest_command(const Context& context, const DiagnoseFlags& flags) {
    std::string text = "relay diagnose";
    const auto add = [&text](std::string_view option, const std::string& value) {
        if (!value.empty()) text += fmt::format(" {} {}", option, shell_quoted(value));
    };
    const InboundFlags& inbound = flags.inbound;
    add("--config", context.config_file);
    add("--to", flags.to);
    add("--from", flags.from);
    add("--domain", flags.domain);
    add("--selector", flags.selector);
    if (inbound.asked()) text += " --inbound";
    if (!inbound.domain.empty()) text += " " + shell_quoted(inbound.domain);
    // Its URL may hold a secret, and reports are handed on.
    if (!inbound.vantage.empty()) text += " --vantage URL";
    add("--vantage-token-file", inbound.token_file);
    add("--vantage-ca-file", inbound.ca_file);
    if (flags.timeout != "15s") add("--timeout", flags.timeout);
    return text;
}

// "30s" as everywhere, and "30" as other tools take it.
base::Result<base::Duration> read_timeout(const std::string& text) {
    const bool number = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return std::isdigit(c) != 0;
    });
    base::Result<base::Duration> timeout = base::parse_duration(number ? text + "s" : text);
    if (timeout && *timeout < std::chrono::seconds{1}) {
        return base::error("it takes at least 1s");
    }
    return timeout;
}

// What the configuration says. No file at all is fine, nor one that only others may read: the
// direct part needs none. A file that was named, or that has faults, is not; then the reason is
// told and ok is false.
struct Found {
    bool ok = true;
    bool secrets = false;  // those of the smarthosts were read, where they are needed
    std::optional<config::Settings> settings;
};

// Whether mail leaves directly can be told without them.
void add_secrets(Found& found) {
    config::LoadResult all = config::load_file(found.settings->file);
    found.secrets = all.ok();
    if (found.secrets) {
        found.settings = std::move(all.settings);
    } else {
        fail("no smarthost is tested: " + all.problems.front().text());
    }
}

// The usual file, which this user may not read.
bool for_others(const std::filesystem::path& file) {
    if (::access(file.c_str(), R_OK) == 0 || errno != EACCES) return false;
    fail(fmt::format("no smarthost is tested: {} may not be read by this user", file.string()));
    return true;
}

Found find_settings(const Context& context, const DiagnoseFlags& flags) {
    const bool named = !context.config_file.empty() || !config::environment("RELAY_CONFIG").empty();
    if (!named) {
        const auto usual = config::find_file("");
        if (!usual || for_others(*usual)) return {};
    }
    Found found;
    const bool outbound = flags.to.empty() && flags.domain.empty() && !flags.inbound.asked();
    found.settings = outbound ? load_but_secrets(context)
                              : load_sections(context, {"server", "smarthost", "probe"});
    found.ok = found.settings.has_value();
    found.secrets = outbound;
    const bool smarthosts = found.ok && !found.settings->delivery.smarthosts.empty();
    if (!flags.to.empty() && smarthosts) add_secrets(found);
    return found;
}

Diagnosis outbound_diagnosis(const Found& found, const std::string& sender,
                             base::Duration timeout) {
    diagnose::OutboundAsk ask = found.settings ? outbound_ask(*found.settings) : outbound_ask();
    for (diagnose::SmarthostAsk& smarthost : ask.smarthosts) {
        if (!sender.empty()) smarthost.sender = sender;
    }
    ask.timeout = timeout;
    return [ask](boost::asio::any_io_executor executor, net::Resolver& resolver,
                 diagnose::Progress progress) {
        diagnose::OutboundAsk with_progress = ask;
        with_progress.progress = std::move(progress);
        return diagnose::diagnose_outbound(std::move(executor), resolver, std::move(with_progress));
    };
}

base::Result<Diagnosis> choose(const DiagnoseFlags& flags, const Found& found,
                               base::Duration timeout) {
    if (!flags.to.empty())
        return recipient_diagnosis(flags.to, flags.from, found.settings, found.secrets, timeout);
    if (!flags.domain.empty()) {
        return domain_diagnosis(flags.domain, flags.selector, found.settings, timeout);
    }
    if (flags.inbound.asked()) {
        const std::string hostname =
            found.settings ? found.settings->server.hostname : config::system_hostname();
        return inbound_diagnosis(flags.inbound, hostname, timeout);
    }
    return outbound_diagnosis(found, flags.from, timeout);
}

std::string text_for(const Context& context, const DiagnoseFlags& flags,
                     const diagnose::Report& report) {
    const Terminal terminal = standard_output(context.color);
    diagnose::TextStyle style;
    style.color = terminal.color;
    style.width = std::min(terminal.width, widest);
    style.evidence = flags.verbose;
    style.retest = retest_command(context, flags);
    return diagnose::report_text(report, style);
}

bool write_page(const std::string& file, const std::string& page) {
    if (file == "-") {
        print(page);
        return true;
    }
    std::ofstream out{file, std::ios::binary | std::ios::trunc};
    out << page;
    out.close();
    if (!out) {
        fail("--html: " + file + " cannot be written");
        return false;
    }
    std::fprintf(stderr, "relay: wrote %s\n", file.c_str());
    return true;
}

ExitStatus show(const Context& context, const DiagnoseFlags& flags,
                const diagnose::Report& report) {
    // With --html - the page is what goes to standard output.
    if (context.json) {
        diagnose::Report told = report;
        if (diagnose::worth_a_retest(report)) {
            told.fixes.push_back(diagnose::retest_fix(retest_command(context, flags)));
        }
        print(admin::json_line(diagnose::report_json(told)));
    } else if (flags.html != "-") {
        print(text_for(context, flags, report));
    }
    if (!flags.html.empty() &&
        !write_page(flags.html, diagnose::report_html(report, retest_command(context, flags)))) {
        return ExitStatus::bad;
    }
    return report.good ? ExitStatus::done : ExitStatus::bad;
}

ExitStatus diagnose_command(const Context& context, const DiagnoseFlags& flags) {
    const auto began = std::chrono::steady_clock::now();
    if (!flags.from.empty() && !is_plain_address(flags.from)) {
        return fail("--from: \"" + base::printable(flags.from, 100) +
                        "\" is no mail address; expected one such as app@example.com",
                    ExitStatus::usage);
    }
    const base::Result<base::Duration> timeout = read_timeout(flags.timeout);
    if (!timeout) return fail("--timeout: " + timeout.error().message, ExitStatus::usage);
    if (context.json && flags.html == "-") {
        return fail("--json and --html - both want standard output", ExitStatus::usage);
    }
    if (flags.write && !flags.yes && ::isatty(STDIN_FILENO) != 1) {
        return fail("--write asks before it writes, which needs a terminal; or say --yes as well",
                    ExitStatus::usage);
    }
    const Found found = find_settings(context, flags);
    if (!found.ok) return ExitStatus::config;
    const bool live = !context.json && ::isatty(STDERR_FILENO) == 1;
    // Asked for once, and with dead name servers that takes some of the time.
    if (!found.settings) static_cast<void>(config::system_hostname());
    const base::Result<Diagnosis> diagnosis = choose(flags, found, time_left(*timeout, began));
    if (!diagnosis) return fail(diagnosis.error().message, ExitStatus::usage);
    base::Result<diagnose::Report> report = run_diagnosis(*diagnosis, live, context.color);
    if (!report) return fail(report.error().message);
    name_config(*report, context.config_file);
    const ExitStatus status = show(context, flags, *report);
    if (!flags.write) return status;
    const std::filesystem::path file =
        found.settings ? found.settings->file : default_config_file();
    return write_fix(*report, file, flags.yes) ? status : ExitStatus::bad;
}

}  // namespace

void add_diagnose_command(CLI::App& root, Context& context) {
    auto flags = std::make_shared<DiagnoseFlags>();
    CLI::App* command = add_command(
        root, context, "diagnose", "Tell why mail does not leave, who stops it, and what to do",
        {.config = true, .json = true},
        [&context, flags] { return diagnose_command(context, *flags); });
    CLI::Option* to =
        command->add_option("--to", flags->to,
                            "Direct delivery to this recipient instead: each MX, each "
                            "address");
    to->type_name("ADDRESS");
    CLI::Option* from = command->add_option(
        "--from", flags->from, "The sender to ask each smarthost about, or to write to --to as");
    from->type_name("ADDRESS");
    CLI::Option* domain =
        command->add_option("--domain", flags->domain, "The mail DNS of a domain instead");
    domain->type_name("DOMAIN")->excludes(to)->excludes(from);
    command
        ->add_option("--selector", flags->selector, "With --domain: the DKIM selector to look at")
        ->type_name("NAME")
        ->needs(domain);
    add_inbound_options(*command, flags->inbound);
    flags->inbound.option->excludes(to)->excludes(from)->excludes(domain);
    command->add_option("--timeout", flags->timeout, "For the whole run (15s)")
        ->type_name("DURATION");
    command
        ->add_option("--html", flags->html,
                     "Write the report as one page too; - is standard output")
        ->type_name("FILE");
    command->add_flag("--verbose,-v", flags->verbose, "Show what each check saw, and each path");
    CLI::Option* write = command->add_flag("--write", flags->write,
                                           "Offer to put the fix into the configuration file");
    command->add_flag("--yes,-y", flags->yes, "With --write: do not ask")->needs(write);
}

}  // namespace relay
