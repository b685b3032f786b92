#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "base/units.hpp"
#include "relay/commands.hpp"
#include "relay/listen_socket.hpp"
#include "relay/local_file.hpp"
#include "relay/output.hpp"
#include "relay/sink.hpp"

namespace relay {
namespace {

namespace asio = boost::asio;

// The command line as it was typed.
struct SinkArguments {
    SinkOptions options;
    bool no_tls = false, no_starttls = false, no_chunking = false;
    std::string password, password_file, max_size;
    std::vector<std::string> refuse_rcpt, refuse_sender, without;
    std::string reply_data, reply_auth, greeting_delay, delay_data, drop;
};

// Collects the first fault of several conversions.
class Reader {
 public:
    template <class T, class Parse>
    void read(const char* option, const std::string& text, T& target, Parse parse) {
        if (text.empty() || !problem_.empty()) return;
        auto value = parse(text);
        if (value.has_error()) {
            problem_ = fmt::format("{}: {}", option, value.error().message);
        } else {
            target = std::move(*value);
        }
    }
    void read_refusals(const char* option, const std::vector<std::string>& texts,
                       const smtp::Reply& usual, std::vector<SinkRefusal>& target) {
        for (const std::string& text : texts) {
            SinkRefusal refusal;
            read(option, text, refusal, [&](const auto& t) { return parse_refusal(t, usual); });
            target.push_back(std::move(refusal));
        }
    }
    void check_address(const char* option, const std::string& address) {
        if (address.empty()) return;
        const base::Result<> sound = check_listen_option(address);
        if (!sound) fault(fmt::format("{}: {}", option, sound.error().message));
    }
    void fault(std::string problem) {
        if (problem_.empty()) problem_ = std::move(problem);
    }
    [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
    std::string problem_;
};

void read_faults(const SinkArguments& arguments, Reader& reader, SinkFaults& faults) {
    const smtp::Reply unknown{550, "5.1.1", "No such user here"};
    const smtp::Reply not_yours{550, "5.7.1", "This sender is not taken here"};
    reader.read_refusals("--refuse-rcpt", arguments.refuse_rcpt, unknown, faults.recipients);
    reader.read_refusals("--refuse-sender", arguments.refuse_sender, not_yours, faults.senders);
    reader.read("--reply-data", arguments.reply_data, faults.data_reply, parse_fault_reply);
    reader.read("--reply-auth", arguments.reply_auth, faults.auth_reply, parse_refusing_reply);
    reader.read("--greeting-delay", arguments.greeting_delay, faults.greeting_delay,
                base::parse_duration);
    reader.read("--delay-data", arguments.delay_data, faults.data_delay, base::parse_duration);
    reader.read("--drop", arguments.drop, faults.drop, parse_drop_stage);
    for (const std::string& text : arguments.without) {
        std::string name;
        reader.read("--without", text, name, parse_extension);
        faults.hidden.push_back(std::move(name));
    }
    if (arguments.no_starttls) faults.hidden.emplace_back("STARTTLS");
    if (arguments.no_chunking) faults.hidden.emplace_back("CHUNKING");
}

void read_password(const SinkArguments& arguments, Reader& reader, SinkOptions& options) {
    std::string password = arguments.password;
    if (!password.empty() && !arguments.password_file.empty()) {
        reader.fault("--password and --password-file cannot both be given");
    }
    if (!arguments.password_file.empty()) {
        reader.read("--password-file", arguments.password_file, password, read_first_line);
        if (password.empty()) {
            reader.fault(fmt::format("--password-file: the first line of {} is empty",
                                     arguments.password_file));
        }
    }
    if (options.user.empty() != password.empty()) {
        reader.fault("--user and --password (or --password-file) need each other");
    }
    options.password = base::Secret{std::move(password)};
}

base::Result<SinkOptions> read_options(const SinkArguments& arguments) {
    SinkOptions options = arguments.options;
    Reader reader;
    options.tls = !arguments.no_tls;
    reader.check_address("--listen", options.listen);
    reader.check_address("--tls-listen", options.tls_listen);
    read_password(arguments, reader, options);
    reader.read("--max-size", arguments.max_size, options.max_message_size, base::parse_size);
    read_faults(arguments, reader, options.faults);
    if (!reader.problem().empty()) return base::error(reader.problem());
    return options;
}

// The lines of a sink are followed by scripts and people while it runs: nothing waits in a buffer.
void say(std::string_view line) {
    print(std::string{line} + (line.ends_with('\n') ? "" : "\n"));
    std::fflush(stdout);
}

std::string listening_line(const Sink& sink, const SinkOptions& options) {
    const SinkAddresses& addresses = sink.addresses();
    std::string text = "listening on ";
    if (!addresses.smtp.empty()) {
        text += fmt::format("{} ({})", addresses.smtp, options.tls ? "STARTTLS" : "no TLS");
    }
    if (!addresses.smtps.empty()) {
        text += fmt::format("{}{} (implicit TLS)", addresses.smtp.empty() ? "" : " and ",
                            addresses.smtps);
    }
    if (options.tls && !options.ca_file.empty()) text += "; CA in " + options.ca_file;
    return text;
}

ExitStatus run_sink(const SinkArguments& arguments) {
    const base::Result<SinkOptions> options = read_options(arguments);
    if (options.has_error()) return fail(options.error().message, ExitStatus::usage);
    asio::io_context loop{1};
    base::Result<std::unique_ptr<Sink>> opened = Sink::open(loop.get_executor(), *options, say);
    if (opened.has_error()) return fail(opened.error().message);
    Sink& sink = **opened;
    asio::signal_set signals{loop, SIGTERM, SIGINT};
    signals.async_wait([&](boost::system::error_code failure, int) {
        if (!failure) sink.stop();
    });
    sink.on_stopped([&] { signals.cancel(); });  // nothing is left to wait for: run() returns
    if (!options->quiet) say(listening_line(sink, *options));
    sink.start();
    loop.run();
    say("took " + sink.summary());
    return ExitStatus::done;
}

void add_fault_options(CLI::App& command, SinkArguments& arguments) {
    const auto text = [&](const char* name, auto& target, const char* type, const char* help) {
        command.add_option(name, target, help)->type_name(type)->group("What it does wrong");
    };
    const auto flag = [&](const char* name, bool& target, const char* help) {
        command.add_flag(name, target, help)->group("What it does wrong");
    };
    text("--refuse-rcpt", arguments.refuse_rcpt, "GLOB[=REPLY]",
         "Refuse these recipients (550 5.1.1)");
    text("--refuse-sender", arguments.refuse_sender, "GLOB[=REPLY]",
         "Refuse these senders (550 5.7.1)");
    text("--reply-data", arguments.reply_data, "REPLY",
         "Answer every message with this: \"451 4.3.0 Try later\"");
    text("--reply-auth", arguments.reply_auth, "REPLY",
         "Refuse every sign-in with this: \"535 5.7.8 No\" (the third one gets 421)");
    text("--greeting-delay", arguments.greeting_delay, "DURATION", "Wait before the greeting");
    text("--delay-data", arguments.delay_data, "DURATION", "Wait before the answer to a message");
    text("--drop", arguments.drop, "STAGE",
         "Close at connect, greeting, ehlo, mail, rcpt, data, body or final-dot (the message is "
         "taken, the reply is not given)");
    text("--without", arguments.without, "EXTENSION", "Leave it out of the EHLO reply; repeatable");
    flag("--no-starttls", arguments.no_starttls, "Do not offer STARTTLS");
    flag("--no-chunking", arguments.no_chunking, "Do not offer CHUNKING");
}

void add_options(CLI::App& command, SinkArguments& arguments) {
    SinkOptions& options = arguments.options;
    const auto text = [&](const char* name, std::string& target, const char* type,
                          const char* help) {
        command.add_option(name, target, help)->type_name(type);
    };
    text("--listen", options.listen, "HOST:PORT", "With STARTTLS (127.0.0.1:0, a free port)");
    text("--tls-listen", options.tls_listen, "HOST:PORT",
         "With implicit TLS (127.0.0.1:0; \"\" for none)");
    command.add_flag("--no-tls", arguments.no_tls, "Neither STARTTLS nor implicit TLS")
        ->excludes(command.get_option("--tls-listen"));
    text("--user", options.user, "NAME", "Require this sign-in (any is taken, none is needed)");
    text("--password", arguments.password, "PASSWORD", "Of that user");
    text("--password-file", arguments.password_file, "FILE", "Its first line is the password");
    text("--directory", options.directory, "DIR", "Keep each message as ID.eml and ID.json");
    command.add_flag("--print", options.print, "Print each message");
    command.add_flag("--quiet", options.quiet, "Print nothing but the sum at the end");
    text("--ca-out", options.ca_file, "FILE", "Write the certificate of the CA here");
    text("--ready-file", options.ready_file, "FILE", "Write the addresses here, once it listens");
    command.add_option("--count", options.count, "End after so many messages")
        ->type_name("N")
        ->check(must_be_a_count);
    text("--max-size", arguments.max_size, "SIZE", "Largest message (100MiB)");
}

}  // namespace

void add_sink_command(CLI::App& root, Context& context) {
    const auto arguments = std::make_shared<SinkArguments>();
    CLI::App* command =
        add_command(root, context, "sink", "A local smarthost for tests: takes mail, keeps it here",
                    {.config = false, .json = false}, [arguments] { return run_sink(*arguments); });
    add_options(*command, *arguments);
    add_fault_options(*command, *arguments);
}

}  // namespace relay
