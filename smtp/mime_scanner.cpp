#include "smtp/mime_scanner.hpp"

#include <utility>

namespace smtp {
namespace {

// No delimiter is longer: RFC 2046 section 5.1.1 allows a boundary of 70 characters.
constexpr std::size_t longest_delimiter = 4096;
constexpr std::string_view crlf = "\r\n";

}  // namespace

void MimeScanner::write(std::string_view piece) {
    while (!piece.empty() && !gave_up_) {
        const std::size_t feed = piece.find('\n');
        const bool ended = feed != std::string_view::npos;
        const std::string_view text = piece.substr(0, ended ? feed + 1 : feed);
        piece.remove_prefix(text.size());
        if (line_.empty() && (ended || inside_line_)) {
            take(text, ended);
            continue;
        }
        line_ += text;
        if (!ended && line_.size() <= longest_delimiter) continue;
        take(line_, ended);
        line_.clear();
    }
}

void MimeScanner::finish() {
    if (gave_up_) return;
    if (!line_.empty()) take(line_, true);
    line_.clear();
    if (!gave_up_) end_entity();
}

void MimeScanner::take(std::string_view text, bool ended) {
    const bool whole = !inside_line_ && ended;
    inside_line_ = !ended;
    if (whole && text.size() <= longest_delimiter && take_delimiter(text)) return;
    switch (mode_) {
        case Mode::header:
            return take_header_line(text, whole);
        case Mode::body:
            return take_body(text);
        case Mode::loose:
            if (levels_.back().state == State::preamble) return visitor_.preamble(text);
            return visitor_.epilogue(text);
    }
}

// The outermost boundary goes first: what it parts ends, however it is made inside.
bool MimeScanner::take_delimiter(std::string_view line) {
    if (levels_.empty() || !line.starts_with("--")) return false;
    for (std::size_t i = 0; i < levels_.size(); ++i) {
        if (levels_[i].state == State::epilogue) continue;
        const Delimiter kind = delimiter_kind(line, levels_[i].boundary);
        if (kind == Delimiter::none) continue;
        enter(i, kind, line);
        return true;
    }
    return false;
}

void MimeScanner::enter(std::size_t level, Delimiter kind, std::string_view line) {
    end_entity();
    if (gave_up_) return;
    levels_.resize(level + 1);
    Level& multipart = levels_.back();
    if (multipart.state == State::preamble) visitor_.has_parts(multipart.index);
    visitor_.delimiter(line);
    multipart.state = kind == Delimiter::close ? State::epilogue : State::part;
    mode_ = Mode::loose;
    if (kind == Delimiter::part) begin_entity(multipart.depth + 1, multipart.in_signed);
}

void MimeScanner::begin_entity(int depth, bool in_signed) {
    mode_ = Mode::header;
    header_.clear();
    depth_ = depth;
    in_signed_ = in_signed;
}

void MimeScanner::take_header_line(std::string_view text, bool whole) {
    header_ += text;
    if (header_.size() > longest_header) {
        gave_up_ = true;
    } else if (whole && (text == crlf || text == "\n")) {
        finish_header(true);
    }
}

void MimeScanner::finish_header(bool ended) {
    if (entities_ == most_parts) {
        gave_up_ = true;
        return;
    }
    const Place place{entities_++, depth_, in_signed_};
    const std::string header = std::exchange(header_, {});
    Shape shape = visitor_.header(split_entity(header), place);
    held_.clear();
    switch (shape.kind) {
        case Kind::leaf:
            mode_ = Mode::body;
            break;
        case Kind::multipart:
            levels_.push_back(
                {std::move(shape.boundary), place.index, depth_, shape.in_signed, State::preamble});
            mode_ = Mode::loose;
            break;
        case Kind::message:
            begin_entity(depth_ + 1, shape.in_signed);
            if (!ended) mode_ = Mode::loose;  // nothing is left for it
            break;
    }
}

void MimeScanner::take_body(std::string_view text) {
    if (levels_.empty()) return visitor_.body(text);
    std::string joined;
    if (!held_.empty()) {
        joined = std::exchange(held_, {}).append(text);
        text = joined;
    }
    const std::size_t held = text.ends_with(crlf) ? 2 : text.ends_with('\r') ? 1 : 0;
    held_ = text.substr(text.size() - held);
    text.remove_suffix(held);
    if (!text.empty()) visitor_.body(text);
}

// By a delimiter, or with the message.
void MimeScanner::end_entity() {
    std::string line_end;
    if (mode_ == Mode::header) {
        if (!levels_.empty() && header_.ends_with(crlf)) {
            line_end = crlf;
            header_.resize(header_.size() - crlf.size());
        }
        finish_header(false);
        if (gave_up_) return;
    } else if (mode_ == Mode::body && held_ == crlf) {
        line_end = std::exchange(held_, {});
    }
    if (mode_ == Mode::body) {
        if (!held_.empty()) visitor_.body(std::exchange(held_, {}));
        visitor_.body_ended();
    }
    mode_ = Mode::loose;
    if (!line_end.empty()) visitor_.delimiter(line_end);
}

}  // namespace smtp
