#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/smtp/conversation.hpp"

// Plays tests/dialogs/*.dlg, whose README.md tells the format.
namespace {

struct Dialog {
    smtp::ServerOptions options = test::usual_options();
    bool tls = false;
    std::vector<std::string> lines;
};

bool set_option(Dialog& dialog, const std::string& key, const std::string& value) {
    if (key == "auth") {
        dialog.options.auth = value == "required"     ? smtp::AuthPolicy::required
                              : value == "accept-any" ? smtp::AuthPolicy::accept_any
                                                      : smtp::AuthPolicy::none;
    } else if (key == "max_message_size") {
        dialog.options.max_message_size = std::stoull(value);
    } else if (key == "max_recipients") {
        dialog.options.max_recipients = static_cast<std::uint32_t>(std::stoul(value));
    } else if (key == "bare_newline") {
        dialog.options.bare_newline =
            value == "reject" ? smtp::BareNewline::reject : smtp::BareNewline::normalize;
    } else if (key == "tls") {
        dialog.tls = value == "yes";
    } else {
        return key == "refusals";
    }
    return true;
}

Dialog read_dialog(const std::filesystem::path& path) {
    Dialog dialog;
    std::ifstream file{path};
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line.starts_with('#')) continue;
        if (!line.starts_with("= ")) {
            dialog.lines.push_back(line);
            continue;
        }
        const std::size_t blank = line.find(' ', 2);
        INFO(path << ": " << line);
        REQUIRE(set_option(dialog, line.substr(2, blank - 2), line.substr(blank + 1)));
    }
    return dialog;
}

std::string unescape(std::string_view text) {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            bytes += text[i];
            continue;
        }
        const char kind = text.at(++i);
        if (kind == 'x') {
            bytes += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
            i += 2;
        } else {
            bytes += kind == 'r' ? '\r' : kind == 'n' ? '\n' : kind == '0' ? '\0' : kind;
        }
    }
    return bytes;
}

std::string argument(const std::string& line) { return line.size() > 3 ? line.substr(3) : ""; }

// Takes the lines that begin with one of these off the front.
std::vector<std::string> take(const std::vector<std::string>& lines, std::size_t& at,
                              std::initializer_list<std::string_view> kinds) {
    std::vector<std::string> taken;
    while (at < lines.size() &&
           std::any_of(
               kinds.begin(), kinds.end(),
               [&](std::string_view kind) { return lines[at].starts_with(kind); })) {
        taken.push_back(lines[at++]);
    }
    return taken;
}

void check_answers(std::string_view said, const std::vector<std::string>& expected) {
    std::vector<std::string_view> lines = base::split(said, '\n');
    lines.pop_back();  // each line ends with a newline
    CAPTURE(said);
    REQUIRE(lines.size() == expected.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        CAPTURE(expected[i]);
        REQUIRE(lines[i].ends_with('\r'));
        CHECK(base::glob_match(argument(expected[i]), lines[i].substr(0, lines[i].size() - 1)));
    }
}

void play(const Dialog& dialog, std::size_t piece) {
    test::Users users;
    users.add("alice", "secret");
    smtp::ServerContext context;
    context.options = &dialog.options;
    context.credentials = &users;
    context.tls_available = dialog.tls;
    test::Conversation talk{context};
    std::string said = talk.greeting;
    for (std::size_t at = 0; at < dialog.lines.size();) {
        check_answers(said, take(dialog.lines, at, {"S:"}));
        said.clear();
        if (at == dialog.lines.size()) break;
        const std::string& line = dialog.lines[at];
        CAPTURE(at, line);
        if (line.starts_with("T:")) {
            REQUIRE(talk.tls_wanted);
            talk.handshake();
            ++at;
        } else if (line.starts_with("X:")) {
            REQUIRE(talk.closed);
            ++at;
        } else {
            std::string bytes;
            for (const std::string& part : take(dialog.lines, at, {"C:", "C+"})) {
                bytes += unescape(argument(part));
                if (part.starts_with("C:")) bytes += "\r\n";
            }
            REQUIRE_FALSE(bytes.empty());
            said = talk.say(bytes, piece);
        }
    }
    CHECK(said.empty());
}

}  // namespace

TEST_CASE("the dialogs go as written, whole and byte by byte", "[smtp]") {
    const std::filesystem::path folder = std::filesystem::path{RELAY_SOURCE_DIR} / "tests/dialogs";
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator{folder}) {
        if (entry.path().extension() == ".dlg") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    REQUIRE(files.size() >= 10);
    for (const auto& file : files) {
        for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{4096}}) {
            INFO(file.filename() << ", pieces of " << piece);
            play(read_dialog(file), piece);
        }
    }
}
