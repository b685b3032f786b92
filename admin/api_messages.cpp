#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>

#include "admin/json.hpp"
#include "admin/routes.hpp"
#include "admin/selection.hpp"

namespace admin {

namespace json = boost::json;

namespace {

ApiResponse page_response(const std::vector<spool::Summary>& found, std::size_t limit) {
    json::array messages;
    for (const auto& summary : found) {
        if (messages.size() == limit) break;
        messages.push_back(summary_json(summary));
    }
    json::object page;
    // One more than asked for was looked up, so that the last page is known to be the last.
    page["next"] = found.size() > limit ? json::value(found[limit - 1].message.id.text())
                                        : json::value(nullptr);
    page["messages"] = std::move(messages);
    return json_response(page);
}

ApiResponse no_such_message(std::string_view id) {
    return error_response(404, "not_found", "there is no message " + valid_utf8(id));
}

ApiResponse raw_response(base::MessageId id, const spool::Body& body) {
    ApiResponse response;
    response.content_type = "message/rfc822";
    response.headers.emplace_back("Content-Disposition",
                                  "attachment; filename=\"" + id.text() + ".eml\"");
    if (body.bytes) {
        response.body = *body.bytes;
    } else {
        response.file = body.file.string();
        response.file_size = body.size;
    }
    return response;
}

}  // namespace

void list_messages(Call call) {
    base::Result<spool::Query> query = parse_query(call.target);
    if (!query) return call.done(error_response(400, "bad_request", query.error().message));
    const std::size_t limit = query->limit;
    query->limit = limit + 1;
    call.services->spool->list(
        std::move(*query),
        [done = std::move(call.done), limit](spool::Outcome<std::vector<spool::Summary>> found) {
            done(found ? page_response(*found, limit) : spool_error_response(found.error()));
        });
}

void show_message(Call call) {
    const auto id = base::MessageId::parse(call.id);
    if (!id) return call.done(no_such_message(call.id));
    call.services->spool->show(
        *id, [done = std::move(call.done)](spool::Outcome<spool::Details> details) {
            done(details ? json_response(details_json(*details))
                         : spool_error_response(details.error()));
        });
}

void show_raw_message(Call call) {
    const auto id = base::MessageId::parse(call.id);
    if (!id) return call.done(no_such_message(call.id));
    call.services->spool->load_body(
        *id, [done = std::move(call.done), id = *id](spool::Outcome<spool::Body> body) {
            done(body ? raw_response(id, *body) : spool_error_response(body.error()));
        });
}

}  // namespace admin
