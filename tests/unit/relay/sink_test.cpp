#include "relay/sink.hpp"

#include <fmt/format.h>
#include <stdlib.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "base/base64.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/folder.hpp"
#include "tls/stream.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using relay::Sink;
using relay::SinkOptions;
using test::Folder;

namespace {

std::string content(const fs::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::vector<fs::path> files(const fs::path& directory, const char* extension) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator{directory}) {
        if (entry.path().extension() == extension) found.push_back(entry.path());
    }
    return found;
}

unsigned short port_of(const std::string& address) {
    return static_cast<unsigned short>(std::stoi(address.substr(address.rfind(':') + 1)));
}

// A client that sends what it is given and hears one reply at a time; "" once the server is gone.
class Client {
 public:
    explicit Client(asio::io_context& loop) : loop_(loop) {}

    asio::awaitable<void> connect(std::string address) {
        asio::ip::tcp::socket socket{loop_};
        const asio::ip::tcp::endpoint server{asio::ip::make_address("127.0.0.1"), port_of(address)};
        co_await socket.async_connect(server, asio::use_awaitable);
        stream_.emplace(tls::Socket{std::move(socket)});
        stream_->expires_after(10s);
    }
    asio::awaitable<bool> encrypt(std::string ca_file, std::string name) {
        tls::ClientOptions options;
        options.ca_file = ca_file;
        const auto context = tls::ClientContext::load(options);
        if (!context.has_value()) co_return false;
        const tls::ClientContext trusted = *context;
        const tls::Peer peer{name, 465};
        const auto info = co_await stream_->handshake_client(trusted, peer);
        co_return info.has_value();
    }
    asio::awaitable<std::string> reply() {
        std::array<char, 4096> buffer;
        for (;;) {
            for (std::size_t begin = 0, end; (end = heard_.find("\r\n", begin)) != heard_.npos;
                 begin = end + 2) {
                if (end < begin + 4 || heard_[begin + 3] != ' ') continue;
                std::string whole = heard_.substr(0, end);
                heard_.erase(0, end + 2);
                co_return whole;
            }
            const auto count = co_await stream_->read_some(buffer);
            if (!count.has_value()) co_return std::string{};
            heard_.append(buffer.data(), *count);
        }
    }
    asio::awaitable<std::string> say(std::string command) {
        const std::string line = command + "\r\n";
        const auto written = co_await stream_->write(line);
        if (!written.has_value()) co_return std::string{};
        std::string answer = co_await reply();
        co_return answer;
    }

 private:
    asio::io_context& loop_;
    std::optional<tls::Stream> stream_;
    std::string heard_;
};

// A sink with one loop for it and its clients.
struct Bench {
    explicit Bench(SinkOptions options) {
        options.ca_file = (folder.path() / "ca.pem").string();
        auto opened = Sink::open(loop.get_executor(), std::move(options),
                                 [this](auto line) { lines.emplace_back(line); });
        REQUIRE(opened.has_value());
        sink = std::move(*opened);
        sink->on_stopped([this] { stopped = true; });
        sink->start();
    }
    ~Bench() {
        sink->stop();
        run_until([this] { return stopped; });
        sink.reset();
        loop.restart();
        loop.poll();
    }
    void run_until(const std::function<bool()>& done) {
        const auto limit = std::chrono::steady_clock::now() + 20s;
        while (!done() && std::chrono::steady_clock::now() < limit) {
            loop.restart();
            loop.run_one_for(100ms);
        }
    }
    // Says the commands one by one and returns the replies, the greeting first.
    std::vector<std::string> converse(std::vector<std::string> commands, bool smtps = false) {
        std::vector<std::string> replies;
        bool done = false;
        const std::string address = smtps ? sink->addresses().smtps : sink->addresses().smtp;
        asio::co_spawn(loop, dialog(address, smtps, std::move(commands), replies),
                       [&](std::exception_ptr failure) {
                           CHECK(failure == nullptr);
                           done = true;
                       });
        run_until([&] { return done; });
        CHECK(done);
        return replies;
    }
    asio::awaitable<void> dialog(std::string address, bool smtps, std::vector<std::string> commands,
                                 std::vector<std::string>& replies) {
        Client client{loop};
        co_await client.connect(address);
        const std::string ca = (folder.path() / "ca.pem").string();
        if (smtps) {
            const bool secure = co_await client.encrypt(ca, "localhost");
            CHECK(secure);
        }
        std::string greeting = co_await client.reply();
        replies.push_back(greeting);
        for (const std::string& command : commands) {
            std::string answer = co_await client.say(command);
            replies.push_back(answer);
            if (command != "STARTTLS" || !answer.starts_with("220")) continue;
            const bool secure = co_await client.encrypt(ca, "localhost");
            CHECK(secure);
        }
    }

