#include "smtp/body_encoder.hpp"

#include <cstring>

namespace smtp {
namespace {

constexpr std::string_view crlf = "\r\n";
// Content that needs more of them costs another allocation.
constexpr std::size_t room_for_repairs = 512;

const char* find(const char* begin, const char* end, char c) {
    const void* found = std::memchr(begin, c, static_cast<std::size_t>(end - begin));
    return found == nullptr ? end : static_cast<const char*>(found);
}

// Appends text that holds no LF, with each CR made a line end. The lines that arise this way
// begin behind a CR and are the only ones that need stuffing here.
void append_repaired(std::string_view text, bool stuff, std::string& out) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t cr = text.find('\r', at);
        out += text.substr(at, cr == std::string_view::npos ? cr : cr - at);
        if (cr == std::string_view::npos) return;
        out += crlf;
        at = cr + 1;
        if (stuff && at < text.size() && text[at] == '.') out += '.';
    }
}

}  // namespace

void BodyEncoder::write(std::string_view piece, std::string& out) {
    if (piece.empty()) return;
    out.reserve(out.size() + piece.size() + room_for_repairs);
    if (framing_ == BodyFraming::raw) {
        out += piece;
    } else if (framing_ == BodyFraming::lines) {
        write_lines(piece, out);
    } else {
        write_dots(piece, out);
    }
}

void BodyEncoder::write_dots(std::string_view piece, std::string& out) {
    while (true) {
        if (nul_line_ != NulLine::none) piece.remove_prefix(go_on_with_nul_line(piece, out));
        if (piece.empty()) return;
        const std::size_t begin = find_nul_line(piece);
        write_lines(piece.substr(0, begin), out);
        if (begin == std::string_view::npos) return;
        nul_line_ = NulLine::nuls;
        piece.remove_prefix(begin);
    }
}

// Where in piece the first line is that begins with NUL.
std::size_t BodyEncoder::find_nul_line(std::string_view piece) const {
    const bool at_start = line_start_ || held_cr_;
    std::size_t at = piece.find('\0');
    while (at != std::string_view::npos) {
        const bool begins = at == 0 ? at_start : piece[at - 1] == '\n' || piece[at - 1] == '\r';
        if (begins) return at;
        at = piece.find('\0', at + 1);
    }
    return at;
}

// Tells how much of piece it took.
std::size_t BodyEncoder::go_on_with_nul_line(std::string_view piece, std::string& out) {
    std::size_t taken = 0;
    while (taken < piece.size()) {
        const bool dot = piece[taken] == '.' && nul_line_ == NulLine::nuls;
        if (piece[taken] != '\0' && !dot) break;
        if (dot) nul_line_ = NulLine::dot;
        ++taken;
    }
    write_lines(piece.substr(0, taken), out);
    if (taken < piece.size()) {
        const bool ends = piece[taken] == '\r' || piece[taken] == '\n';
        if (ends && nul_line_ == NulLine::dot) write_lines(".", out);
        nul_line_ = NulLine::none;
    }
    return taken;
}

void BodyEncoder::write_lines(std::string_view piece, std::string& out) {
    if (piece.empty()) return;
    if (held_cr_) {
        held_cr_ = false;
        out += crlf;
        line_start_ = true;
        if (piece.front() == '\n') piece.remove_prefix(1);
    }
    if (piece.ends_with('\r')) {
        held_cr_ = true;
        piece.remove_suffix(1);
    }
    const char* at = piece.data();
    const char* const end = at + piece.size();
    const char* copied = at;  // [copied, at) is canonical and still to be appended
    while (at < end) {
        const char* const lf = find(at, end, '\n');
        const char* const cr = find(at, lf, '\r');
        const bool whole = lf < end;
        const bool canonical = whole ? cr + 1 == lf : cr == lf;
        const bool stuff = framing_ == BodyFraming::dots && line_start_ && *at == '.';
        if (stuff) {
            out.append(copied, at);
            out += '.';
            copied = at;
        }
        if (!canonical) {
            out.append(copied, at);
            const char* const text_end = whole && lf > at && lf[-1] == '\r' ? lf - 1 : lf;
            append_repaired({at, static_cast<std::size_t>(text_end - at)},
                            framing_ == BodyFraming::dots, out);
            line_start_ = out.ends_with(crlf);
            if (whole) out += crlf;
            copied = whole ? lf + 1 : end;
        }
        line_start_ = whole || (!canonical && line_start_);
        at = whole ? lf + 1 : end;
    }
    out.append(copied, end);
}

void BodyEncoder::finish(std::string& out) {
    if (nul_line_ == NulLine::dot) write_lines(".", out);
    nul_line_ = NulLine::none;
    if (held_cr_ || (framing_ == BodyFraming::dots && !line_start_)) out += crlf;
    held_cr_ = false;
    line_start_ = true;
}

}  // namespace smtp
