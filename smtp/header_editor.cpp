#include "smtp/header_editor.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace smtp {
namespace {

// A line without end must not gather in memory. Far beyond RFC 5322's 998, as real programs write
// whole recipient lists into one.
constexpr std::size_t longest_held_line = 32 * 1024;

// RFC 5322 section 2.2, with the blanks before the colon of section 4.5. "" when line is no field.
std::string_view field_name(std::string_view line) {
    const std::size_t length = static_cast<std::size_t>(
        std::find_if(line.begin(), line.end(),
                     [](char c) { return c <= ' ' || c > '~' || c == ':'; }) -
        line.begin());
    const std::size_t colon = line.find_first_not_of(" \t", length);
    if (colon == std::string_view::npos || line[colon] != ':') return {};
    return line.substr(0, length);
}

bool is_empty_line(std::string_view line) { return line == "\r\n" || line == "\n"; }

}  // namespace

HeaderEditor::HeaderEditor(HeaderAdditions additions) : additions_(std::move(additions)) {}

void HeaderEditor::write(std::string_view chunk, std::string& out) {
    while (in_header_ && !chunk.empty()) {
        const std::size_t feed = chunk.find('\n');
        const bool whole = feed != std::string_view::npos;
        const std::string_view piece = chunk.substr(0, whole ? feed + 1 : feed);
        chunk.remove_prefix(piece.size());
        if (inside_long_line_) {
            out += piece;
            inside_long_line_ = !whole;
        } else if (whole && line_.empty()) {
            take_line(piece, out);
        } else {
            line_ += piece;
            if (!whole && line_.size() <= longest_held_line) continue;
            inside_long_line_ = !whole;
            take_line(std::exchange(line_, {}), out);
        }
    }
    out += chunk;
}

void HeaderEditor::finish(std::string& out) {
    if (!in_header_) return;
    // Content sent with BDAT may end inside a line, behind which nothing can be added.
    if (inside_long_line_ || !line_.empty()) write("\r\n", out);
    if (!in_header_) return;
    in_header_ = false;
    if (!started_) out += additions_.trace;
    const std::size_t before = out.size();
    add_fields(out);
    const bool added = !started_ && (out.size() > before || !additions_.trace.empty());
    if (added) out += "\r\n";
}

void HeaderEditor::take_line(std::string_view line, std::string& out) {
    const bool first = !std::exchange(started_, true);
    if (first) out += additions_.trace;
    const bool continuation = !first && (line.starts_with(' ') || line.starts_with('\t'));
    if (continuation) return take_continuation(line, out);
    const std::string_view name = field_name(line);
    if (first && name.empty() && line.starts_with("From ")) {
        // The separator line of a mailbox file, which would make body of all fields behind it.
        out.append("X-Mailbox-Line: ").append(line);
        return;
    }
    if (!name.empty()) {
        begin_field(name, line.substr(line.find(':') + 1));
        out += line;
        return;
    }
    in_header_ = false;
    const std::size_t before = out.size();
    add_fields(out);
    // Without an empty line, a body that comes without a header would be read as part of ours.
    const bool added = out.size() > before || (first && !additions_.trace.empty());
    if (!is_empty_line(line) && added) out += "\r\n";
    out += line;
}

void HeaderEditor::take_continuation(std::string_view line, std::string& out) {
    gather(line);
    out += line;
}

void HeaderEditor::begin_field(std::string_view name, std::string_view value) {
    kept_ = nullptr;
    if (base::equals_ignoring_case(name, "Received")) {
        ++received_count_;
    } else if (base::equals_ignoring_case(name, "Date")) {
        has_date_ = true;
    } else if (base::equals_ignoring_case(name, "Message-ID")) {
        has_message_id_ = true;
        kept_ = &message_id_;
    } else if (base::equals_ignoring_case(name, "Subject")) {
        kept_ = &subject_;
    } else if (base::equals_ignoring_case(name, "From")) {
        kept_ = &from_;
    }
    if (kept_ != nullptr && !kept_->empty()) kept_ = nullptr;  // of several the first counts
    gather(value);
}

// Unfolding takes the newline only (RFC 5322 section 2.2.3).
void HeaderEditor::gather(std::string_view value) {
    if (kept_ == nullptr) return;
    value = value.substr(0, std::min(value.find_last_not_of("\r\n") + 1, value.size()));
    if (kept_->empty()) value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    kept_->append(value.substr(0, longest_kept - std::min(longest_kept, kept_->size())));
}

void HeaderEditor::add_fields(std::string& out) {
    if (!additions_.add_missing) return;
    if (!has_date_ && !additions_.date.empty()) {
        out.append("Date: ").append(additions_.date).append("\r\n");
    }
    if (!has_message_id_ && !additions_.message_id.empty()) {
        out.append("Message-ID: ").append(additions_.message_id).append("\r\n");
        message_id_ = additions_.message_id;
    }
}

}  // namespace smtp
