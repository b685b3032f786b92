#include "config/command_output.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "base/units.hpp"

namespace config {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;
constexpr std::size_t longest_output = std::size_t{64} * 1024;

class Descriptor {
 public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { close(); }
    void close() {
        if (number_ >= 0) ::close(number_);
        number_ = -1;
    }
    [[nodiscard]] int number() const { return number_; }

 private:
    int number_;
};

class SpawnPlan {
 public:
    explicit SpawnPlan(int output) {
        ::posix_spawn_file_actions_init(&actions_);
        ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
        ::posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        ::posix_spawnattr_init(&attributes_);
        // A group of its own, so that the limit ends helpers too, and none of the signals that
        // relay blocks or ignores.
        sigset_t none, all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        ::posix_spawnattr_setpgroup(&attributes_, 0);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &all);
        ::posix_spawnattr_setflags(
            &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;
    ~SpawnPlan() {
        ::posix_spawn_file_actions_destroy(&actions_);
        ::posix_spawnattr_destroy(&attributes_);
    }

    [[nodiscard]] int start_shell(const std::string& command, pid_t& process) {
        std::string shell = "sh", option = "-c", text = command;
        const std::array<char*, 4> arguments{shell.data(), option.data(), text.data(), nullptr};
        return ::posix_spawn(&process, "/bin/sh", &actions_, &attributes_, arguments.data(),
                             environ);
    }

 private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

int milliseconds_until(SteadyTime end) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

// Reads until the command closes its output; false when the time is up first.
bool read_output(int descriptor, SteadyTime end, std::string& output) {
    std::array<char, 4096> buffer{};
    while (true) {
        pollfd item{descriptor, POLLIN, 0};
        const int ready = ::poll(&item, 1, milliseconds_until(end));
        if (ready == 0) return false;
        if (ready < 0 && errno != EINTR) return true;
        if (ready < 0) continue;
        const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
        if (count <= 0) return true;
        if (output.size() < longest_output)
            output.append(buffer.data(), static_cast<std::size_t>(count));
    }
}

// A command may close its output and stay; -1 when it outstays the limit.
int wait_until(pid_t process, SteadyTime end) {
    int status = 0;
    while (true) {
        const pid_t ended = ::waitpid(process, &status, WNOHANG);
        if (ended == process) return status;
        if (milliseconds_until(end) == 0) return -1;
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
}

std::string how_it_ended(int status) {
    if (WIFSIGNALED(status)) return fmt::format("was ended by signal {}", WTERMSIG(status));
    if (WEXITSTATUS(status) == 127) return "was not found (exit status 127)";
    return fmt::format("ended with exit status {}", WEXITSTATUS(status));
}

}  // namespace

base::Result<std::string> first_line_of_command(const std::string& command, base::Duration limit) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return base::error(
            fmt::format("the command cannot be started: {}", base::errno_text(errno)));
    }
    const Descriptor reading{ends[0]};
    Descriptor writing{ends[1]};
    pid_t process = 0;
    if (const int reason = SpawnPlan{writing.number()}.start_shell(command, process); reason != 0) {
        return base::error(
            fmt::format("the command cannot be started: {}", base::errno_text(reason)));
    }
    writing.close();

    const SteadyTime end = std::chrono::steady_clock::now() + limit;
    std::string output;
    const bool finished = read_output(reading.number(), end, output);
    const int status = finished ? wait_until(process, end) : -1;
    if (status == -1) {
        ::kill(-process, SIGKILL);
        ::waitpid(process, nullptr, 0);
        return base::error(
            fmt::format("the command did not end within {}: run it by hand to see what "
                        "it waits for",
                        base::format_duration(limit)));
    }
    if (status != 0) {
        return base::error(
            fmt::format("the command {}: run it by hand to see why", how_it_ended(status)));
    }
    std::string line = output.substr(0, output.find('\n'));
    if (line.ends_with('\r')) line.pop_back();
    return line;
}

}  // namespace config
