#include "relay/queue_selection.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/serialize.hpp>

#include "admin/selection.hpp"
#include "admin/target.hpp"

namespace relay {

namespace json = boost::json;

namespace {

constexpr std::size_t page_size = 1000;
constexpr const char* waiting_states = "queued,held,unknown";

std::string state_problem(const std::string& text) {
    const auto states = admin::parse_states(text);
    return states ? std::string{} : states.error().message;
}

// Taken for no condition at all, an empty value would select everything.
std::string glob_problem(const std::string& text) {
    if (!text.empty()) return {};
    return "must not be empty; the empty sender of reports is written <>";
}

}  // namespace

std::string SelectionOptions::states() const { return state.empty() ? waiting_states : state; }

std::string SelectionOptions::words() const { return conditions() + condition_of_state(); }

std::string SelectionOptions::which() const {
    return conditions() + "that " + condition_of_state();
}

std::string SelectionOptions::conditions() const {
    std::string words;
    if (!to.empty()) words += "to " + to + " ";
    if (!from.empty()) words += "from " + from + " ";
    if (!text.empty()) words += "with \"" + text + "\" ";
    return words;
}

std::string SelectionOptions::condition_of_state() const {
    if (state.empty()) return "waits";
    return state == "all" ? "is in the spool" : "is " + state;
}

std::optional<std::string> SelectionOptions::problem() const {
    const bool selects = all || !state.empty() || !to.empty() || !from.empty();
    if (ids.empty() && !selects) {
        return "name messages by their ids, or select them with --to, --from, --state or --all";
    }
    if (!ids.empty() && selects) {
        return "name messages by ids or select them by options, not both";
    }
    return std::nullopt;
}

std::string SelectionOptions::body() const {
    json::object object;
    object["all"] = true;
    object["state"] = states();
    if (!to.empty()) object["to"] = to;
    if (!from.empty()) object["from"] = from;
    return json::serialize(object);
}

std::string SelectionOptions::query() const {
    std::string query = "state=" + admin::percent_encode(states());
    if (!to.empty()) query += "&to=" + admin::percent_encode(to);
    if (!from.empty()) query += "&from=" + admin::percent_encode(from);
    if (!text.empty()) query += "&q=" + admin::percent_encode(text);
    return query;
}

void add_selection_options(CLI::App& command, SelectionOptions& options, const char* all_means) {
    command.add_flag("--all", options.all, all_means);
    command.add_option("--to", options.to, "Recipient; * and ? stand for anything")
        ->type_name("GLOB")
        ->check(glob_problem);
    command
        .add_option("--from", options.from, "Envelope sender; likewise, and <> for the empty one")
        ->type_name("GLOB")
        ->check(glob_problem);
    command
        .add_option("--state", options.state,
                    "queued, held, unknown, delivered, failed (commas between), or all")
        ->type_name("STATE")
        ->check(state_problem);
}

base::Result<std::string> for_each_page(
    ControlChannel& channel, const SelectionOptions& options,
    const std::function<void(const json::array& messages)>& take) {
    std::size_t left = options.limit == 0 ? std::size_t(-1) : options.limit;
    std::string cursor = options.cursor;
    while (left > 0) {
        std::string target = "/api/v1/messages?" + options.query() +
                             "&limit=" + std::to_string(std::min(left, page_size));
        if (!cursor.empty()) target += "&cursor=" + admin::percent_encode(cursor);
        const auto page = call_api(channel, "GET", target);
        if (!page) return page.error();
        const json::array& messages = ApiView{*page}.list("messages");
        take(messages);
        left -= std::min(left, messages.size());
        cursor = ApiView{*page}.text("next");
        if (cursor.empty()) break;
    }
    return cursor;
}

}  // namespace relay
