#include "base/log.hpp"

#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/bug.hpp"
#include "base/message_id.hpp"
#include "tests/support/catch.hpp"

namespace {

// A log in a file of its own; what was written is read back.
class LogFile {
 public:
    LogFile() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "relay-log-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        folder_ = pattern;
    }
    LogFile(const LogFile&) = delete;
    LogFile& operator=(const LogFile&) = delete;
    ~LogFile() {
        static_cast<void>(base::open_log({}));
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    void open(base::LogLevel level, base::LogFormat format) const {
        REQUIRE(base::open_log({level, format, path().string()}).has_value());
    }
    [[nodiscard]] std::filesystem::path path() const { return folder_ / "relay.log"; }
    [[nodiscard]] std::string text() const {
        std::ostringstream text;
        text << std::ifstream{path()}.rdbuf();
        return text.str();
    }

 private:
    std::filesystem::path folder_;
};

constexpr std::size_t time_length = std::string_view{"2026-11-24T11:12:13.123Z"}.size();

}  // namespace

TEST_CASE("a text line is time, level, message and named values", "[base]") {
    const LogFile file;
    file.open(base::LogLevel::info, base::LogFormat::text);
    const std::string nothing;
    base::log_info("delivered", {{"id", base::MessageId{1}},
                                 {"smarthost", "example"},
                                 {"reply", "250 2.0.0 Ok"},
                                 {"size", 1234},
                                 {"again", false},
                                 {"empty", ""},
                                 base::LogField::unless_empty("advice", nothing)});
    const std::string text = file.text();
    CHECK(text.substr(time_length) ==
          " info    delivered id=000000000001 smarthost=example reply=\"250 2.0.0 Ok\" size=1234 "
          "again=false empty=\"\"\n");
    CHECK(text[10] == 'T');
    CHECK(text[time_length - 1] == 'Z');
}

TEST_CASE("a JSON line is one object whose numbers are numbers", "[base]") {
    const LogFile file;
    file.open(base::LogLevel::info, base::LogFormat::json);
    const std::string nothing;
    base::log_warning("say \"no\"", {{"size", 12},
                                     {"ok", true},
                                     {"path", "C:\\x"},
                                     base::LogField::unless_empty("advice", nothing),
                                     {"text", "7"}});
    const std::string text = file.text();
    CHECK(text.starts_with("{\"time\":\"2"));
    CHECK(
        text.ends_with("\",\"level\":\"warning\",\"message\":\"say \\\"no\\\"\",\"size\":12,"
                       "\"ok\":true,\"path\":\"C:\\\\x\",\"text\":\"7\"}\n"));
}

TEST_CASE("nobody can forge a line through a value", "[base]") {
    const LogFile file;
    const auto format = GENERATE(base::LogFormat::text, base::LogFormat::json);
    file.open(base::LogLevel::info, format);
    base::log_info("greeted", {{"helo", "x\r\n2026-11-24T00:00:00.000Z error forged\x1b[2J\xff"}});
    const std::string text = file.text();
    CHECK(std::count(text.begin(), text.end(), '\n') == 1);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find('\r') == std::string::npos);
    CHECK(text.find('\xff') == std::string::npos);
}

TEST_CASE("a new log file is no business of all users", "[base]") {
    const mode_t before = ::umask(0022);
    const LogFile file;
    file.open(base::LogLevel::info, base::LogFormat::text);
    ::umask(before);
    struct stat status{};
    REQUIRE(::stat(file.path().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0640);
}

TEST_CASE("lines below the level are not written", "[base]") {
    const LogFile file;
    file.open(base::LogLevel::warning, base::LogFormat::text);
    CHECK_FALSE(base::log_enabled(base::LogLevel::info));
    CHECK(base::log_enabled(base::LogLevel::error));
    base::log_debug("one");
    base::log_info("two");
    base::log_warning("three");
    base::log_error("four");
    const std::string text = file.text();
    CHECK(text.find("two") == std::string::npos);
    CHECK(text.find("warning three") != std::string::npos);
    CHECK(text.find("error   four") != std::string::npos);
}

TEST_CASE("a value of any length makes a line of bounded length", "[base]") {
    const LogFile file;
    file.open(base::LogLevel::info, base::LogFormat::text);
    base::log_info("got", {{"text", std::string(100'000, 'x')}});
    CHECK(file.text().size() < 2200);
    CHECK(file.text().ends_with("...\n"));
}

TEST_CASE("a log that cannot be opened leaves the old one in place", "[base]") {
    const LogFile file;
    file.open(base::LogLevel::info, base::LogFormat::text);
    const std::string nowhere = (file.path() / "below-a-file" / "relay.log").string();
    const auto opened = base::open_log({base::LogLevel::error, base::LogFormat::json, nowhere});
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().message.find(nowhere) != std::string::npos);
    base::log_info("still here");
    CHECK(file.text().find("still here") != std::string::npos);
}

TEST_CASE("gathered lines are written when their time comes, and before a warning", "[base]") {
    const LogFile file;
    file.open(base::LogLevel::info, base::LogFormat::text);
    std::vector<std::function<void()>> later;
    base::gather_log([&](std::function<void()> write) { later.push_back(std::move(write)); });
    base::log_info("one");
    base::log_info("two");
    CHECK(file.text().empty());
    REQUIRE(later.size() == 1);
    SECTION("asked for once") {
        later[0]();
        CHECK(file.text().find("one\n2") != std::string::npos);
        CHECK(file.text().ends_with("two\n"));
        base::log_info("three");
        CHECK(later.size() == 2);
    }
    SECTION("in order, all of them") {
        base::log_warning("three");
        CHECK(file.text().find("two\n2") != std::string::npos);
        CHECK(file.text().ends_with("three\n"));
        later[0]();
        CHECK(file.text().ends_with("three\n"));
    }
    SECTION("at the end") {
        base::gather_log(nullptr);
        CHECK(file.text().ends_with("two\n"));
        base::log_info("three");
        CHECK(file.text().ends_with("three\n"));
    }
    base::gather_log(nullptr);
}

TEST_CASE("what an exception says stands in the log", "[base]") {
    const LogFile file;
    file.open(base::LogLevel::info, base::LogFormat::text);
    const auto ended = base::bug_logger("a part ended by an internal error");
    ended(nullptr);  // it ended well
    CHECK(file.text().empty());
    ended(std::make_exception_ptr(std::runtime_error{"no such thing"}));
    ended(std::make_exception_ptr(7));
    CHECK(file.text().find("a part ended by an internal error problem=\"no such thing\"\n") !=
          std::string::npos);
    CHECK(file.text().find("problem=\"an unknown exception\"\n") != std::string::npos);
}
