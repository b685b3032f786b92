#include <fmt/format.h>
#include <sys/random.h>

#include <CLI/CLI.hpp>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "base/units.hpp"
#include "relay/commands.hpp"
#include "relay/listen_socket.hpp"
#include "relay/local_file.hpp"
#include "relay/output.hpp"
#include "relay/vantage.hpp"
#include "relay/vantage_rules.hpp"

namespace relay {
namespace {

namespace asio = boost::asio;

struct VantageArguments {
    std::vector<std::string> listen{"0.0.0.0:2580", "[::]:2580"};
    std::string token_file, certificate, private_key, per_address = "6/m", in_all = "120/m";
    std::vector<std::string> trusted_proxies;
    bool quiet = false;
};

void say(std::string_view line) {
    print(std::string{line} + "\n");
    std::fflush(stdout);
}

// 128 bits from the kernel, in hex.
base::Result<std::string> make_token() {
    std::array<unsigned char, 16> bytes{};
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
        return base::error("the system gives no random bytes for a token");
    }
    std::string text;
    for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
    return text;
}

base::Result<std::string> read_token(const std::string& file) {
    const base::Result<std::string> line = read_first_line(file);
    if (!line) return line.error();
    std::string token{base::trim(*line)};
    if (token.size() < 16 || token.find_first_of(" \t#") != token.npos) {
        return base::error(fmt::format(
            "{}: the first line must be a token of at least 16 characters, without blanks and #",
            file));
    }
    return token;
}

base::Result<> read_trust(const VantageArguments& arguments, VantageOptions& options) {
    for (const std::string& text : arguments.trusted_proxies) {
        base::Result<net::Cidr> block = net::Cidr::parse(text);
        if (!block.has_value()) {
            return base::error("--trusted-proxy: " + block.error().message);
        }
        options.trusted_proxies.push_back(*block);
    }
    if (arguments.certificate.empty() != arguments.private_key.empty()) {
        return base::error("--certificate and --private-key need each other");
    }
    if (arguments.certificate.empty()) return {};
    tls::ServerOptions files;
    files.certificate = arguments.certificate;
    files.private_key = arguments.private_key;
    base::Result<tls::ServerContext> context = tls::ServerContext::load(files);
    if (!context.has_value()) return context.error();
    options.certificate = std::move(*context);
    return {};
}

base::Result<VantageOptions> read_options(const VantageArguments& arguments) {
    VantageOptions options;
    options.listen = arguments.listen;
    for (const std::string& address : options.listen) {
        const base::Result<> sound = check_listen_option(address);
        if (!sound) return base::error("--listen: " + sound.error().message);
    }
    const base::Result<base::Rate> per_address = base::parse_rate(arguments.per_address);
    if (!per_address.has_value()) return base::error("--rate: " + per_address.error().message);
    const base::Result<base::Rate> in_all = base::parse_rate(arguments.in_all);
    if (!in_all.has_value()) return base::error("--total-rate: " + in_all.error().message);
    options.per_address = *per_address;
    options.in_all = *in_all;
    const base::Result<> trust = read_trust(arguments, options);
    if (!trust.has_value()) return trust.error();
    base::Result<std::string> token =
        arguments.token_file.empty() ? make_token() : read_token(arguments.token_file);
    if (!token.has_value()) return token.error();
    options.token = base::Secret{std::move(*token)};
    return options;
}

// A token that was made here is nowhere else to be read.
void announce(const Vantage& vantage, const VantageArguments& arguments,
              const VantageOptions& options) {
    const std::string scheme = options.certificate ? "https" : "http";
    std::string port;
    for (const std::string& address : vantage.addresses()) {
        say(fmt::format("listening on {}://{}/", scheme, address));
        port = address.substr(address.rfind(':') + 1);
    }
    if (!arguments.token_file.empty()) return;
    say("token " + options.token.reveal());
    say(
        fmt::format("on the host under test: relay diagnose --inbound --vantage "
                    "'{}://THIS-HOST:{}/#{}'",
                    scheme, port, options.token.reveal()));
}

ExitStatus run_vantage(const VantageArguments& arguments) {
    const base::Result<VantageOptions> options = read_options(arguments);
    if (options.has_error()) return fail(options.error().message, ExitStatus::usage);
    asio::io_context loop{1};
    const auto log = [quiet = arguments.quiet](std::string_view line) {
        if (!quiet) say(line);
    };
    base::Result<std::unique_ptr<Vantage>> opened =
        Vantage::open(loop.get_executor(), *options, log);
    if (opened.has_error()) return fail(opened.error().message);
    Vantage& vantage = **opened;
    asio::signal_set signals{loop, SIGTERM, SIGINT};
    signals.async_wait([&](boost::system::error_code failure, int) {
        if (failure) return;
        vantage.stop();
        loop.stop();  // probes under way have nobody left to tell
    });
    announce(vantage, arguments, *options);
    vantage.start();
    loop.run();
    return ExitStatus::done;
}

}  // namespace

void add_vantage_command(CLI::App& root, Context& context) {
    const auto arguments = std::make_shared<VantageArguments>();
    CLI::App* command = add_command(
        root, context, "vantage",
        "The outside helper of diagnose --inbound: tests the mail ports of whoever asks",
        {.config = false, .json = false}, [arguments] { return run_vantage(*arguments); });
    const auto text = [&](const char* name, auto& target, const char* type, const char* help) {
        return command->add_option(name, target, help)->type_name(type);
    };
    text("--listen", arguments->listen, "HOST:PORT",
         "Where to listen; repeatable (0.0.0.0:2580 and [::]:2580)");
    text("--token-file", arguments->token_file, "FILE",
         "Its first line is the token to ask for (one is made and printed)");
    text("--certificate", arguments->certificate, "FILE", "PEM, with its chain: serve HTTPS");
    text("--private-key", arguments->private_key, "FILE", "PEM, of that certificate");
    text("--trusted-proxy", arguments->trusted_proxies, "ADDRESS",
         "Believe its X-Forwarded-For; an address or block, repeatable");
    text("--rate", arguments->per_address, "RATE", "Requests of one address (6/m)");
    text("--total-rate", arguments->in_all, "RATE", "Requests in all (120/m)");
    command->add_flag("--quiet", arguments->quiet, "Do not print a line for each request");
    command->footer(
        "It connects to ports 25, 465, 587 and 2525 of the address that asks, and to nothing "
        "else.");
}

}  // namespace relay
