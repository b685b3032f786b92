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
#include "tests/support/folder.hpp"

namespace fs = std::filesystem;
using test::Folder;

namespace {

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

TEST_CASE("a unix socket that cannot be made names the folder and the remedy", "[relay]") {
    const Folder folder;
    const auto message = [](const fs::path& path) {
        const auto opened =
            relay::open_listen_sockets("unix:" + path.string(), "server.tls_listen");
        REQUIRE_FALSE(opened.has_value());
        CHECK(opened.error().message.find("unix:" + path.string()) != std::string::npos);
        CHECK(opened.error().message.find("in server.tls_listen") != std::string::npos);
        CHECK(opened.error().message.find("1024") == std::string::npos);
        return opened.error().message;
    };
    const fs::path missing = folder / "missing";
    CHECK(
        message(missing / "relay.sock").find("the folder " + missing.string() + " is not there") !=
        std::string::npos);
    std::ofstream{folder / "file"} << "x";
    CHECK(message(folder / "file" / "relay.sock").find("is no folder") != std::string::npos);
    CHECK(message(folder / "file").find("a file that is no socket is there") != std::string::npos);
    CHECK(message(folder / std::string(200, 'x').c_str()).find("at most 107 bytes") !=
          std::string::npos);
    const fs::path closed = folder / "closed";
    fs::create_directory(closed);
    fs::permissions(closed, fs::perms::owner_read | fs::perms::owner_exec);
    if (::geteuid() != 0) {
        CHECK(message(closed / "relay.sock")
                  .find("may not make a file in the folder " + closed.string()) !=
              std::string::npos);
    }
}

TEST_CASE("a port that no socket has is not taken for another one", "[relay]") {
    for (const char* address : {"127.0.0.1:99999", "127.0.0.1:65536", "127.0.0.1:-1",
                                "127.0.0.1:0x19", "127.0.0.1:", "127.0.0.1"}) {
        CAPTURE(address);
        const auto opened = relay::open_listen_sockets(address, "--listen");
        REQUIRE_FALSE(opened.has_value());
        CHECK(opened.error().message.find("write it as \"127.0.0.1:2525\" in --listen") !=
              std::string::npos);
    }
    for (const char* address : {"127.0.0.1:0", "[::1]:65535", ":25", "localhost:2525"}) {
        CHECK(relay::check_listen_option(address).has_value());
    }
}
