#include "admin/selection.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <string>
#include <unordered_set>

#include "base/text.hpp"

namespace admin {

namespace json = boost::json;

namespace {

const std::vector<std::string> query_names{"state", "q", "to", "from", "limit", "cursor"};
const std::vector<std::string> selection_names{"ids", "all", "state", "q", "to", "from"};

base::Error unknown_name(std::string_view kind, std::string_view name,
                         const std::vector<std::string>& known) {
    std::string message = "unknown " + std::string(kind) + " \"" + base::printable(name, 64) + "\"";
    const std::string near = base::nearest(name, known);
    message += near.empty() ? "; known are " + base::join(known, ", ")
                            : "; did you mean \"" + near + "\"?";
    return base::error(std::move(message));
}

base::Error bad_id(std::string_view text) {
    return base::error("\"" + base::printable(text, 64) +
                       "\" is not a message id; ids have 12 characters, such as those of "
                       "\"relay queue list\"");
}

base::Result<std::size_t> parse_limit(std::string_view text) {
    std::size_t limit = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (error != std::errc{} || end != text.data() + text.size() || limit == 0 ||
        limit > list_limit_most) {
        return base::error("limit must be a number from 1 to " + std::to_string(list_limit_most));
    }
    return limit;
}

base::Result<void> set_parameter(spool::Query& query, std::string_view name,
                                 const std::string& value) {
    if (name == "state") {
        auto states = parse_states(value);
        if (!states) return states.error();
        query.states = std::move(*states);
    } else if (name == "q") {
        query.text = value;
    } else if (name == "to") {
        query.to = value;
    } else if (name == "from") {
        query.from = value;
    } else if (name == "limit") {
        const auto limit = parse_limit(value);
        if (!limit) return limit.error();
        query.limit = *limit;
    } else if (name == "cursor") {
        query.before = base::MessageId::parse(value);
        if (!query.before) return bad_id(value);
    } else {
        return unknown_name("parameter", name, query_names);
    }
    return {};
}

base::Result<std::vector<base::MessageId>> read_ids(const json::value& value) {
    if (!value.is_array()) return base::error("ids must be a list of message ids");
    if (value.get_array().size() > selection_ids_most) {
        return base::error("ids may name " + std::to_string(selection_ids_most) +
                           " messages at most");
    }
    std::vector<base::MessageId> ids;
    std::unordered_set<base::MessageId> named;  // twice is as good as once, and counted once
    for (const json::value& item : value.get_array()) {
        if (!item.is_string()) return base::error("ids must be a list of message ids");
        const std::string_view text{item.get_string().data(), item.get_string().size()};
        const auto id = base::MessageId::parse(text);
        if (!id) return bad_id(text);
        if (named.insert(*id).second) ids.push_back(*id);
    }
    return ids;
}

base::Result<spool::Selection> read_selection(const json::object& object) {
    spool::Selection selection;
    spool::Query query;
    bool criteria = false;
    for (const auto& [key, value] : object) {
        const std::string_view name{key.data(), key.size()};
        if (name == "ids") {
            auto ids = read_ids(value);
            if (!ids) return ids.error();
            selection.ids = std::move(*ids);
        } else if (name == "all") {
            if (!value.is_bool()) return base::error("all must be true or false");
            criteria = criteria || value.get_bool();
        } else if (name == "state" || name == "q" || name == "to" || name == "from") {
            if (!value.is_string()) {
                return base::error(std::string(name) + " must be a string");
            }
            const std::string text{value.get_string().data(), value.get_string().size()};
            const auto set = set_parameter(query, name, text);
            if (!set) return set.error();
            criteria = criteria || !text.empty();
        } else {
            return unknown_name("member", name, selection_names);
        }
    }
    if (criteria) selection.query = std::move(query);
    return selection;
}

}  // namespace

base::Result<std::vector<spool::MessageState>> parse_states(std::string_view text) {
    std::vector<spool::MessageState> states;
    if (text.empty() || text == "all") return states;
    for (const std::string_view part : base::split(text, ',')) {
        const auto state = spool::parse_state(base::trim(part));
        if (!state) {
            return base::error("unknown state \"" + base::printable(part, 64) +
                               "\"; the states are queued, held, unknown, delivered, failed, all");
        }
        states.push_back(*state);
    }
    return states;
}

base::Result<spool::Query> parse_query(const Target& target) {
    spool::Query query;
    query.limit = list_limit_default;
    for (const auto& [name, value] : target.parameters) {
        // Empty parameters are what a form sends for fields nobody filled in.
        if (value.empty() && base::nearest(name, query_names) == name) continue;
        const auto set = set_parameter(query, name, value);
        if (!set) return set.error();
    }
    return query;
}

base::Result<spool::Selection> parse_selection(std::string_view body) {
    boost::system::error_code error;
    const json::value value = json::parse({body.data(), body.size()}, error);
    if (error || !value.is_object()) {
        return base::error(
            "the request's body must be a JSON object such as {\"ids\":[\"…\"]} or "
            "{\"all\":true,\"state\":\"queued\"}");
    }
    auto selection = read_selection(value.get_object());
    if (!selection) return selection;
    if (selection->ids.empty() && !selection->query) {
        return base::error(
            "nothing is selected: name ids, or any of state, q, to, from, or say \"all\":true");
    }
    if (!selection->ids.empty() && selection->query) {
        return base::error("select by ids or by all, state, q, to, from, not by both");
    }
    return selection;
}

}  // namespace admin
