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
    return entry == nullptr ? "" : fmt::format("{} {}", entry->meaning, entry->fix);
}

}  // namespace relay
