#include "config/secrets.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "base/text.hpp"
#include "base/units.hpp"
#include "config/command_output.hpp"

namespace config {
namespace {

constexpr std::chrono::seconds command_limit{10};
constexpr std::chrono::seconds reading_limit{10};
constexpr std::size_t longest_secret = std::size_t{64} * 1024;  // access tokens have a few KiB

struct Found {
    base::Secret secret;
    std::string source;
    std::string warning;
};

struct Request {
    TableReader& reader;
    std::string key;    // "password_file"
    std::string value;  // what stands in the file
    std::string thing;  // "password"
};

std::string without_line_end(std::string text) {
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    return text;
}

// Of a pipe, as a shell's <(command) is one, only what comes in time.
std::optional<std::string> read_all(int descriptor) {
    std::string text;
    std::array<char, 4096> buffer{};
    const auto end = std::chrono::steady_clock::now() + reading_limit;
    while (text.size() <= longest_secret) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd waiting{descriptor, POLLIN, 0};
        if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) == 0) {
            return std::nullopt;
        }
        const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (count <= 0) break;
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return text;
}

bool only_of(std::string_view text, std::string_view characters) {
    return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

// path is named in errors unless it might be the secret itself.
base::Result<Found> from_path(const std::string& path, const std::string& source,
                              const std::string& named) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        const int reason = errno;
        const char* remedy = reason == ENOENT   ? "; create it with the secret as its only line"
                             : reason == EACCES ? "; let the user that relay runs as read it"
                                                : "";
        return base::error(
            fmt::format("{} cannot be read: {}{}", named, base::errno_text(reason), remedy));
    }
    struct stat about{};
    ::fstat(descriptor, &about);
    const bool folder = S_ISDIR(about.st_mode);
    std::optional<std::string> text = folder ? std::string{} : read_all(descriptor);
    ::close(descriptor);
    if (folder) return base::error(path + " is a folder, not a file");
    if (!text) {
        return base::error(fmt::format("{} is no file, and did not end within {}", named,
                                       base::format_duration(reading_limit)));
    }
    if (text->size() > longest_secret) {
        return base::error(fmt::format("{} is larger than 64 KiB and cannot be a secret", path));
    }
    Found found{base::Secret{without_line_end(*std::move(text))}, source, {}};
    if ((about.st_mode & S_IROTH) != 0) {
        found.warning =
            fmt::format("others on this system can read {}: run \"chmod 600 {}\"", path, path);
    }
    return found;
}

base::Result<Found> from_inline(const Request& request) {
    Found found{base::Secret{request.value}, request.reader.source(request.key), {}};
    const Report& report = request.reader.report();
    if (report.readable_by_others()) {
        found.warning =
            fmt::format("others on this system can read the {} in this file: run \"chmod 600 {}\"",
                        request.thing, report.file());
    }
    return found;
}

base::Result<Found> from_file(const Request& request) {
    const std::string path = resolve_path(request.reader.report().folder(), request.value);
    // A word without a slash may be the password, typed at the wrong key.
    const bool surely_a_path = request.value.find('/') != std::string::npos;
    const std::string named = surely_a_path
                                  ? path
                                  : fmt::format("the file of this name in {}",
                                                std::filesystem::path{path}.parent_path().string());
    return from_path(path, fmt::format("{} {}", request.key, path), named);
}

base::Result<Found> from_environment(const Request& request) {
    const std::string name =
        request.value.starts_with('$') ? request.value.substr(1) : request.value;
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) {
        // Anything else than a variable's usual name may be the password itself.
        const bool usual = only_of(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
        return base::error(fmt::format(
            "the environment has no {}: set it for the process that runs relay{}",
            usual ? "$" + name : "variable of this name",
            usual ? ""
                  : fmt::format("; the {} itself goes into {}", request.thing, request.thing)));
    }
    return Found{base::Secret{value}, "$" + name, {}};
}

base::Result<Found> from_command(const Request& request) {
    auto line = first_line_of_command(request.value, command_limit);
    if (!line) return line.error();
    // Not the command itself: people put secrets into it.
    return Found{base::Secret{std::move(*line)}, request.key, {}};
}

base::Result<Found> from_credential(const Request& request) {
    const std::string& name = request.value;
    if (name.find('/') != std::string::npos || name == "." || name == "..") {
        return base::error("must be the name of a credential, not a path");
    }
    constexpr std::string_view usual =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    const std::string named = only_of(name, usual) ? name : "NAME";
    const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
    if (folder == nullptr || *folder == '\0') {
        return base::error(
            fmt::format("systemd handed over no credentials: add "
                        "LoadCredential={}:/path/of/the/secret to the unit",
                        named));
    }
    auto found = from_path((std::filesystem::path{folder} / name).string(),
                           fmt::format("{} {}", request.key, name),
                           (std::filesystem::path{folder} / named).string());
    if (found) found->warning.clear();  // systemd guards that folder itself
    return found;
}

struct Form {
    SecretForm form;
    std::string_view ending;
    base::Result<Found> (*resolve)(const Request&);
};
constexpr std::array<Form, 5> forms{{{SecretForm::inline_value, "", from_inline},
                                     {SecretForm::file, "_file", from_file},
                                     {SecretForm::environment, "_env", from_environment},
                                     {SecretForm::command, "_command", from_command},
                                     {SecretForm::credential, "_credential", from_credential}}};

std::string unfit(const base::Secret& secret) {
    const std::string& bytes = secret.reveal();
    if (bytes.empty()) return "is empty";
    if (bytes.find('\n') != std::string::npos) return "has more than one line";
    if (bytes.find('\0') != std::string::npos) return "holds a zero byte";
    return {};
}

void resolve(const Form& form, const Request& request, base::Secret& secret) {
    if (!request.reader.report().looks_around()) return;
    auto found = form.resolve(request);
    if (!found) {
        request.reader.missing_secret(request.key, found.error().message);
        return;
    }
    if (const std::string reason = unfit(found->secret); !reason.empty()) {
        request.reader.fault(request.key, fmt::format("the {} {}", request.thing, reason));
        return;
    }
    if (!found->warning.empty()) request.reader.warn(request.key, found->warning);
    request.reader.show(request.thing, std::string{base::masked_secret}, found->source);
    secret = std::move(found->secret);
}

}  // namespace

bool read_secret(TableReader& reader, std::string_view key,
                 std::initializer_list<SecretForm> allowed, base::Secret& secret) {
    std::string first;
    for (const Form& form : forms) {
        if (std::find(allowed.begin(), allowed.end(), form.form) == allowed.end()) continue;
        const std::string name = fmt::format("{}{}", key, form.ending);
        const Value* value = reader.find(name);
        if (value == nullptr) continue;
        if (!first.empty()) {
            reader.fault(name, fmt::format("{} is given as well: keep one of the two", first));
            continue;
        }
        first = name;
        const FaultSink sink = [&](Place, std::string message) {
            reader.fault(name, std::move(message));
        };
        const std::string* text = as_text(*value, sink, "a string in quotes");
        if (text == nullptr) continue;
        if (text->empty()) {
            reader.fault(name, "must not be empty");
            continue;
        }
        resolve(form, Request{reader, name, *text, std::string{key}}, secret);
    }
    return !first.empty();
}

}  // namespace config
