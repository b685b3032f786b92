#include "relay/cli.hpp"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "relay/commands.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/admin/bed.hpp"

namespace {

// What one of the standard streams gets while this lives.
class Capture {
 public:
    explicit Capture(FILE* stream) : stream_(stream), saved_(::dup(::fileno(stream))) {
        std::fflush(stream_);
        file_ = std::tmpfile();
        ::dup2(::fileno(file_), ::fileno(stream_));
    }
    ~Capture() {
        ::dup2(saved_, ::fileno(stream_));
        ::close(saved_);
        std::fclose(file_);
    }
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;
    std::string text() {
        std::fflush(stream_);
        std::string content(static_cast<std::size_t>(::lseek(::fileno(file_), 0, SEEK_END)), ' ');
        const auto count = ::pread(::fileno(file_), content.data(), content.size(), 0);
        content.resize(static_cast<std::size_t>(std::max<ssize_t>(0, count)));
        return content;
    }

 private:
    FILE* stream_;
    int saved_;
    FILE* file_;
};

struct Ran {
    int status;
    std::string output, errors;
};

Ran run(std::vector<std::string> words, const char* name = "relay") {
    words.insert(words.begin(), name);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    Capture output{stdout};
    Capture errors{stderr};
    const int status = relay::run_cli(static_cast<int>(argv.size()), argv.data());
    return {status, output.text(), errors.text()};
}

}  // namespace

TEST_CASE("a misspelt line ends with 2 and words that help", "[relay]") {
    struct Case {
        std::vector<std::string> words;
        const char* help;
    };
    const Case c = GENERATE(values<Case>({
        {{"quue"}, "unknown command \"quue\"; did you mean \"queue\"?\nSee: relay --help"},
        {{"zzzzzzzz"}, "there are run, diagnose, explain, check, send"},
        {{"queue", "lst"}, "did you mean \"list\"?\nSee: relay queue --help"},
        {{"queue"}, "a command is missing: list, show"},
        {{"queue", "show"}, "ID is required"},
        {{"queue", "list", "--jsn"}, "did you mean --json?"},
        {{"send", "--to"}, "--to needs a value"},
        {{"send"}, "--to is required"},
        {{"version", "extra"}, "unexpected argument \"extra\""},
        {{"status", "--color", "red"}, "auto, always or never"},
        {{"queue", "retry"}, "name messages by their ids"},
        {{"send", "--to", "a@b.example", "--wait", "soon"}, "--wait"},
        {{"queue", "list", "--limit", "-3"}, "--limit: must be a whole number from 1"},
        {{"queue", "list", "--limit", "0"}, "--limit: must be a whole number from 1"},
        {{"sink", "--count", "0"}, "--count: must be a whole number from 1"},
        {{"sink", "--listen", "foo"}, "--listen: \"foo\" is not HOST:PORT"},
        {{"sink", "--listen", "127.0.0.1:99999"}, "has no port: it is a number from 0 to 65535"},
        {{"sink", "--listen", "127.0.0.1:-1"}, "--listen: \"127.0.0.1:-1\" has no port"},
        {{"sink", "--tls-listen", "127.0.0.1:0x19"},
         "--tls-listen: \"127.0.0.1:0x19\" has no port"},
        {{"sink", "--listen", "unix:25"}, "is not HOST:PORT"},
        {{"vantage", "--listen", "[::1]:65536"}, "--listen: \"[::1]:65536\" has no port"},
        {{"vantage", "--listen", "127.0.0.1:"}, "--listen: \"127.0.0.1:\" is not HOST:PORT"},
        {{"sink", "--user", "a", "--password", "b", "--password-file", "/dev/null"},
         "--password and --password-file cannot both be given"},
        {{"sink", "--reply-auth", "235"}, "--reply-auth: \"235\" refuses nothing"},
        {{"sink", "--refuse-rcpt", "*=250 ok"}, "--refuse-rcpt: \"250 ok\" refuses nothing"},
        {{"send", "--to", "a@b.example", "--password-file", "x"}, "--user"},
        {{"send", "--to", "a@b.example", "--server", ""}, "--server: must not be empty"},
        {{"run", "--config", ""}, "--config: must not be empty"},
        {{"--config", "", "run"}, "--config: must not be empty"},
        {{"sink", "--without", "bogus"}, "--without: \"bogus\" is no extension"},
        {{"sink", "--no-tls", "--tls-listen", "127.0.0.1:0"}, "--tls-listen excludes --no-tls"},
        {{"init"}, "init is not available in this version"},
        {{"--config", "x", "login"}, "login is not available in this version"},
        {{"providers", "x"}, "providers is not available in this version"},
        {{"sendmail", "-t"}, "sendmail is not available in this version"},
        {{"--config", "status", "stauts"}, "did you mean \"status\"?"},
        {{"queue", "--config=x", "lst"}, "did you mean \"list\"?"},
        {{}, "Usage: relay"},
    }));
    CAPTURE(c.help);
    const Ran ran = run(c.words);
    CHECK(ran.status == 2);
    CHECK(ran.output.empty());
    CHECK_THAT(ran.errors, Catch::Contains(c.help));
}

TEST_CASE("called as sendmail or mailq it says that it is neither", "[relay]") {
    for (const char* name : {"/usr/sbin/sendmail", "mailq"}) {
        const Ran ran = run({"-t"}, name);
        CHECK(ran.status == 69);  // EX_UNAVAILABLE
        CHECK_THAT(ran.errors, Catch::Contains("is not available in this version"));
    }
}

