#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "admin/json.hpp"
#include "base/message_id.hpp"
#include "base/text.hpp"
#include "base/units.hpp"
#include "relay/commands.hpp"
#include "relay/mail_draft.hpp"
#include "relay/send_follow.hpp"
#include "relay/submission.hpp"

namespace relay {

namespace json = boost::json;
using base::Result;

namespace {

struct SendOptions {
    std::vector<std::string> to, attach;
    std::string from, subject = "Test message from relay", body, server, user, password_file;
    std::string wait = "60s";
};

// What the steps need to know of the world around the message.
struct Sending {
    std::optional<config::Settings> settings;
    std::unique_ptr<ControlChannel> channel;  // null: no server of ours to follow it through
    SubmissionTarget target;
    std::string hostname;
    base::Duration wait{};
};

Result<std::string> read_file(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    std::string content{std::istreambuf_iterator<char>{file}, {}};
    if (!file.is_open() || file.bad()) return base::error("cannot read " + path);
    return content;
}

std::string this_host() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name[0] == '\0' ? "localhost" : name;
}

std::string default_sender(const std::string& hostname) {
    const passwd* user = ::getpwuid(::getuid());
    return (user == nullptr ? std::string("relay") : std::string(user->pw_name)) + "@" + hostname;
}

// The running server's first address: as bound, so that also "systemd" and port 0 have one.
Result<SubmissionTarget> listening_target(ControlChannel& channel) {
    const auto status = call_api(channel, "GET", "/api/v1/status");
    if (!status) return status.error();
    const auto listener = ApiView{*status}.object("listener");
    if (listener) {
        for (const json::value& address : listener->list("addresses")) {
            if (address.is_string()) {
                return parse_submission_target(std::string(address.get_string()));
            }
        }
    }
    return base::error("the running relay listens on nothing; see \"relay status\"");
}

Result<void> read_credentials(const SendOptions& options, Sending& sending) {
    sending.target.username = options.user;
    if (!options.password_file.empty()) {
        const auto password = read_file(options.password_file);
        if (!password) return password.error();
        const std::string_view first = std::string_view{*password}.substr(0, password->find('\n'));
        sending.target.password = base::Secret{std::string(base::trim(first))};
    }
    const bool needed = sending.settings && options.server.empty() &&
                        sending.settings->server.auth == smtp::AuthPolicy::required;
    if (needed && options.user.empty()) {
        return base::error(
            "this relay wants its clients to sign in (server.auth is \"required\"): "
            "give --user NAME and --password-file FILE");
    }
    return {};
}

// Where the message goes in, and through what it is followed.
Result<void> choose_server(const SendOptions& options, Sending& sending) {
    if (sending.settings) {
        auto channel = connect_to_server(sending.settings->spool.directory);
        if (channel) {
            sending.channel = std::move(*channel);
        } else if (options.server.empty()) {
            return channel.error();
        }
    }
    auto target = options.server.empty() ? listening_target(*sending.channel)
                                         : parse_submission_target(options.server);
    if (!target) return target.error();
    sending.target = std::move(*target);
    sending.target.helo = sending.hostname;
    return read_credentials(options, sending);
}

Result<MailDraft> write_draft(const SendOptions& options, const Sending& sending) {
    MailDraft draft;
    draft.date = base::SystemClock{}.now();
    base::MessageIdSource ids;
    draft.message_id = ids.next(draft.date).text() + "@" + sending.hostname;
    draft.from = options.from.empty() ? default_sender(sending.hostname) : options.from;
    draft.to = base::join(options.to, ", ");
    draft.subject = options.subject;
    draft.body = options.body;
    if (options.body.empty()) draft.body = "This message was sent by \"relay send\" as a test.\n";
    if (options.body == "-") draft.body.assign(std::istreambuf_iterator<char>{std::cin}, {});
    for (const std::string& path : options.attach) {
        auto content = read_file(path);
        if (!content) return content.error();
        draft.attachments.push_back(
            {std::filesystem::path(path).filename().string(), std::move(*content)});
    }
    return draft;
}

smtp::Envelope write_envelope(const MailDraft& draft, const std::vector<std::string>& to) {
    smtp::Envelope envelope;
    envelope.reverse_path = draft.from;
    envelope.smtputf8 = !base::is_ascii(draft.from);
    for (const std::string& address : to) {
        smtp::Recipient recipient;
        recipient.address = address;
        envelope.smtputf8 = envelope.smtputf8 || !base::is_ascii(address);
        envelope.recipients.push_back(std::move(recipient));
    }
    return envelope;
}

// Tells each step as it comes, or keeps them for the JSON object at the end.
class Narrator {
 public:
    explicit Narrator(const Context& context)
        : json_(context.json), terminal_(standard_output(context.color)) {}