    asio::io_context loop{1};
    Folder folder;
    std::vector<std::string> lines;
    bool stopped = false;
    std::unique_ptr<Sink> sink;
};

const std::vector<std::string> one_message{"EHLO app.example", "MAIL FROM:<a@x.example>",
                                           "RCPT TO:<b@y.example>", "DATA",
                                           "Subject: hi\r\n\r\n..dot\r\n."};

std::string auth_plain(const std::string& user, const std::string& password) {
    const std::string zero(1, '\0');
    return "AUTH PLAIN " + base::base64_encode(zero + user + zero + password);
}

relay::SinkRefusal refusal(const char* pattern, const char* reply) {
    relay::SinkRefusal result;
    result.pattern = pattern;
    result.reply = *relay::parse_fault_reply(reply);
    return result;
}

}  // namespace

TEST_CASE("a sink takes a message and keeps it byte for byte", "[sink]") {
    const Folder kept;
    SinkOptions options;
    options.directory = (kept.path() / "mail").string();
    Bench bench{options};
    const auto replies = bench.converse(one_message);
    REQUIRE(replies.size() == 6);
    CHECK(replies[0].starts_with("220 "));
    CHECK(replies[5].starts_with("250 2.0.0 "));
    const auto mails = files(kept.path() / "mail", ".eml");
    REQUIRE(mails.size() == 1);
    CHECK(content(mails[0]) == "Subject: hi\r\n\r\n.dot\r\n");
    const auto envelopes = files(kept.path() / "mail", ".json");
    REQUIRE(envelopes.size() == 1);
    const auto envelope = boost::json::parse(content(envelopes[0]));
    CHECK(envelope.at("from").as_string() == "a@x.example");
    CHECK(envelope.at("to").at(0).as_string() == "b@y.example");
    CHECK(envelope.at("helo").as_string() == "app.example");
    CHECK(envelope.at("size").as_int64() == 21);
    CHECK(envelope.at("tls").is_null());
    CHECK(bench.sink->counters().messages == 1);
    CHECK(bench.sink->counters().recipients == 1);
    CHECK(bench.sink->summary().starts_with("1 message for 1 recipient ("));
    REQUIRE(bench.lines.size() == 1);
    CHECK(bench.lines[0].find(" from <a@x.example> to <b@y.example>: ") != std::string::npos);
}

TEST_CASE("a sink's STARTTLS and implicit TLS verify against its CA", "[sink]") {
    const bool smtps = GENERATE(false, true);
    CAPTURE(smtps);
    const Folder kept;
    SinkOptions options;
    options.directory = kept.path().string();
    Bench bench{options};
    std::vector<std::string> commands = one_message;
    if (!smtps) commands.insert(commands.begin(), {"EHLO app.example", "STARTTLS"});
    const auto replies = bench.converse(commands, smtps);
    CHECK(replies.back().starts_with("250 2.0.0 "));
    const auto envelopes = files(kept.path(), ".json");
    REQUIRE(envelopes.size() == 1);
    const auto envelope = boost::json::parse(content(envelopes[0]));
    CHECK(envelope.at("tls").at("version").as_string() == "TLSv1.3");
    CHECK(bench.lines.back().find("TLSv1.3") != std::string::npos);
}

