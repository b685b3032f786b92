#include <unistd.h>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <set>

#include "admin/json.hpp"
#include "admin/target.hpp"
#include "base/message_id.hpp"
#include "relay/commands.hpp"
#include "relay/queue_export.hpp"
#include "relay/queue_report.hpp"
#include "relay/queue_selection.hpp"

namespace relay {

namespace json = boost::json;

namespace {

bool needs_no_question() { return true; }

// Runs a verb with the way to the queue, which every one of them needs first. Until the question is
// answered, the spool is anybody's.
ExitStatus with_channel(const Context& context, Purpose purpose,
                        const std::function<ExitStatus(ControlChannel&)>& verb,
                        const std::function<bool()>& confirmed = needs_no_question) {
    const auto settings = load_sections(context, {"spool"});
    if (!settings) return ExitStatus::config;
    if (!confirmed()) return fail("nothing was deleted");
    const auto channel = open_control(settings->spool, purpose);
    if (!channel) return fail(channel.error().message);
    return verb(**channel);
}

std::string message_target(const std::string& id) {
    return "/api/v1/messages/" + admin::percent_encode(id);
}

// list

ExitStatus list_as_json(ControlChannel& channel, const SelectionOptions& options) {
    json::array messages;
    const auto done = for_each_page(channel, options, [&](const json::array& page) {
        messages.insert(messages.end(), page.begin(), page.end());
    });
    if (!done) return fail(done.error().message);
    json::object all;
    all["messages"] = std::move(messages);
    all["next"] = done->empty() ? json::value(nullptr) : json::value(*done);
    print(admin::json_line(std::move(all)));
    return ExitStatus::done;
}

ExitStatus list_as_table(ControlChannel& channel, const SelectionOptions& options,
                         const Terminal& terminal) {
    std::size_t count = 0;
    const auto done = for_each_page(channel, options, [&](const json::array& page) {
        count += page.size();
        if (!page.empty()) print(message_table(page, terminal, base::SystemClock{}.now()));
    });
    if (!done) return fail(done.error().message);
    if (terminal.interactive && count == 0) print("No message " + options.words() + ".\n");
    // Not among the lines that a script counts.
    if (!done->empty()) {
        std::fputs(("More messages remain; the next follow with --cursor " + *done + "\n").c_str(),
                   stderr);
    }
    return ExitStatus::done;
}

void add_list(CLI::App& queue, Context& context) {
    auto options = std::make_shared<SelectionOptions>();
    CLI::App* command =
        add_command(queue, context, "list", "List messages that wait (or those selected)",
                    {.json = true}, [options, &context] {
                        if (options->all && options->state.empty()) options->state = "all";
                        return with_channel(context, Purpose::look, [&](ControlChannel& channel) {
                            const Terminal terminal = standard_output(context.color);
                            return context.json ? list_as_json(channel, *options)
                                                : list_as_table(channel, *options, terminal);
                        });
                    });
    add_selection_options(*command, *options, "Finished messages, too");
    command->add_option("--search", options->text, "Text in an address, subject or Message-ID")
        ->type_name("TEXT");
    command->add_option("--limit", options->limit, "At most this many")
        ->type_name("N")
        ->check(must_be_a_count);
    command->add_option("--cursor", options->cursor, "Go on where a list with --limit stopped")
        ->type_name("ID")
        ->check([](const std::string& text) {
            return base::MessageId::parse(text)
                       ? std::string{}
                       : std::string{"must be what a list with --limit gave as the next"};
        });
}

// show

void add_show(CLI::App& queue, Context& context) {
    auto id = std::make_shared<std::string>();
    CLI::App* command = add_command(
        queue, context, "show", "Tell one message's story", {.json = true}, [id, &context] {
            return with_channel(context, Purpose::look, [&](ControlChannel& channel) {
                const auto message = call_api(channel, "GET", message_target(*id));
                if (!message) return fail(message.error().message);
                print(context.json
                          ? admin::json_line(*message)
                          : message_story(ApiView{*message}, standard_output(context.color),
                                          base::SystemClock{}.now(), channel.online()));
                return ExitStatus::done;
            });
        });
    command->add_option("ID", *id, "The message")->required();
}

// retry, hold, release, delete

struct Verb {
    const char* name;
    const char* description;
    const char* past;          // "3 messages WORD"
    const char* past_offline;  // the same when no server runs
    const char* method;        // for one message
    const char* suffix;        // of its target
};

constexpr Verb verbs[] = {
    {"retry", "Try to deliver now, also when a smarthost is paused", "will be tried now",
     "will be tried as soon as relay runs", "POST", "/retry"},
    {"hold", "Keep messages back until they are released", "held", "held", "POST", "/hold"},
    {"release", "Let held messages go", "released", "released", "POST", "/release"},
    {"delete", "Delete messages for good, without a report to their senders", "deleted", "deleted",
     "DELETE", ""},
};

struct Changed {
    std::uint64_t count = 0;
    bool failed = false;
};

// One by one, so that each message that could not be changed gets its reason. Once each.
Changed change_ids(ControlChannel& channel, const Verb& verb, const std::vector<std::string>& ids) {
    Changed changed;
    std::set<std::string> named;
    for (const std::string& id : ids) {
        if (!named.insert(id).second) continue;
        const auto answer = call_api(channel, verb.method, message_target(id) + verb.suffix);
        if (answer) {
            changed.count += ApiView{*answer}.number("changed");
        } else {
            fail(answer.error().message);
            changed.failed = true;
        }
    }
    return changed;
}

Changed change_selection(ControlChannel& channel, const Verb& verb,
                         const SelectionOptions& options) {
    Changed changed;
    const auto answer =
        call_api(channel, "POST", std::string("/api/v1/messages/") + verb.name, options.body());
    if (answer) {
        changed.count = ApiView{*answer}.number("changed");
    } else {
        fail(answer.error().message);
        changed.failed = true;
    }
    return changed;
}

// A script that does not say --yes may have selected more than it meant, and nobody can be asked.
bool unasked(const Verb& verb, const SelectionOptions& options) {
    return std::string_view{verb.name} == "delete" && options.ids.empty() && !options.yes &&
           ::isatty(STDIN_FILENO) != 1;
}

bool confirmed(const Verb& verb, const SelectionOptions& options) {
    if (options.yes || !options.ids.empty() || std::string_view{verb.name} != "delete") return true;
    const std::string question =
        "Delete every message " + options.which() + "? This cannot be undone. [y/N] ";
    std::fputs(question.c_str(), stderr);
    char answer[16] = {};
    if (std::fgets(answer, sizeof answer, stdin) == nullptr) return false;
    return answer[0] == 'y' || answer[0] == 'Y';
}

ExitStatus change(ControlChannel& channel, const Context& context, const Verb& verb,
                  const SelectionOptions& options) {
    const char* past = channel.online() ? verb.past : verb.past_offline;
    const Changed changed = options.ids.empty() ? change_selection(channel, verb, options)
                                                : change_ids(channel, verb, options.ids);
    if (context.json) {
        json::object object;
        object["changed"] = changed.count;
        print(admin::json_line(object));
    } else if (changed.count > 0 || !changed.failed) {
        const std::string noun = changed.count == 1 ? " message " : " messages ";
        print(std::to_string(changed.count) + noun + past + "\n");
    }
    return changed.failed ? ExitStatus::bad : ExitStatus::done;
}

void add_verb(CLI::App& queue, Context& context, const Verb& verb) {
    auto options = std::make_shared<SelectionOptions>();
    CLI::App* command = add_command(
        queue, context, verb.name, verb.description, {.json = true}, [options, &context, &verb] {
            if (const auto problem = options->problem()) return fail(*problem, ExitStatus::usage);
            if (unasked(verb, *options)) {
                return fail("deleting every message " + options->which() +
                                " needs --yes, as there "
                                "is no terminal to ask on",
                            ExitStatus::usage);
            }
            return with_channel(
                context, Purpose::change,
                [&](ControlChannel& channel) { return change(channel, context, verb, *options); },
                [&] { return confirmed(verb, *options); });
        });
    command->add_option("ID", options->ids, "Messages");
    add_selection_options(*command, *options, "Every message that waits");
    if (std::string_view{verb.name} == "delete") {
        command->add_flag("--yes,-y", options->yes, "Do not ask");
    }
}

// export

void add_export(CLI::App& queue, Context& context) {
    auto options = std::make_shared<SelectionOptions>();
    auto where = std::make_shared<ExportOptions>();
    CLI::App* command = add_command(
        queue, context, "export", "Write messages as .eml files", {}, [options, where, &context] {
            if (const auto problem = options->problem()) return fail(*problem, ExitStatus::usage);
            return with_channel(context, Purpose::look, [&](ControlChannel& channel) {
                return export_messages(channel, *options, *where);
            });
        });
    command->add_option("ID", options->ids, "Messages");
    add_selection_options(*command, *options, "Every message that waits");
    CLI::Option* file = command->add_option("-o,--output", where->file,
                                            "File for a single message (standard output)");
    file->type_name("FILE");
    command->add_option("--directory", where->directory, "Folder for ID.eml files")
        ->type_name("DIR")
        ->excludes(file);
}

// stats

void add_stats(CLI::App& queue, Context& context) {
    add_command(queue, context, "stats", "Count messages and bytes", {.json = true}, [&context] {
        return with_channel(context, Purpose::look, [&](ControlChannel& channel) {
            const auto stats = call_api(channel, "GET", "/api/v1/stats");
            if (!stats) return fail(stats.error().message);
            print(context.json ? admin::json_line(*stats)
                               : stats_text(ApiView{*stats}, base::SystemClock{}.now()));
            return ExitStatus::done;
        });
    });
}

}  // namespace

void add_queue_command(CLI::App& root, Context& context) {
    CLI::App* queue = add_command_group(
        root, "queue", "Look at the spool and act on it, whether the server runs or not");
    add_list(*queue, context);
    add_show(*queue, context);
    for (const Verb& verb : verbs) add_verb(*queue, context, verb);
    add_export(*queue, context);
    add_stats(*queue, context);
}

}  // namespace relay
