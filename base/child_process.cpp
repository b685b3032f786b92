#include "base/child_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

namespace base {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

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

    [[nodiscard]] int start(std::vector<std::string> arguments, pid_t& process) {
        std::vector<char*> pointers;
        for (std::string& argument : arguments) pointers.push_back(argument.data());
        pointers.push_back(nullptr);
        return ::posix_spawn(&process, pointers[0], &actions_, &attributes_, pointers.data(),
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

// Reads until the program closes its output; false when the time is up first.
bool read_output(int descriptor, SteadyTime end, std::size_t limit, ChildResult& result) {
    std::array<char, 16384> buffer{};
    while (true) {
        pollfd item{descriptor, POLLIN, 0};
        const int left = milliseconds_until(end);
        // Endless output is always ready, also when the time is up.
        if (left == 0) return false;
        const int ready = ::poll(&item, 1, left);
        if (ready == 0) return false;
        if (ready < 0 && errno != EINTR) return true;
        if (ready < 0) continue;
        const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
        if (count <= 0) return true;
        const std::size_t room = limit - std::min(limit, result.output.size());
        const std::size_t kept = std::min(room, static_cast<std::size_t>(count));
        result.output.append(buffer.data(), kept);
        if (kept < static_cast<std::size_t>(count)) result.output_cut = true;
    }
}

// A program may close its output and stay; -1 when it outstays the limit.
int wait_until(pid_t process, SteadyTime end) {
    int status = 0;
    while (true) {
        const pid_t ended = ::waitpid(process, &status, WNOHANG);
        if (ended == process) return status;
        if (milliseconds_until(end) == 0) return -1;
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
}

}  // namespace

std::string ChildResult::how_it_ended() const {
    if (WIFSIGNALED(wait_status))
        return fmt::format("was ended by signal {}", WTERMSIG(wait_status));
    if (WEXITSTATUS(wait_status) == 127) return "was not found (exit status 127)";
    return fmt::format("ended with exit status {}", WEXITSTATUS(wait_status));
}

ChildResult run_child(const std::vector<std::string>& arguments, ChildLimits limits) {
    ChildResult result;
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        result.error_number = errno;
        return result;
    }
    const Descriptor reading{ends[0]};
    Descriptor writing{ends[1]};
    pid_t process = 0;
    result.error_number = SpawnPlan{writing.number()}.start(arguments, process);
    if (result.error_number != 0) return result;
    writing.close();

    const SteadyTime end = std::chrono::steady_clock::now() + limits.time;
    const bool finished = read_output(reading.number(), end, limits.output, result);
    result.wait_status = finished ? wait_until(process, end) : -1;
    result.end = ChildResult::End::exited;
    if (result.wait_status == -1) {
        ::kill(-process, SIGKILL);
        ::waitpid(process, nullptr, 0);
        result.end = ChildResult::End::timed_out;
    }
    return result;
}

}  // namespace base