TEST_CASE("a sink with a user lets that one in", "[sink]") {
    SinkOptions options;
    options.user = "app";
    options.password = base::Secret{"pencil"};
    Bench bench{options};
    const auto wrong = bench.converse({"EHLO c", "MAIL FROM:<a@x.example>",
                                       auth_plain("app", "pen"), auth_plain("ap", "pencil")});
    CHECK(wrong[2].starts_with("530 "));
    CHECK(wrong[3].starts_with("535 "));
    CHECK(wrong[4].starts_with("535 "));
    std::vector<std::string> commands = one_message;
    commands.insert(commands.begin() + 1, auth_plain("app", "pencil"));
    const auto right = bench.converse(commands);
    CHECK(right[2].starts_with("235 "));
    CHECK(right.back().starts_with("250 "));
    CHECK(bench.lines.back().ends_with(", user app"));
}

TEST_CASE("a sink refuses what it is told to refuse", "[sink]") {
    SinkOptions options;
    options.faults.recipients.push_back(refusal("*@no.example", "551 5.1.6 Moved"));
    options.faults.recipients.push_back(refusal("later@*", "450 4.2.1 Busy"));
    options.faults.senders.push_back(refusal("bad@*", "550 5.7.1 Not you"));
    Bench bench{options};
    const auto replies = bench.converse({"EHLO c", "MAIL FROM:<bad@x.example>",
                                         "MAIL FROM:<a@x.example>", "RCPT TO:<b@no.example>",
                                         "RCPT TO:<later@y.example>", "RCPT TO:<b@y.example>"});
    REQUIRE(replies.size() == 7);
    CHECK(replies[2] == "550 5.7.1 Not you");
    CHECK(replies[3].starts_with("250 "));
    CHECK(replies[4] == "551 5.1.6 Moved");
    CHECK(replies[5] == "450 4.2.1 Busy");
    CHECK(replies[6].starts_with("250 "));
    CHECK(bench.sink->counters().refused == 3);
    CHECK(bench.lines.size() == 3);
}

TEST_CASE("a sink answers messages and sign-ins as told", "[sink]") {
    SinkOptions options;
    options.faults.data_reply = *relay::parse_fault_reply("451 4.3.0 Later");
    options.faults.auth_reply = *relay::parse_fault_reply("454 4.7.0 Busy");
    Bench bench{options};
    CHECK(bench.converse({"EHLO c", auth_plain("a", "b")})[2] == "454 4.7.0 Busy");
    options.faults.auth_reply.reset();
    Bench open{options};
    CHECK(open.converse(one_message).back() == "451 4.3.0 Later");
    CHECK(open.sink->counters().messages == 0);
}

TEST_CASE("extensions left out are not offered", "[sink]") {
    SinkOptions options;
    options.faults.hidden = {"STARTTLS", "CHUNKING"};
    Bench bench{options};
    const std::string offered = bench.converse({"EHLO c"})[1];
    CHECK(offered.find("PIPELINING") != std::string::npos);
    CHECK(offered.find("STARTTLS") == std::string::npos);
    CHECK(offered.find("CHUNKING") == std::string::npos);
    options = {};
    options.tls = false;
    Bench plain{options};
    CHECK(plain.converse({"EHLO c"})[1].find("STARTTLS") == std::string::npos);
    CHECK(plain.sink->addresses().smtps.empty());
}

TEST_CASE("a sink drops the connection at the stage it is told", "[sink]") {
    struct Case {
        const char* stage;
        std::size_t answered;  // replies before the end, the greeting included
        std::uint64_t messages;
    };
    const Case c = GENERATE(values<Case>({{"connect", 0, 0},
                                          {"greeting", 1, 0},
                                          {"ehlo", 1, 0},
                                          {"mail", 2, 0},
                                          {"rcpt", 3, 0},
                                          {"data", 4, 0},
                                          {"body", 5, 0},
                                          {"final-dot", 5, 1}}));
    CAPTURE(c.stage);
    SinkOptions options;
    options.faults.drop = *relay::parse_drop_stage(c.stage);
    Bench bench{options};
    const auto replies = bench.converse(one_message);
    const auto end = std::find(replies.begin(), replies.end(), std::string{});
    CHECK(static_cast<std::size_t>(end - replies.begin()) == c.answered);
    CHECK(bench.sink->counters().messages == c.messages);
    CHECK(bench.sink->counters().dropped == 1);
}

