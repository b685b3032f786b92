#include "config/system_defaults.hpp"

#include <netdb.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <future>
#include <memory>
#include <thread>

#include "config/syntax.hpp"

namespace config {
namespace {

// Dead name servers keep getaddrinfo() for 10 s and more, and nothing may wait so long for a name.
constexpr std::chrono::seconds longest_wait{2};

constexpr const char* system_spool = "/var/lib/relay";

std::string canonical_name(const std::string& name) {
    addrinfo hints{};
    hints.ai_flags = AI_CANONNAME;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return name;
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner{found, ::freeaddrinfo};
    return found->ai_canonname == nullptr ? name : found->ai_canonname;
}

// The name itself when there is no answer in time. The thread that still waits then owns all that
// it touches, and ends with the process.
std::string canonical_name_in_time(const std::string& name) {
    std::promise<std::string> promise;
    std::future<std::string> answer = promise.get_future();
    std::thread{[name, promise = std::move(promise)]() mutable {
        promise.set_value(canonical_name(name));
    }}.detach();
    const bool told = answer.wait_for(longest_wait) == std::future_status::ready;
    return told ? answer.get() : name;
}

std::string ask_hostname() {
    std::array<char, 256> buffer{};
    if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return "localhost";
    std::string name = buffer.data();
    if (name.find('.') == std::string::npos) {
        const std::string full = canonical_name_in_time(name);
        // Containers map their name to an address or to localhost: then the short name says more.
        if (is_host_name(full) && full != "localhost") name = full;
    }
    return is_host_name(name) ? name : "localhost";
}

}  // namespace

const std::string& system_hostname() {
    static const std::string name = ask_hostname();
    return name;
}

std::string environment(const char* variable) {
    const char* value = std::getenv(variable);
    return value == nullptr ? "" : value;
}

base::Result<DefaultDirectory> default_spool_directory(const Lookup& lookup, bool root,
                                                       const std::filesystem::path& file) {
    const std::string state = lookup("STATE_DIRECTORY");
    if (!state.empty()) {
        return DefaultDirectory{state.substr(0, state.find(':')), "$STATE_DIRECTORY"};
    }
    if (file == system_file) return DefaultDirectory{system_spool, "default"};
    // The XDG base directory specification has relative paths ignored.
    const std::string xdg = lookup("XDG_STATE_HOME");
    if (xdg.starts_with('/')) {
        return DefaultDirectory{std::filesystem::path{xdg} / "relay", "$XDG_STATE_HOME"};
    }
    if (root) return DefaultDirectory{system_spool, "default"};
    const std::string home = lookup("HOME");
    if (home.starts_with('/')) {
        return DefaultDirectory{std::filesystem::path{home} / ".local/state/relay", "default"};
    }
    return base::error(
        "missing, and neither $STATE_DIRECTORY, $XDG_STATE_HOME nor $HOME says where mail may be "
        "kept; write it as directory = \"/var/lib/relay\"");
}

}  // namespace config
