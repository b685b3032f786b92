#include "admin/json.hpp"
#include "relay/api_view.hpp"
#include "relay/commands.hpp"
#include "relay/output.hpp"
#include "relay/status_report.hpp"

namespace relay {

namespace json = boost::json;

namespace {

// What can be said when no server runs: the queue alone.
json::object offline_status(const ApiView& status) {
    json::object object;
    object["running"] = false;
    const auto queue = status.object("queue");
    object["queue"] = queue ? json::value(queue->raw()) : json::value(nullptr);
    return object;
}

ExitStatus show_status(const Context& context) {
    const auto settings = load_sections(context, {"spool"});
    if (!settings) return ExitStatus::config;
    const auto channel = open_control(settings->spool, Purpose::look);
    if (!channel) return fail(channel.error().message);
    auto status = call_api(**channel, "GET", "/api/v1/status");
    if (!status) return fail(status.error().message);
    const bool running = (*channel)->online();
    if (running) {
        (*status)["running"] = true;
    } else {
        status = offline_status(ApiView{*status});
    }
    print(context.json ? admin::json_line(*status)
                       : status_text(ApiView{*status}, standard_output(context.color),
                                     base::SystemClock{}.now()));
    if (running) return ExitStatus::done;
    return fail("no relay runs on the spool " + settings->spool.directory.string() +
                "; start \"relay run\"");
}

}  // namespace

void add_status_command(CLI::App& root, Context& context) {
    add_command(root, context, "status", "Listener, port 25, smarthosts and queue on one screen",
                {.json = true}, [&context] { return show_status(context); });
}

}  // namespace relay