TEST_CASE("delays hold the greeting and the last reply back", "[sink]") {
    SinkOptions options;
    options.faults.greeting_delay = 60ms;
    options.faults.data_delay = 60ms;
    Bench bench{options};
    const auto began = std::chrono::steady_clock::now();
    CHECK(bench.converse(one_message).back().starts_with("250 "));
    CHECK(std::chrono::steady_clock::now() - began >= 120ms);
}

TEST_CASE("a sink ends by itself after the messages it was to take", "[sink]") {
    SinkOptions options;
    options.count = 2;
    Bench bench{options};
    CHECK(bench.converse(one_message).back().starts_with("250 "));
    CHECK_FALSE(bench.stopped);
    std::vector<std::string> commands = one_message;
    commands.emplace_back("QUIT");
    CHECK(bench.converse(commands).back().starts_with("221 "));
    bench.run_until([&] { return bench.stopped; });
    CHECK(bench.stopped);
}

TEST_CASE("stopping a sink ends sessions that wait", "[sink]") {
    SinkOptions options;
    options.faults.greeting_delay = 1h;
    Bench bench{options};
    Client client{bench.loop};
    bool ended = false;
    const std::string address = bench.sink->addresses().smtp;
    asio::co_spawn(
        bench.loop,
        [](Client& who, std::string where) -> asio::awaitable<void> {
            co_await who.connect(where);
            const std::string nothing = co_await who.reply();
            CHECK(nothing.empty());
        }(client, address),
        [&](std::exception_ptr) { ended = true; });
    bench.run_until([&] { return bench.sink->counters().connections == 1; });
    bench.sink->stop();
    bench.run_until([&] { return ended && bench.stopped; });
    CHECK(ended);
    CHECK(bench.stopped);
}

TEST_CASE("the ready file tells where a sink listens", "[sink]") {
    const Folder folder;
    SinkOptions options;
    options.ready_file = (folder.path() / "ready.json").string();
    Bench bench{options};
    const auto ready = boost::json::parse(content(options.ready_file));
    CHECK(ready.at("smtp").as_string() == bench.sink->addresses().smtp.c_str());
    CHECK(ready.at("smtps").as_string() == bench.sink->addresses().smtps.c_str());
    const std::string ca = ready.at("ca").as_string().c_str();
    CHECK(content(ca).starts_with("-----BEGIN CERTIFICATE-----"));
    CHECK(std::distance(fs::directory_iterator{folder.path()}, {}) == 1);
}

TEST_CASE("a sink that cannot listen says why", "[sink]") {
    Bench bench{SinkOptions{}};
    SinkOptions options;
    const bool unusable = GENERATE(false, true);
    options.listen = unusable ? "unix:/tmp/x" : bench.sink->addresses().smtp;
    const auto taken = Sink::open(bench.loop.get_executor(), options, [](std::string_view) {});
    REQUIRE(taken.has_error());
    CHECK(taken.error().message.find(options.listen) != std::string::npos);
    if (unusable) return;
    CHECK(taken.error().message.find("address in --listen") != std::string::npos);
    options.listen = "127.0.0.1:0";
    options.tls_listen = bench.sink->addresses().smtp;
    const auto tls = Sink::open(bench.loop.get_executor(), options, [](std::string_view) {});
    REQUIRE(tls.has_error());
    CHECK(tls.error().message.find("address in --tls-listen") != std::string::npos);
}

TEST_CASE("a quiet sink prints nothing, a printing one the message", "[sink]") {
    SinkOptions options;
    options.quiet = true;
    Bench quiet{options};
    CHECK(quiet.converse(one_message).back().starts_with("250 "));
    CHECK(quiet.lines.empty());
    options.quiet = false;
    options.print = true;
    Bench printing{options};
    CHECK(printing.converse(one_message).back().starts_with("250 "));
    REQUIRE(printing.lines.size() == 2);
    CHECK(printing.lines[1] == "Subject: hi\r\n\r\n.dot\r\n");
}
