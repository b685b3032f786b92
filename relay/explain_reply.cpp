#include "relay/explain_reply.hpp"

#include <fmt/format.h>

#include "diagnose/reply_catalogue.hpp"

namespace relay {

std::string explain_reply(const smtp::Reply& reply, smtp::Stage stage) {
    diagnose::ReplyQuery query;
    query.code = reply.code;
    query.enhanced = reply.enhanced;
    query.text = reply.text;
    query.stage = smtp::stage_name(stage);
    const diagnose::ReplyEntry* entry = diagnose::ReplyCatalogue::built_in().explain(query);
    if (entry == nullptr) return "";
    // A running relay has the password in memory: a retry alone would try the old one.
    const bool refused_sign_in = stage == smtp::Stage::auth && reply.code / 100 == 5;
    return fmt::format("{} {}{}", entry->meaning, entry->fix,
                       refused_sign_in ? " Then reload: systemctl reload relay, or SIGHUP." : "");
}

}  // namespace relay
