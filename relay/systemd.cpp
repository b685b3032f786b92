#include "relay/systemd.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>

namespace relay {
namespace {

constexpr int first_passed = 3;
constexpr int most_passed = 1024;

std::string_view from_environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string_view{} : std::string_view{value};
}

int number_from_environment(const char* name) {
    const std::string_view text = from_environment(name);
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

}  // namespace

void notify_systemd(std::string_view state) {
    const std::string_view path = from_environment("NOTIFY_SOCKET");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() < 2 || path.size() >= sizeof address.sun_path) return;
    if (path.front() != '/' && path.front() != '@') return;
    path.copy(address.sun_path, path.size());
    if (path.front() == '@') address.sun_path[0] = '\0';  // the kernel's own name space
    const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return;
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    ::sendto(descriptor, state.data(), state.size(), MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&address), length);
    ::close(descriptor);
}

std::vector<PassedSocket> passed_sockets() {
    std::vector<PassedSocket> sockets;
    if (number_from_environment("LISTEN_PID") != ::getpid()) return sockets;
    const int count = number_from_environment("LISTEN_FDS");
    if (count <= 0 || count > most_passed) return sockets;
    std::string_view names = from_environment("LISTEN_FDNAMES");
    for (int descriptor = first_passed; descriptor < first_passed + count; ++descriptor) {
        ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
        const std::string_view name = names.substr(0, names.find(':'));
        names.remove_prefix(std::min(names.size(), name.size() + 1));
        sockets.push_back({descriptor, name.empty() ? "unknown" : std::string{name}});
    }
    return sockets;
}

}  // namespace relay
