// What an HTTP request can bring to the API: a target, a selection, headers about its origin.
#include "admin/access.hpp"
#include "admin/selection.hpp"
#include "admin/target.hpp"
#include "base/text.hpp"
#include "tests/fuzz/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = fuzz::text_of(data, size);
    if (const auto target = admin::parse_target(text)) {
        static_cast<void>(admin::parse_query(*target));
        for (const std::string& segment : target->segments) {
            const auto again = admin::parse_target("/" + admin::percent_encode(segment));
            fuzz::require(again.has_value(), "what was encoded is a target");
        }
    }
    static_cast<void>(admin::parse_selection(text));

    const auto lines = base::split(text, '\n');
    admin::RequestFacts facts;
    facts.method = "POST";
    facts.path = "/api/v1/messages";
    facts.host = lines[0];
    if (lines.size() > 1) facts.origin = lines[1];
    if (lines.size() > 2) facts.authorization = lines[2];
    admin::ListenFacts listen;
    listen.configured_host = "127.0.0.1";
    listen.local_address = "127.0.0.1";
    listen.local_port = 8025;
    const bool ours = base::starts_with_ignoring_case(facts.host, "127.0.0.1") ||
                      base::starts_with_ignoring_case(facts.host, "localhost") ||
                      base::starts_with_ignoring_case(facts.host, "[::1]");
    const bool allowed = !admin::check_access(facts, listen);
    fuzz::require(!allowed || ours, "a foreign Host is refused");
    listen.token = base::Secret{"the token that nobody knows"};
    fuzz::require(
        admin::check_access(facts, listen).has_value() ||
            facts.authorization.find("the token that nobody knows") != std::string_view::npos,
        "without the token nothing is allowed");
    return 0;
}
