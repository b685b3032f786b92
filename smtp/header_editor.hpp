#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace smtp {

// What is put into a message's header section on its way into the spool.
struct HeaderAdditions {
    std::string trace;        // the Received field, folded, with CRLF; goes on top
    bool add_missing = true;  // Date and Message-ID, when the message has none
    std::string date;         // their values
    std::string message_id;   // "<...>"
};

// Passes a message through in chunks, split anywhere, and adds fields; all else
// stays byte for byte (RFC 5321 section 4.4, RFC 6409 section 8). Missing fields
// go behind the last one, so nothing but the line in hand is held back. A message that
// does not begin with a header field gets the added fields and an empty line first.
class HeaderEditor {
 public:
    explicit HeaderEditor(HeaderAdditions additions);
    HeaderEditor(const HeaderEditor&) = delete;
    HeaderEditor& operator=(const HeaderEditor&) = delete;

    void write(std::string_view chunk, std::string& out);  // appends to out
    void finish(std::string& out);                         // the message has ended

    [[nodiscard]] std::size_t received_count() const { return received_count_; }  // before ours
    [[nodiscard]] const std::string& message_id() const {
        return message_id_;
    }  // the message's own or ours
    [[nodiscard]] const std::string& subject() const {
        return subject_;
    }  // raw, unfolded, at most 998 bytes
    [[nodiscard]] const std::string& from() const { return from_; }  // likewise
    [[nodiscard]] bool in_header() const { return in_header_; }

 private:
    static constexpr std::size_t longest_kept = 998;

    void take_line(std::string_view line, std::string& out);
    void take_continuation(std::string_view line, std::string& out);
    void begin_field(std::string_view name, std::string_view value);
    void gather(std::string_view value);
    void add_fields(std::string& out);

    HeaderAdditions additions_;
    std::string line_;             // a line whose end has not come yet
    std::string* kept_ = nullptr;  // where the field's continuation lines belong, if anywhere
    bool started_ = false;         // the first line was seen
    bool in_header_ = true;
    bool inside_long_line_ = false;  // its beginning was passed on already
    bool has_date_ = false;
    bool has_message_id_ = false;
    std::size_t received_count_ = 0;
    std::string message_id_, subject_, from_;
};

}  // namespace smtp
