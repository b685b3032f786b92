#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>

#include "admin/json.hpp"
#include "base/message_id.hpp"
#include "base/text.hpp"
#include "base/units.hpp"
#include "config/syntax.hpp"
#include "net/cidr.hpp"
#include "relay/commands.hpp"
#include "relay/local_file.hpp"
#include "relay/mail_draft.hpp"
#include "relay/queue_report.hpp"
#include "relay/send_follow.hpp"
#include "relay/submission.hpp"
#include "smtp/address.hpp"

namespace relay {

namespace json = boost::json;
using base::Result;

namespace {

struct SendOptions {
    std::vector<std::string> to, attach;
    std::string from, subject = "Test message from relay", server, user, password_file;
    std::optional<std::string> body;
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

std::string this_host() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name[0] == '\0' ? "localhost" : name;
}

// The address that the smarthost signs in with, for most take no other sender; else this user's.
std::string default_sender(const SendOptions& options, const Sending& sending) {
    if (sending.settings && options.server.empty()) {
        const auto& smarthosts = sending.settings->delivery.smarthosts;
        const auto first =
            std::min_element(smarthosts.begin(), smarthosts.end(),
                             [](const auto& a, const auto& b) { return a.priority < b.priority; });
        if (first != smarthosts.end() && config::address_rule(first->username)) {
            return first->username;
        }
    }
    const passwd* user = ::getpwuid(::getuid());
    return (user == nullptr ? std::string("relay") : std::string(user->pw_name)) + "@" +
           sending.hostname;
}

// The running server's first address, rather one without TLS: as bound, so that also "systemd" and
// port 0 have one.
Result<SubmissionTarget> listening_target(ControlChannel& channel) {
    const auto status = call_api(channel, "GET", "/api/v1/status");
    if (!status) return status.error();
    const auto listener = ApiView{*status}.object("listener");
    if (listener) {
        const json::array& all = listener->list("addresses");
        const json::array& tls = listener->list("tls_addresses");
        const auto with_tls = [&](const json::value& address) {
            return std::find(tls.begin(), tls.end(), address) != tls.end();
        };
        const auto plain = std::find_if_not(all.begin(), all.end(), with_tls);
        const auto chosen = plain == all.end() ? all.begin() : plain;
        if (chosen != all.end() && chosen->is_string()) {
            auto target = parse_submission_target(std::string(chosen->get_string()));
            if (target) target->implicit_tls = with_tls(*chosen);
            return target;
        }
    }
    return base::error("the running relay listens on nothing; see \"relay status\"");
}

// A connection to an address of this host comes from that address.
bool wants_header(const ListenerOptions& listener, const std::string& host) {
    if (host.starts_with("unix:")) return listener.unix_proxies;
    return std::any_of(listener.proxies.begin(), listener.proxies.end(), [&](const auto& block) {
        const auto parsed = net::Cidr::parse(block);
        return parsed && parsed->contains(host);
    });
}

Result<void> read_credentials(const SendOptions& options, Sending& sending) {
    sending.target.username = options.user;
    if (!options.password_file.empty()) {
        const auto password = read_first_line(options.password_file);
        if (!password) return password.error();
        sending.target.password = base::Secret{*password};
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
    sending.target.proxied =
        options.server.empty() && wants_header(sending.settings->listener, sending.target.host);
    return read_credentials(options, sending);
}

Result<MailDraft> write_draft(const SendOptions& options, const Sending& sending) {
    MailDraft draft;
    draft.date = base::SystemClock{}.now();
    base::MessageIdSource ids;
    draft.message_id = ids.next(draft.date).text() + "@" + sending.hostname;
    draft.from = options.from.empty() ? default_sender(options, sending) : options.from;
    draft.to = base::join(options.to, ", ");
    draft.subject = options.subject;
    draft.body = options.body.value_or("This message was sent by \"relay send\" as a test.\n");
    if (options.body == "-") draft.body.assign(std::istreambuf_iterator<char>{std::cin}, {});
    for (const std::string& path : options.attach) {
        auto content = read_local_file(path);
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

bool arrived(const SendResult& result) {
    return result.outcome == "delivered" || result.outcome == "accepted" ||
           result.outcome == "left";
}

// The first recipient who did not get it; the first of all when everybody did.
const SendResult& first_bad(const std::vector<SendResult>& results) {
    const auto bad = std::find_if_not(results.begin(), results.end(), arrived);
    return bad == results.end() ? results.front() : *bad;
}

std::string outcome_of_all(const std::vector<SendResult>& results) {
    const bool same = std::all_of(results.begin(), results.end(), [&](const SendResult& result) {
        return result.outcome == results.front().outcome;
    });
    return same ? results.front().outcome : "partial";
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

    void finish(const std::string& id, const std::vector<SendResult>& results) {
        if (!json_) return;
        json::array recipients;
        for (const SendResult& result : results) {
            json::object recipient;
            recipient["address"] = admin::valid_utf8(result.address);
            recipient["outcome"] = result.outcome;
            recipient["reply"] = admin::valid_utf8(result.reply);
            recipients.push_back(std::move(recipient));
        }
        json::object object;
        object["id"] = id.empty() ? json::value(nullptr) : json::value(id);
        object["outcome"] = outcome_of_all(results);
        object["reply"] = admin::valid_utf8(first_bad(results).reply);
        object["recipients"] = std::move(recipients);
        object["steps"] = std::move(steps_);
        print(admin::json_line(object));
    }

 private:
    bool json_;
    Terminal terminal_;
    json::array steps_;
};

// What a recipient's outcome means for the reader.
std::string meaning(const std::string& id, const SendResult& result) {
    if (result.outcome == "refused") return "the message was refused: " + result.reply;
    if (result.outcome == "failed") return "the message was not delivered: " + result.reply;
    if (result.outcome == "gone") return "how message " + id + " ended is in relay's log only";
    const std::string story = ": relay queue show " + id;
    if (result.outcome == "unknown") {
        return "unknown: the connection ended between the final dot and the reply, so nobody knows "
               "whether the mail went through; relay sends it again later" +
               story;
    }
    return "not delivered yet; the message stays in the queue" + story;
}

// On stderr, one line for each recipient who does not have the mail.
ExitStatus conclude(const std::string& id, const std::vector<SendResult>& results) {
    ExitStatus status = ExitStatus::done;
    for (const SendResult& result : results) {
        if (arrived(result)) continue;
        const std::string who = results.size() > 1 ? result.address + ": " : "";
        status = fail(base::printable(who + meaning(id, result), 2000));
    }
    return status;
}

// What the server said when it took the message, or did not; told one by one where they differ.
std::vector<SendResult> tell_replies(const std::vector<smtp::Reply>& replies,
                                     const std::vector<std::string>& to, base::Duration after,
                                     Narrator& narrator) {
    std::vector<SendResult> results;
    std::string accepted;
    for (std::size_t i = 0; i < to.size(); ++i) {
        const smtp::Reply& reply = replies[std::min(i, replies.size() - 1)];
        SendResult result{to[i], reply.positive() ? "accepted" : "refused", reply.one_line()};
        SendStep step;
        step.after = after;
        step.name = result.outcome;
        step.text = result.reply;
        if (!reply.positive()) {
            if (to.size() > 1) step.text = to[i] + ": " + result.reply;
            step.style = Style::bad;
        }
        if (!reply.positive() || accepted.empty()) narrator.tell(std::move(step));
        if (reply.positive()) accepted = queued_id(reply);
        results.push_back(std::move(result));
    }
    return results;
}

// Of whom nothing is known any more: somebody deleted the message, or no record is ever kept.
SendResult without_record(std::string address, const Sending& sending) {
    const bool none_kept = sending.settings->spool.keep_delivered == base::Duration::zero();
    if (none_kept) {
        return {
            std::move(address), "left",
            "it left the queue; how it ended is in relay's log only (spool.keep_delivered is 0)"};
    }
    return {std::move(address), "gone", "it left the queue and no record is kept of it"};
}

// Puts what came of those whom relay accepted in the place of "accepted".
void take_over(const std::vector<SendResult>& followed, const Sending& sending,
               std::vector<SendResult>& results) {
    for (SendResult& result : results) {
        if (result.outcome != "accepted") continue;
        const auto found =
            std::find_if(followed.begin(), followed.end(),
                         [&](const SendResult& each) { return each.address == result.address; });
        result = found != followed.end() ? *found : without_record(result.address, sending);
    }
}

// For when relay went away behind its acceptance.
std::string kept_for_later(const std::string& id, const SendOptions& options) {
    if (!options.server.empty()) {
        return "the server accepted the message as " + id + ", and how it went on is not known";
    }
    return "message " + id +
           " was accepted and is on disk: it is delivered when relay runs again. To look: relay "
           "queue show " +
           id;
}

ExitStatus send_and_follow(const SendOptions& options, const Context& context, Sending& sending) {
    const auto begin = SendFollower::Clock::now();
    const auto draft = write_draft(options, sending);
    if (!draft) return fail(draft.error().message);
    const auto replies =
        submit_mail(sending.target, write_envelope(*draft, options.to), write_mail(*draft));
    if (!replies) return fail(replies.error().message);

    Narrator narrator{context};
    const auto since = [&] {
        return std::chrono::duration_cast<base::Duration>(SendFollower::Clock::now() - begin);
    };
    const auto tell = [&](SendStep step) { narrator.tell(std::move(step)); };
    std::vector<SendResult> results = tell_replies(*replies, options.to, since(), narrator);
    std::string id;
    for (const smtp::Reply& reply : *replies) {
        if (id.empty() && reply.positive()) id = queued_id(reply);
    }
    if (!id.empty() && sending.channel) {
        SendFollower follower{*sending.channel, id, begin, sending.wait, tell};
        const auto followed = follower.follow();
        if (!followed) {
            narrator.finish(id, results);
            return fail(followed.error().message + "; " + kept_for_later(id, options));
        }
        // Another server's message is none of our spool's: all that is known is that it was taken.
        const bool elsewhere = followed->empty() && !options.server.empty();
        if (!elsewhere) {
            take_over(*followed, sending, results);
            for (const SendResult& result : results) {
                if (result.outcome == "refused") continue;  // told already
                if (results.size() == 1 && result.outcome != "left") continue;
                tell({since(), result.outcome, result.address + ": " + result.reply,
                      state_style(result.outcome)});
            }
        }
    }
    narrator.finish(id, results);
    return conclude(id, results);
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

// What relay's own server takes is good enough.
std::string address_problem(const std::string& text) {
    const std::string path = "<" + text + ">";
    const smtp::ParsedPath parsed = smtp::parse_path(path);
    const bool good =
        parsed.fault == smtp::PathFault::none && parsed.rest.empty() && !parsed.address.empty();
    return good ? "" : "\"" + base::printable(text, 128) + "\" is no mail address";
}

std::string sender_problem(const std::string& text) {
    if (text.empty()) return "must not be empty; without --from the usual sender is taken";
    return address_problem(text);
}

}  // namespace

void add_send_command(CLI::App& root, Context& context) {
    auto options = std::make_shared<SendOptions>();
    CLI::App* command =
        add_command(root, context, "send", "Send a test message and follow it to its final reply",
                    {.json = true}, [options, &context] { return send(*options, context); });
    command->add_option("--to", options->to, "Recipient; may be repeated")
        ->type_name("ADDRESS")
        ->required()
        ->check(address_problem);
    command
        ->add_option("--from", options->from,
                     "Sender (the smarthost's username if it is an address, else this user at "
                     "server.hostname)")
        ->type_name("ADDRESS")
        ->check(sender_problem);
    command->add_option("--subject", options->subject, "Subject")->type_name("TEXT");
    command->add_option("--body", options->body, "Text; - reads standard input")->type_name("TEXT");
    command->add_option("--attach", options->attach, "File to attach; may be repeated")
        ->type_name("FILE");
    command->add_option("--server", options->server, "Another server (the running relay)")
        ->type_name("HOST:PORT")
        ->check(must_not_be_empty);
    CLI::Option* password =
        command->add_option("--password-file", options->password_file, "Password for --user")
            ->type_name("FILE");
    CLI::Option* user = command->add_option("--user", options->user, "Sign in as")
                            ->type_name("NAME")
                            ->needs(password);
    password->needs(user);
    command->add_option("--wait", options->wait, "How long to follow the message (60s)")
        ->type_name("DURATION");
}

}  // namespace relay
