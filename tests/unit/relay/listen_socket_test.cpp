#include "relay/listen_socket.hpp"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/catch.hpp"

namespace fs = std::filesystem;

namespace {

class Folder {
 public:
    Folder() {
        std::string name = fs::temp_directory_path() / "relay-listen-test-XXXXXX";
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() { fs::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] fs::path operator/(const char* name) const { return path_ / name; }

 private:
    fs::path path_;
};

bool answers(const fs::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected =
        ::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(client);
    return connected;
}

}  // namespace

TEST_CASE("a unix socket left over from a crash is taken over", "[relay]") {
    const Folder folder;
    const fs::path path = folder / "relay.sock";
    const auto first = relay::open_listen_sockets("unix:" + path.string());
    REQUIRE(first.has_value());
    REQUIRE(first->front().unix_path == path);
    ::close(first->front().descriptor);  // as a process that is killed: the file stays
    REQUIRE(fs::is_socket(path));

    const auto second = relay::open_listen_sockets("unix:" + path.string());
    REQUIRE(second.has_value());
    REQUIRE(answers(path));
    REQUIRE((fs::status(path).permissions() & fs::perms::mask) == fs::perms{0666});
    ::close(second->front().descriptor);
}

TEST_CASE("a unix socket that another program listens on is left alone", "[relay]") {
    const Folder folder;
    const fs::path path = folder / "relay.sock";
    const auto first = relay::open_listen_sockets("unix:" + path.string());
    REQUIRE(first.has_value());
    const auto second = relay::open_listen_sockets("unix:" + path.string());
    REQUIRE_FALSE(second.has_value());
    REQUIRE(second.error().message.find("another program") != std::string::npos);
    REQUIRE(answers(path));
    ::close(first->front().descriptor);
}

TEST_CASE("only a socket is taken for a leftover", "[relay]") {
    const Folder folder;
    const fs::path kept = folder / "kept";
    const fs::path path = folder / "relay.sock";
    SECTION("a file") { std::ofstream{path} << "precious"; }
    SECTION("a folder") { fs::create_directory(path); }
    SECTION("a link to a file") {
        std::ofstream{kept} << "precious";
        fs::create_symlink(kept, path);
    }
    SECTION("a link to a leftover") {
        const auto first = relay::open_listen_sockets("unix:" + kept.string());
        ::close(first->front().descriptor);
        fs::create_symlink(kept, path);
    }
    REQUIRE_FALSE(relay::open_listen_sockets("unix:" + path.string()).has_value());
    REQUIRE(fs::exists(path));
}
