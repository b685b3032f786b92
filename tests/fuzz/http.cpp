// What an HTTP request can bring to the API: a target, a selection, headers about its origin.
#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "admin/access.hpp"
#include "admin/selection.hpp"
#include "admin/target.hpp"
#include "base/text.hpp"
#include "tests/fuzz/check.hpp"

namespace {

bool is_loopback_literal(std::string name) {
    in6_addr six{};
    in_addr four{};
    if (::inet_pton(AF_INET, name.c_str(), &four) == 1) {
        return reinterpret_cast<const unsigned char*>(&four)[0] == 127;
    }
    name.resize(std::min(name.find('%'), name.size()));  // a zone
    return ::inet_pton(AF_INET6, name.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

// Whether a Host header names a listener on 127.0.0.1:8025, found out anew: the port is there and
// is 8025, and the name is localhost, below localhost, or a literal that is a loopback address.
bool names_us(std::string_view host) {
    const std::size_t colon = host.rfind(':');
    if (colon == std::string_view::npos) return false;  // port 80
    std::string_view port = host.substr(colon + 1);
    std::string_view name = host.substr(0, colon);
    if (port.find_first_not_of("0123456789") != std::string_view::npos) return false;
    port.remove_prefix(std::min(port.find_first_not_of('0'), port.size()));
    if (port != "8025" || name.find('\0') != std::string_view::npos) return false;
    if (name.starts_with('[')) {
        if (name.find(']') != name.size() - 1) return false;
        name = name.substr(1, name.size() - 2);
    } else if (name.find(':') != std::string_view::npos) {
        return false;
    }
    return base::equals_ignoring_case(name, "localhost") ||
           base::to_lower(name).ends_with(".localhost") || is_loopback_literal(std::string{name});
}

}  // namespace

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
    if (lines.size() > 3) facts.fetch_site = lines[3];
    admin::ListenFacts listen;
    listen.configured_host = "127.0.0.1";
    listen.local_address = "127.0.0.1";
    listen.local_port = 8025;
    const bool same_site =
        facts.fetch_site.empty() || facts.fetch_site == "same-origin" || facts.fetch_site == "none";
    const bool same_origin = same_site && (facts.origin.empty() ||
                                           base::equals_ignoring_case(
                                               facts.origin, "http://" + std::string{facts.host}));
    const bool allowed = !admin::check_access(facts, listen);
    fuzz::require(!allowed || names_us(facts.host), "a foreign Host is refused");
    fuzz::require(!allowed || same_origin, "a foreign Origin is refused");
    fuzz::require(allowed || !names_us(facts.host) || !same_origin, "our own Host is allowed");
    listen.token = base::Secret{"the token that nobody knows"};
    fuzz::require(
        admin::check_access(facts, listen).has_value() ||
            facts.authorization.find("the token that nobody knows") != std::string_view::npos,
        "without the token nothing is allowed");
    return 0;
}
