#include "relay/systemd.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdlib>
#include <string>

namespace {

// A variable of the environment for one test.
class Variable {
 public:
    Variable(const char* name, const std::string& value) : name_(name) {
        ::setenv(name, value.c_str(), 1);
    }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;
    ~Variable() { ::unsetenv(name_); }

 private:
    const char* name_;
};

// The socket that systemd reads; "@name" is one of the kernel's own name space.
class NotifySocket {
 public:
    explicit NotifySocket(const std::string& path)
        : descriptor_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, path.size());
        if (path.front() == '@') address.sun_path[0] = '\0';
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
        REQUIRE(::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    }
    NotifySocket(const NotifySocket&) = delete;
    NotifySocket& operator=(const NotifySocket&) = delete;
    ~NotifySocket() { ::close(descriptor_); }

    [[nodiscard]] std::string received() const {
        char text[64];
        const ssize_t size = ::recv(descriptor_, text, sizeof text, 0);
        return size < 0 ? "" : std::string(text, static_cast<std::size_t>(size));
    }

 private:
    int descriptor_;
};

std::string own_pid() { return std::to_string(::getpid()); }

}  // namespace

TEST_CASE("systemd hears a state on the socket that it names") {
    SECTION("a path") {
        char folder[] = "/tmp/relay-notify-XXXXXX";
        REQUIRE(::mkdtemp(folder) != nullptr);
        const std::string path = std::string{folder} + "/notify";
        const NotifySocket systemd{path};
        const Variable named{"NOTIFY_SOCKET", path};
        relay::notify_systemd("READY=1");
        CHECK(systemd.received() == "READY=1");
        ::unlink(path.c_str());
        ::rmdir(folder);
    }
    SECTION("an abstract name") {
        const std::string name = "@relay-notify-" + own_pid();
        const NotifySocket systemd{name};
        const Variable named{"NOTIFY_SOCKET", name};
        relay::notify_systemd("STOPPING=1");
        CHECK(systemd.received() == "STOPPING=1");
    }
    SECTION("nothing that is no socket's name does harm") {
        for (const std::string& name : {std::string{}, std::string{"/"}, std::string{"relative"},
                                        std::string(200, '/'), std::string{"/nowhere/notify"}}) {
            const Variable named{"NOTIFY_SOCKET", name};
            relay::notify_systemd("READY=1");
        }
    }
}

TEST_CASE("the sockets that systemd hands over, with their names") {
    const Variable count{"LISTEN_FDS", "3"};
    SECTION("named, unnamed and beyond the list of names") {
        const Variable pid{"LISTEN_PID", own_pid()};
        const Variable names{"LISTEN_FDNAMES", "tls:"};
        const auto sockets = relay::passed_sockets();
        REQUIRE(sockets.size() == 3);
        CHECK(sockets[0].descriptor == 3);
        CHECK(sockets[0].name == "tls");
        CHECK(sockets[1].descriptor == 4);
        CHECK(sockets[1].name == "unknown");
        CHECK(sockets[2].name == "unknown");
    }
    SECTION("for another process, or for none") {
        CHECK(relay::passed_sockets().empty());
        const Variable pid{"LISTEN_PID", std::to_string(::getppid())};
        CHECK(relay::passed_sockets().empty());
    }
    SECTION("no count, and counts that are none") {
        const Variable pid{"LISTEN_PID", own_pid()};
        for (const char* wrong : {"", "0", "-1", "3x", "99999999999", "5000"}) {
            const Variable broken{"LISTEN_FDS", wrong};
            CHECK(relay::passed_sockets().empty());
        }
    }
}

TEST_CASE("a passed socket is not handed on to programs that relay starts") {
    const int copy = ::fcntl(0, F_DUPFD, 100);  // where descriptor 3 is another's, give it back
    const int before = ::fcntl(3, F_DUPFD_CLOEXEC, 100);
    REQUIRE(::dup2(copy, 3) == 3);
    const Variable pid{"LISTEN_PID", own_pid()};
    const Variable count{"LISTEN_FDS", "1"};
    REQUIRE(relay::passed_sockets().size() == 1);
    CHECK((::fcntl(3, F_GETFD) & FD_CLOEXEC) != 0);
    ::close(3);
    ::close(copy);
    if (before >= 0) ::dup2(before, 3);
    if (before >= 0) ::close(before);
}
