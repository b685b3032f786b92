#include "relay/explain_reply.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "diagnose/provider_catalogue.hpp"
#include "diagnose/reply_catalogue.hpp"

namespace relay {

namespace {

// Servers copy each other's words for a refused sign-in; these are marks that they do not copy.
bool bears_mark(std::string_view text, const std::string& provider) {
    const std::string said = base::to_lower(text);
    const auto has = [&](std::string_view mark) { return said.find(mark) != said.npos; };
    if (provider == "gmail" || provider == "google-workspace-relay") {
        return has("gsmtp") || has("google");
    }
    if (provider == "microsoft365") return has("microsoft") || has("outlook") || has("office365");
    return has(provider);
}

}  // namespace

std::string explain_reply(const smtp::Reply& reply, smtp::Stage stage, std::string_view host) {
    diagnose::ReplyQuery query;
    query.code = reply.code;
    query.enhanced = reply.enhanced;
    query.text = reply.text;
    query.stage = smtp::stage_name(stage);
    const std::string speaker = diagnose::speaker_of_host(host);
    query.provider = speaker;
    const diagnose::ReplyCatalogue& catalogue = diagnose::ReplyCatalogue::built_in();
    const diagnose::ReplyEntry* entry = catalogue.explain(query);
    const bool foreign = entry != nullptr && entry->stage == "auth" && speaker.empty();
    if (foreign && !bears_mark(reply.text, entry->provider)) {
        query.no_service = true;
        entry = catalogue.explain(query);
    }
    if (entry == nullptr) return "";
    // A running relay has the password in memory: a retry alone would try the old one.
    const bool refused_sign_in = stage == smtp::Stage::auth && reply.code / 100 == 5;
    return fmt::format("{} {}{}", entry->meaning, entry->fix,
                       refused_sign_in ? " Then reload: systemctl reload relay, or SIGHUP." : "");
}

}  // namespace relay
