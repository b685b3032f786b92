// A configuration: the reader of TOML, its messages, and the sections that touch neither files
// nor commands.
#include <string>

#include "config/document.hpp"
#include "config/report.hpp"
#include "config/sections.hpp"
#include "tests/fuzz/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text{fuzz::text_of(data, size)};
    const auto root = config::parse_document(text);
    if (!root) {
        fuzz::require(!root.error().message.empty(), "a fault is put into words");
        static_cast<void>(config::line_of(text, root.error().place.line));
        return 0;
    }
    config::LoadResult result;
    config::Report report{"relay.toml", text, "."};
    config::read_delivery(report, *root, result.settings);
    config::read_spool(report, *root, result.settings);
    config::read_rewrite(report, *root, result.settings);
    config::read_policy(report, *root);
    config::read_routes(report, *root);
    config::read_probe(report, *root, result.settings);
    config::read_log(report, *root, result.settings);
    report.finish(result);
    for (const config::Problem& problem : result.problems) {
        fuzz::require(!problem.text().empty(), "a problem is put into words");
    }
    return 0;
}
