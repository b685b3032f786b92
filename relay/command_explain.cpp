#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "diagnose/provider_catalogue.hpp"
#include "diagnose/reply_catalogue.hpp"
#include "relay/commands.hpp"
#include "relay/explain_report.hpp"
#include "relay/output.hpp"

namespace relay {
namespace {

void read_input(diagnose::LogExplainer& explainer) {
    std::ios::sync_with_stdio(false);
    std::string line;
    while (std::getline(std::cin, line)) explainer.add_line(line);
}

struct Options {
    std::vector<std::string> words;
    std::string provider;
};

// The catalogue of replies knows a service's regions by one name.
std::string speaker(const std::string& provider) {
    const diagnose::ProviderFacts* facts = diagnose::find_provider(provider);
    return facts == nullptr ? provider : diagnose::speaker_of_host(facts->hosts.front());
}

// Whose replies the catalogue knows: services by their presets, and exchangers.
bool is_known(const std::string& provider) {
    if (provider.empty() || diagnose::find_provider(provider) != nullptr) return true;
    const auto& entries = diagnose::ReplyCatalogue::built_in().entries();
    return std::any_of(entries.begin(), entries.end(),
                       [&](const auto& entry) { return entry.provider == provider; });
}

ExitStatus explain(const Context& context, const Options& options) {
    if (!is_known(options.provider)) {
        return fail("--provider: \"" + base::printable(options.provider, 100) +
                        "\" is no service that relay knows; leave it out when none fits",
                    ExitStatus::usage);
    }
    const std::string text = base::join(options.words, " ");
    const bool from_input = text == "-" || (text.empty() && ::isatty(STDIN_FILENO) == 0);
    diagnose::LogExplainer explainer{speaker(options.provider)};
    if (from_input) {
        read_input(explainer);
    } else {
        for (const std::string_view line : base::split(text, '\n')) explainer.add_line(line);
    }
    const std::vector<diagnose::Explanation> found = explainer.finish();
    if (found.empty()) {
        return fail(
            "there is nothing to explain: give the reply or error as text, or on standard "
            "input",
            ExitStatus::usage);
    }
    print(context.json ? explain_json(found) : explain_text(found, standard_output(context.color)));
    const bool matched = std::any_of(found.begin(), found.end(),
                                     [](const auto& explanation) { return explanation.matched; });
    return matched ? ExitStatus::done : ExitStatus::bad;
}

}  // namespace

void add_explain_command(CLI::App& root, Context& context) {
    auto options = std::make_shared<Options>();
    CLI::App* command =
        add_command(root, context, "explain",
                    "Turn a server's reply, a log line or an error into cause and fix",
                    {.config = false, .json = true},
                    [&context, options] { return explain(context, *options); });
    command->add_option("text", options->words, "The text; \"-\" or nothing reads standard input")
        ->type_name("TEXT");
    command
        ->add_option("--provider", options->provider,
                     "The smarthost that said it, when the text does not name it (gmail, ses ...)")
        ->type_name("NAME");
}

}  // namespace relay
