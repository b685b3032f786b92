#include <fcntl.h>
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/text.hpp"
#include "relay/commands.hpp"
#include "relay/local_file.hpp"
#include "relay/output.hpp"
#include "relay/users_file.hpp"
#include "smtp/password_hash.hpp"

namespace relay {
namespace {

struct UserOptions {
    std::string name, file, password_file;
};

// Keeps what is typed off the screen for as long as it lives.
class NoEcho {
 public:
    NoEcho() {
        valid_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
        termios quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        if (valid_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    ~NoEcho() {
        if (valid_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }
    NoEcho(const NoEcho&) = delete;
    NoEcho& operator=(const NoEcho&) = delete;

 private:
    termios before_{};
    bool valid_ = false;
};

// The first line, without its end: what editors and `echo` add belongs to no password.
base::Secret read_line(std::istream& from) {
    std::string line;
    std::getline(from, line);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    return base::Secret{std::move(line)};
}

base::Secret ask(const char* question) {
    std::fputs(question, stderr);
    const NoEcho silence;
    base::Secret answer = read_line(std::cin);
    std::fputs("\n", stderr);
    return answer;
}

base::Result<base::Secret> read_password(const UserOptions& options) {
    base::Secret password;
    if (!options.password_file.empty()) {
        base::Result<std::string> line = read_first_line(options.password_file);
        if (!line) return line.error();
        password = base::Secret{std::move(*line)};
    } else if (::isatty(STDIN_FILENO) == 1) {
        password = ask("Password: ");
        if (!(password == ask("Again: "))) {
            return base::error("the two passwords are not the same");
        }
    } else {
        password = read_line(std::cin);
    }
    if (password.empty()) return base::error("an empty password cannot be set");
    return password;
}

ExitStatus set_password(const UserOptions& options) {
    const base::Result<> name = check_user_name(options.name);
    if (name.has_error()) return fail(name.error().message, ExitStatus::usage);
    const base::Result<base::Secret> password = read_password(options);
    if (password.has_error()) return fail(password.error().message);
    const base::Result<std::string> hash = smtp::hash_password(*password);
    if (hash.has_error()) return fail(hash.error().message);
    if (options.file.empty()) {
        print(fmt::format("{} {}\n", options.name, *hash));
        return ExitStatus::done;
    }
    std::error_code unknown;
    const bool made = !std::filesystem::exists(options.file, unknown);
    const base::Result<bool> replaced = set_user(options.file, options.name, *hash);
    if (replaced.has_error()) return fail(replaced.error().message);
    print(fmt::format("{}: {} user \"{}\"; `systemctl reload relay` or SIGHUP makes it known\n",
                      options.file, *replaced ? "changed" : "added", options.name));
    if (made && ::geteuid() == 0) {
        print(
            fmt::format("{0} is root's alone: if relay runs as another user, let that one read it, "
                        "for example with \"chgrp relay {0} && chmod 640 {0}\"\n",
                        options.file));
    }
    return ExitStatus::done;
}

}  // namespace

void add_user_command(CLI::App& root, Context& context) {
    const auto options = std::make_shared<UserOptions>();
    CLI::App* command =
        add_command(root, context, "user", "Make a line of a users file",
                    {.config = false, .json = false}, [options] { return set_password(*options); });
    command->add_option("NAME", options->name, "Who signs in with it")->required();
    command
        ->add_option("--file", options->file,
                     "Users file to change; without it the line is printed")
        ->type_name("FILE");
    command
        ->add_option("--password-file", options->password_file,
                     "File whose first line is the password (asked for, or read from stdin)")
        ->type_name("FILE");
}

}  // namespace relay
