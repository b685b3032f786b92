#include "smtp/data_reader.hpp"

#include <algorithm>
#include <cstring>

namespace smtp {

// Finds CR and LF in one input. Each is looked for once only, so that an input of nothing
// but one of them does not cost its square.
class DataReader::Scanner {
 public:
    explicit Scanner(std::string_view input)
        : end_(input.data() + input.size()), cr_(input.data()), lf_(input.data()) {
        cr_ = find('\r', input.data());
        lf_ = find('\n', input.data());
    }

    // From at, which is inside a line: the end of the longest run that needs no repair and in
    // which no line begins with a dot (when dots count). The run ends inside a line, or behind a
    // CRLF, and then line_start says so.
    const char* regular_run(const char* at, bool dots, bool& line_start, Place& place) {
        line_start = false;
        while (true) {
            if (cr_ < at) cr_ = find('\r', at);
            if (lf_ < at) lf_ = find('\n', at);
            if (cr_ == end_ || lf_ == end_ || lf_ != cr_ + 1) {
                const char* const irregular = cr_ < lf_ ? cr_ : lf_;
                if (irregular != at) place.empty_line = false;
                return irregular;
            }
            if (place.empty_line && cr_ == at) place.header = false;
            place.empty_line = true;
            at = lf_ + 1;
            if (at == end_ || (dots && *at == '.')) {
                line_start = true;
                return at;
            }
        }
    }

 private:
    const char* find(char c, const char* from) const {
        if (from == end_) return end_;
        const void* found = std::memchr(from, c, static_cast<std::size_t>(end_ - from));
        return found == nullptr ? end_ : static_cast<const char*>(found);
    }

    const char* end_;
    const char* cr_;
    const char* lf_;
};

void DataReader::start(Framing framing) {
    framing_ = framing;
    state_ = State::line_start;
    place_ = {};
    repaired_ = false;
    tail_ = {};
    content_ = {};
    std::string{}.swap(scratch_);  // between messages no session holds memory for one
}

DataReader::Step DataReader::read(std::string_view input) {
    content_ = {};
    scratch_.clear();
    const bool dots = framing_ == Framing::dots;
    const char* at = input.data();
    const char* const end = at + input.size();
    Scanner scanner{input};
    bool ended = false;
    while (at != end && !ended) {
        const bool regular =
            state_ == State::in_line || (state_ == State::line_start && !(dots && *at == '.'));
        if (regular) {
            bool line_start = false;
            const char* const run_end = scanner.regular_run(at, dots, line_start, place_);
            if (run_end != at) {
                emit({at, static_cast<std::size_t>(run_end - at)});
                state_ = line_start ? State::line_start : State::in_line;
                at = run_end;
                continue;
            }
        }
        state_ = step(*at++, ended);
    }
    const std::string_view content = scratch_.empty() ? content_ : std::string_view{scratch_};
    note_tail(content);
    return {static_cast<std::size_t>(at - input.data()), content, ended};
}

void DataReader::note_tail(std::string_view content) {
    content.remove_prefix(content.size() - std::min(content.size(), tail_.size()));
    std::copy(tail_.begin() + static_cast<std::ptrdiff_t>(content.size()), tail_.end(),
              tail_.begin());
    std::copy(content.begin(), content.end(),
              tail_.end() - static_cast<std::ptrdiff_t>(content.size()));
}

bool DataReader::false_end() const {
    return repaired_ && std::string_view{tail_.data(), tail_.size()} == "\r\n.\r\n";
}

std::string_view DataReader::finish() {
    content_ = {};
    scratch_.clear();
    if (state_ == State::cr || state_ == State::cr_cr) lone_cr();
    if (state_ == State::cr_cr) lone_cr();
    state_ = State::line_start;
    return scratch_.empty() ? content_ : std::string_view{scratch_};
}

// One byte where the run of regular bytes ends.
DataReader::State DataReader::step(char c, bool& ended) {
    switch (state_) {
        case State::line_start:
            return c == '.' && framing_ == Framing::dots ? State::dot : newline(c);
        case State::in_line:
            return newline(c);
        case State::dot:
            return behind_dot(c);
        case State::dot_cr:
            if (c == '\n') {
                ended = true;
                return State::line_start;
            }
            emit_text(".");
            state_ = State::cr;
            return step(c, ended);
        case State::cr:
            if (c == '\r') return State::cr_cr;
            if (c == '\n') {
                end_line();
                return State::line_start;
            }
            lone_cr();
            return newline(c);
        case State::cr_cr:
            if (c == '\n') return repair();  // CR CR LF is one newline
            lone_cr();
            if (c == '\r') return State::cr_cr;  // the oldest of three stood alone
            lone_cr();
            return newline(c);
    }
    return state_;
}

// RFC 5321 section 4.5.2: a dot that begins a line goes, unless it is all that the line has.
DataReader::State DataReader::behind_dot(char c) {
    if (c == '\r') return State::dot_cr;
    if (c == '\n') {
        emit_text(".");  // a broken end stays visible as a line of content
        return repair();
    }
    return newline(c);
}

// A byte inside a line that may be half of a newline.
DataReader::State DataReader::newline(char c) {
    if (c == '\r') return State::cr;
    if (c == '\n') return repair();
    emit_text({&c, 1});
    return State::in_line;
}

DataReader::State DataReader::repair() {
    repaired_ = true;
    end_line();
    return State::in_line;
}

void DataReader::lone_cr() {
    if (!place_.header) {
        repair();
        return;
    }
    repaired_ = true;
    emit_text(" ");
}

void DataReader::end_line() {
    if (place_.empty_line) place_.header = false;
    place_.empty_line = true;
    emit("\r\n");
}

void DataReader::emit_text(std::string_view bytes) {
    place_.empty_line = false;
    emit(bytes);
}

// Pieces that touch each other in the input stay a view of it; else they are gathered.
void DataReader::emit(std::string_view bytes) {
    if (bytes.empty()) return;
    if (scratch_.empty() && content_.empty() && bytes.size() > 1) {
        content_ = bytes;
        return;
    }
    if (scratch_.empty()) scratch_ = content_;
    scratch_ += bytes;
}

}  // namespace smtp
