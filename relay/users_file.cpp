#include "relay/users_file.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "base/replace_file.hpp"
#include "base/text.hpp"

namespace relay {
namespace {

base::Result<std::string> read_text(const std::filesystem::path& path) {
    std::error_code failure;
    if (std::filesystem::is_directory(path, failure)) {
        return base::error(
            fmt::format("{}: is a directory; a users file is expected", path.string()));
    }
    errno = 0;
    std::ifstream file{path, std::ios::binary};
    std::string text{std::istreambuf_iterator<char>{file}, {}};
    if (file.is_open() && !file.bad()) return text;
    return base::error(fmt::format("{}: cannot be read: {}", path.string(),
                                   base::errno_text(errno != 0 ? errno : EIO)));
}

struct Line {
    std::string_view name, hash;
};

// nullopt for blank lines and comments.
std::optional<Line> split_line(std::string_view text) {
    text = base::trim(text);
    if (text.empty() || text.front() == '#') return std::nullopt;
    const std::size_t blank = text.find_first_of(" \t");
    if (blank == text.npos) return Line{text, {}};
    return Line{text.substr(0, blank), base::trim(text.substr(blank))};
}

}  // namespace

base::Result<> check_user_name(std::string_view name) {
    const bool breaks = name.empty() || name.front() == '#' || name.size() > 255 ||
                        !base::is_valid_utf8(name) || base::printable(name) != name ||
                        name.find(' ') != name.npos;
    if (!breaks) return {};
    return base::error(fmt::format(
        "\"{}\" cannot be a user's name: blanks, control characters and a leading # are not "
        "possible in a users file",
        base::printable(name, 64)));
}

base::Result<UsersFile> UsersFile::parse(std::string_view text, const std::string& name) {
    UsersFile users;
    unsigned number = 0;
    for (const std::string_view raw : base::split(text, '\n')) {
        ++number;
        const std::optional<Line> line = split_line(raw);
        if (!line) continue;
        const auto fault = [&](std::string_view what) {
            return base::error(fmt::format("{}:{}: {}", name, number, what));
        };
        // No part of a faulty line is repeated: "bob:password", as other servers have it, is one.
        if (line->hash.empty()) {
            return fault(
                "no blank with a hash behind it follows the name; `relay user NAME` makes the "
                "line");
        }
        base::Result<smtp::ScramSecret> secret = smtp::parse_password_hash(line->hash);
        if (!secret) {
            return fault(fmt::format("what follows the name {}; `relay user NAME` makes the line",
                                     secret.error().message));
        }
        if (!users.users_.emplace(line->name, std::move(*secret)).second) {
            return fault(fmt::format("user \"{}\" stands twice in this file",
                                     base::printable(line->name, 64)));
        }
    }
    for (const auto& [user, secret] : users.users_) users.decoys_.learn(secret);
    return users;
}

base::Result<UsersFile> UsersFile::load(const std::filesystem::path& path) {
    base::Result<std::string> text = read_text(path);
    if (text.has_error()) return text.error();
    return parse(*text, path.string());
}

std::optional<smtp::ScramSecret> UsersFile::find(std::string_view user) const {
    const auto found = users_.find(user);
    if (found == users_.end()) return std::nullopt;
    return found->second;
}

smtp::ScramSecret UsersFile::decoy(std::string_view user) const { return decoys_.make(user); }

base::Result<bool> set_user(const std::filesystem::path& path, std::string_view name,
                            std::string_view hash) {
    std::string old;
    std::error_code failure;
    if (std::filesystem::exists(path, failure)) {
        base::Result<std::string> text = read_text(path);
        if (text.has_error()) return text.error();
        old = std::move(*text);
    }
    const std::string line = fmt::format("{} {}", name, hash);
    std::vector<std::string> lines;
    bool replaced = false;
    for (const std::string_view raw : base::split(old, '\n')) {
        const std::optional<Line> known = split_line(raw);
        const bool same = known && known->name == name;
        if (same && replaced) continue;  // a second line of that user would only be an error
        lines.push_back(same ? line : std::string{raw});
        replaced = replaced || same;
    }
    if (lines.back().empty()) lines.pop_back();  // behind the last newline, or the file is empty
    if (!replaced) lines.push_back(line);
    const base::Result<> written = base::replace_file(path, base::join(lines, "\n") + "\n");
    if (written.has_error()) return written.error();
    return replaced;
}

}  // namespace relay
