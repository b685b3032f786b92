#include "relay/users_file.hpp"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "smtp/password_hash.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/folder.hpp"

namespace fs = std::filesystem;
using relay::UsersFile;
using test::Folder;

namespace {

std::string hash(const char* password) {
    return *smtp::hash_password(base::Secret{std::string{password}});
}

std::string content(const fs::path& path) {
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

bool signs_in(const UsersFile& users, std::string_view name, std::string_view password) {
    const auto secret = users.find(name);
    return secret.has_value() && smtp::check_password(*secret, password);
}

}  // namespace

TEST_CASE("a users file gives back who may sign in", "[users]") {
    const auto users = UsersFile::parse(
        "# made by relay user\n\n  app " + hash("pencil") + "  \r\nother\t" + hash("pen"), "users");
    REQUIRE(users.has_value());
    CHECK(users->size() == 2);
    CHECK(signs_in(*users, "app", "pencil"));
    CHECK(signs_in(*users, "other", "pen"));
    CHECK_FALSE(signs_in(*users, "app", "pen"));
    CHECK_FALSE(signs_in(*users, "App", "pencil"));
    CHECK_FALSE(signs_in(*users, "nobody", ""));
}

TEST_CASE("a faulty users file is refused with its line", "[users]") {
    struct Case {
        std::string text, message;
    };
    const Case c = GENERATE(values<Case>({
        {"app", "users:1: no blank with a hash behind it follows the name"},
        {"# x\napp:secret\n", "users:2: no blank with a hash behind it"},
        {"# x\napp secret\n", "users:2: what follows the name is no SCRAM-SHA-256 hash"},
        {"app:secret x\n", "users:1: what follows the name is no SCRAM-SHA-256 hash"},
        {"a " + hash("x") + "\nb " + hash("x") + "\na " + hash("y"),
         "users:3: user \"a\" stands twice"},
        {"a " + hash("x") + "\nb {SCRAM-SHA-256}600000" + hash("x").substr(19),
         "users:2: what follows the name has 600000 iterations"},
    }));
    const auto users = UsersFile::parse(c.text, "users");
    REQUIRE(users.has_error());
    CHECK(users.error().message.starts_with(c.message));
    CHECK(users.error().message.find("secret") == std::string::npos);
}

TEST_CASE("who is unknown looks like who is known, after a restart too", "[users]") {
    const auto line = [](const char* name, unsigned iterations) {
        return fmt::format(
            "{} {}\n", name,
            smtp::format_password_hash(smtp::make_scram_secret(base::Secret{"x"}, iterations)));
    };
    const std::string text = line("a", 10'000) + line("b", 10'000) + line("c", 20'000);
    const auto users = UsersFile::parse(text, "users");
    const auto restarted = UsersFile::parse(text, "users");
    REQUIRE(users.has_value());
    std::map<unsigned, int> seen;
    std::set<std::string> salts;
    for (int i = 0; i < 300; ++i) {
        const std::string name = fmt::format("stranger{}", i);
        const smtp::ScramSecret decoy = users->decoy(name);
        CHECK(restarted->decoy(name).salt == decoy.salt);
        CHECK(restarted->decoy(name).iterations == decoy.iterations);
        CHECK(decoy.salt.size() == users->find("a")->salt.size());
        salts.insert(decoy.salt);
        ++seen[decoy.iterations];
    }
    CHECK(salts.size() == 300);
    CHECK(seen.size() == 2);  // as in the file, two to one
    CHECK(seen[10'000] > 150);
    CHECK(seen[20'000] > 50);
    const auto others = UsersFile::parse(line("a", 10'000), "users");
    CHECK(others->decoy("stranger0").salt != users->decoy("stranger0").salt);
    CHECK(UsersFile{}.decoy("stranger0").iterations == smtp::least_scram_iterations);
}

TEST_CASE("a users file that cannot be read says why", "[users]") {
    const Folder folder;
    const auto missing = UsersFile::load(folder / "none");
    REQUIRE(missing.has_error());
    CHECK(missing.error().message.find("no such file") != std::string::npos);
    const auto directory = UsersFile::load(folder / ".");
    REQUIRE(directory.has_error());
    CHECK(directory.error().message.find("is a directory") != std::string::npos);
}

TEST_CASE("a user is added, then replaced, and the rest stays", "[users]") {
    const Folder folder;
    const fs::path path = folder / "users";
    const auto added = relay::set_user(path, "app", hash("one"));
    REQUIRE(added.has_value());
    CHECK_FALSE(*added);
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);

    std::ofstream{path, std::ios::app} << "# kept\n\nother "
                                       << hash("two");  // no newline at the end
    const auto replaced = relay::set_user(path, "app", hash("three"));
    REQUIRE(replaced.has_value());
    CHECK(*replaced);
    REQUIRE(relay::set_user(path, "new", hash("four")).has_value());

    const auto users = UsersFile::load(path);
    REQUIRE(users.has_value());
    CHECK(users->size() == 3);
    CHECK(signs_in(*users, "app", "three"));
    CHECK(signs_in(*users, "other", "two"));
    CHECK(signs_in(*users, "new", "four"));
    CHECK(content(path).find("# kept\n\nother ") != std::string::npos);
    CHECK(content(path).ends_with("\n"));
    CHECK(std::distance(fs::directory_iterator{path.parent_path()}, {}) == 1);  // nothing left over
}

TEST_CASE("a users file keeps its owner, its mode and its link", "[users]") {
    const Folder folder;
    const fs::path path = folder / "users";
    std::ofstream{path} << "# shared with relay\n";
    REQUIRE(::chmod(path.c_str(), 0640) == 0);
    const bool root = ::geteuid() == 0;
    if (root) REQUIRE(::chown(path.c_str(), 0, 65534) == 0);
    fs::create_symlink("users", folder / "link");
    REQUIRE(relay::set_user(folder / "link", "app", hash("one")).has_value());

    CHECK(fs::is_symlink(folder / "link"));
    CHECK(UsersFile::load(path)->size() == 1);
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0640);
    if (root) CHECK(status.st_gid == 65534);
}

TEST_CASE("a users file in a missing directory is not written", "[users]") {
    const Folder folder;
    const auto result = relay::set_user(folder / "no" / "users", "app", hash("x"));
    REQUIRE(result.has_error());
    CHECK(result.error().message.find("cannot be written to: no such file") != std::string::npos);
}

TEST_CASE("names that would break a users file are refused", "[users]") {
    for (const std::string& name :
         {std::string{}, std::string{"a b"}, std::string{"#a"}, std::string{"a\nb"},
          std::string{"\xff"}, std::string(256, 'a')}) {
        CAPTURE(name);
        CHECK(relay::check_user_name(name).has_error());
    }
    CHECK(relay::check_user_name("app@host.example").has_value());
    CHECK(relay::check_user_name("jürgen").has_value());
    CHECK(relay::check_user_name(std::string(255, 'a')).has_value());
}