TEST_CASE("--config may stand anywhere", "[relay]") {
    const char* const file = "/nonexistent/relay.toml";
    for (const auto& words :
         std::vector<std::vector<std::string>>{{"--config", file, "status"},
                                               {"--config", file, "queue", "list"},
                                               {"queue", "--config", file, "list"},
                                               {"status", std::string{"--config="} + file}}) {
        const Ran ran = run(words);
        CHECK(ran.status == 78);
        CHECK_THAT(ran.errors, Catch::Contains(file));
    }
    CHECK(run({"--config", file, "version"}).status == 0);
    CHECK(run({"version", "--config", file}).status == 0);
}

TEST_CASE("every command has help", "[relay]") {
    const std::vector<std::string> words =
        GENERATE(values<std::vector<std::string>>({{"--help"},
                                                   {"queue", "--help"},
                                                   {"queue", "list", "-h"},
                                                   {"send", "--help"},
                                                   {"status", "--help"},
                                                   {"version", "--help"},
                                                   {"help", "send"},
                                                   {"help"},
                                                   {"run", "--help"},
                                                   {"check", "--help"},
                                                   {"sink", "--help"},
                                                   {"user", "--help"}}));
    CAPTURE(words);
    const Ran ran = run(words);
    CHECK(ran.status == 0);
    CHECK(ran.errors.empty());
    CHECK_THAT(ran.output, Catch::Contains("Usage: relay"));
}

TEST_CASE("version in words and in JSON", "[relay]") {
    CHECK(run({"version"}).output.starts_with(std::string("relay ") + relay::version_text()));
    CHECK(run({"--version"}).status == 0);
    const Ran ran = run({"version", "--json"});
    CHECK(ran.output.starts_with("{\"version\":"));
    for (const char* name :
         {"Boost", "OpenSSL", "SQLite", "c-ares", "GNU SASL", "toml++", "spdlog"}) {
        CHECK_THAT(ran.output, Catch::Contains(std::string("\"") + name + "\":\""));
    }
}

TEST_CASE("a configuration that cannot be read ends with 78", "[relay]") {
    const std::string command = GENERATE("status", "queue");
    std::vector<std::string> words{command};
    if (command == "queue") words.emplace_back("list");
    words.insert(words.end(), {"--config", "/nonexistent/relay.toml"});
    const Ran ran = run(words);
    CHECK(ran.status == 78);
    CHECK(ran.output.empty());
    CHECK_THAT(ran.errors, Catch::Contains("/nonexistent/relay.toml"));
}

namespace {

// A spool with a message that waits and one that is delivered, and no server.
struct Left : admin_test::Bed {
    Left() {
        delivered = add();
        deliver_all();
        waiting = add();
        spool.reset();
        config = (directory / "relay.toml").string();
        std::ofstream{config} << "[smarthost]\nhost = \"127.0.0.1\"\n[spool]\ndirectory = \""
                              << (directory / "spool").string() << "\"\nmin_free = 0\n";
    }
    void deliver_all() {
        bool done = false;
        spool->take_due(base::SystemClock{}.now(), 10, [&](spool::Outcome<spool::Spool::Due> due) {
            spool::Report report;
            report.id = due->messages.front().message.id;
            spool::Report::Change change;
            change.state = spool::RecipientState::delivered;
            change.reply = {250, "2.0.0", "Ok"};
            report.changes.push_back(change);
            spool->record(std::move(report), [&](spool::Outcome<>) { done = true; });
        });
        run_until([&] { return done; });
    }
    Ran queue(std::vector<std::string> words) const {
        words.insert(words.begin(), "queue");
        words.insert(words.end(), {"--config", config});
        return run(words);
    }

    std::string waiting, delivered, config;
};

}  // namespace

TEST_CASE("queue commands work on the spool when no server runs", "[relay]") {
    const Left left;
    const auto lists = [&](const Ran& ran, const std::string& id) {
        return ran.output.find(id) != std::string::npos;
    };
    const Ran list = left.queue({"list"});
    CHECK(list.status == 0);
    CHECK(lists(list, left.waiting));
    CHECK_FALSE(lists(list, left.delivered));
    CHECK(lists(left.queue({"list", "--all"}), left.delivered));
    CHECK(lists(left.queue({"list", "--state", "delivered", "--json"}), left.delivered));
    CHECK(left.queue({"list", "--state", "held"}).output.empty());
    CHECK_THAT(left.queue({"show", left.delivered}).output, Catch::Contains("250 2.0.0 Ok"));
    CHECK(left.queue({"show", "nonsense"}).status == 1);

    const Ran exported = left.queue({"export", left.waiting});
    CHECK(exported.output == admin_test::Bed::Mail{}.content);
    const std::string directory = left.directory.string();
    CHECK(left.queue({"export", "--all", "--directory", directory}).status == 0);
    CHECK(std::filesystem::file_size(left.directory / (left.waiting + ".eml")) ==
          exported.output.size());

    CHECK(left.queue({"hold", "--all"}).output == "1 message held\n");
    const Ran retry = left.queue({"retry", left.waiting});
    CHECK(retry.status == 1);
    CHECK_THAT(retry.errors, Catch::Contains("release it first"));
    CHECK(left.queue({"release", left.waiting, "--json"}).output == "{\"changed\":1}\n");
    CHECK(left.queue({"delete", "--all", "--yes"}).output == "1 message deleted\n");
    CHECK(lists(left.queue({"list", "--all"}), left.delivered));  // history is not swept along
    CHECK_THAT(left.queue({"stats"}).output, Catch::Contains("delivered   1\n"));
    const Ran status = run({"status", "--json", "--config", left.config});
    CHECK(status.status == 1);
    CHECK(status.output.starts_with("{\"running\":false,\"queue\":{"));
    CHECK_THAT(status.errors, Catch::Contains("no relay runs"));
    const Ran send = run({"send", "--to", "a@example.org", "--config", left.config});
    CHECK(send.status == 1);
    CHECK_THAT(send.errors, Catch::Contains("relay run"));
}