    void tell(SendStep step) {
        if (json_) {
            json::object object;
            object["ms"] = step.after.count();
            object["step"] = step.name;
            object["text"] = admin::valid_utf8(step.text);
            steps_.push_back(std::move(object));
            return;
        }
        const double seconds = std::chrono::duration<double>(step.after).count();
        print(fmt::format("{:>8.3f}s  {}{}\n", seconds,
                          styled(terminal_, step.style, fmt::format("{:<11}", step.name)),
                          base::printable(step.text, 2000)));
    }

    void finish(const std::string& id, const SendResult& result) {
        if (!json_) return;
        json::object object;
        object["id"] = id.empty() ? json::value(nullptr) : json::value(id);
        object["outcome"] = result.outcome;
        object["reply"] = admin::valid_utf8(result.reply);
        object["steps"] = std::move(steps_);
        print(json::serialize(object) + "\n");
    }

 private:
    bool json_;
    Terminal terminal_;
    json::array steps_;
};

// What the result means for the reader, on stderr; nothing when the mail is delivered.
ExitStatus conclude(const std::string& id, const SendResult& result) {
    if (result.outcome == "delivered" || result.outcome == "accepted") return ExitStatus::done;
    if (result.outcome == "refused") return fail("the message was refused: " + result.reply);
    if (result.outcome == "failed") {
        return fail("the message was not delivered: " + result.reply);
    }
    if (result.outcome == "gone") {
        return fail("how message " + id + " ended is in relay's log only: " + result.reply);
    }
    return fail("not delivered yet; the message stays in the queue: relay queue show " + id);
}

ExitStatus send_and_follow(const SendOptions& options, const Context& context, Sending& sending) {
    const auto begin = SendFollower::Clock::now();
    const auto draft = write_draft(options, sending);
    if (!draft) return fail(draft.error().message);
    const auto reply =
        submit_mail(sending.target, write_envelope(*draft, options.to), write_mail(*draft));
    if (!reply) return fail(reply.error().message);

    Narrator narrator{context};
    const auto tell = [&](SendStep step) { narrator.tell(std::move(step)); };
    SendStep first;
    first.after = std::chrono::duration_cast<base::Duration>(SendFollower::Clock::now() - begin);
    first.name = reply->positive() ? "accepted" : "refused";
    first.text = reply->one_line();
    first.style = reply->positive() ? Style::plain : Style::bad;
    narrator.tell(first);

    SendResult result{first.name, first.text};
    const std::string id = queued_id(*reply);
    if (reply->positive() && !id.empty() && sending.channel) {
        SendFollower follower{*sending.channel, id, begin, sending.wait, tell};
        auto followed = follower.follow();
        if (!followed) return fail(followed.error().message);
        result = std::move(*followed);
    }
    narrator.finish(id, result);
    return conclude(id, result);
}

ExitStatus send(const SendOptions& options, const Context& context) {
    Sending sending;
    const auto wait = base::parse_duration(options.wait);
    if (!wait) return fail("--wait: " + wait.error().message, ExitStatus::usage);
    sending.wait = *wait;
    sending.hostname = this_host();
    // With --server there need not be a configuration.
    if (options.server.empty() || config::find_file(context.config_file)) {
        sending.settings = load_sections(context, {"spool", "server"});
        if (!sending.settings) return ExitStatus::config;
        sending.hostname = sending.settings->server.hostname;
    }
    if (const auto chosen = choose_server(options, sending); !chosen) {
        return fail(chosen.error().message);
    }
    return send_and_follow(options, context, sending);
}

}  // namespace

void add_send_command(CLI::App& root, Context& context) {
    auto options = std::make_shared<SendOptions>();
    CLI::App* command =
        add_command(root, context, "send", "Send a test message and follow it to its final reply",
                    {.json = true}, [options, &context] { return send(*options, context); });
    command->add_option("--to", options->to, "Recipient; may be repeated")
        ->type_name("ADDRESS")
        ->required();
    command->add_option("--from", options->from, "Sender (this user at server.hostname)")
        ->type_name("ADDRESS");
    command->add_option("--subject", options->subject, "Subject")->type_name("TEXT");
    command->add_option("--body", options->body, "Text; - reads standard input")->type_name("TEXT");
    command->add_option("--attach", options->attach, "File to attach; may be repeated")
        ->type_name("FILE");
    command->add_option("--server", options->server, "Another server (the running relay)")
        ->type_name("HOST:PORT");
    CLI::Option* password =
        command->add_option("--password-file", options->password_file, "Password for --user")
            ->type_name("FILE");
    command->add_option("--user", options->user, "Sign in as")->type_name("NAME")->needs(password);
    command->add_option("--wait", options->wait, "How long to follow the message (60s)")
        ->type_name("TIME");
}

}  // namespace relay
