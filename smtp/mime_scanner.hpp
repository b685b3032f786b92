#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/mime_entity.hpp"

namespace smtp {

// Finds the parts of a message that comes in pieces, split anywhere. It keeps one header section
// and the beginning of one line, never a body, so memory does not grow with the message.
class MimeScanner {
 public:
    struct Place {
        std::size_t index = 0;   // of the entity: the message is 0, its parts follow as they come
        int depth = 0;           // how many entities it is inside of
        bool in_signed = false;  // as the visitor said of what it is inside of
    };
    enum class Kind : std::uint8_t { leaf, multipart, message };
    struct Shape {
        Kind kind = Kind::leaf;
        std::string boundary;  // of a multipart
        bool in_signed = false;
    };

    // What is told, in the order of the message; all of its bytes but those of headers pass through
    // body(), loose() and line_end().
    class Visitor {
     public:
        virtual ~Visitor() = default;
        // A header section with the empty line behind it; body is empty. Says what follows.
        virtual Shape header(const MimeEntity& entity, const Place& place) = 0;
        virtual void body(std::string_view piece) = 0;  // of a leaf
        virtual void body_ended() = 0;
        // The boundary of a multipart was found: it has parts.
        virtual void has_parts(std::size_t index) = 0;
        virtual void preamble(std::string_view piece) = 0;
        virtual void epilogue(std::string_view piece) = 0;
        // Delimiters, and the line ends that belong to them (RFC 2046 section 5.1.1).
        virtual void delimiter(std::string_view text) = 0;
    };

    explicit MimeScanner(Visitor& visitor) : visitor_(visitor) {}
    void write(std::string_view piece);
    void finish();
    // A header section or a number of parts beyond all reason: nothing more is told.
    [[nodiscard]] bool gave_up() const { return gave_up_; }

    static constexpr std::size_t longest_header = 1 << 20;
    static constexpr std::size_t most_parts = 1 << 20;

 private:
    enum class Mode : std::uint8_t { header, body, loose };
    enum class State : std::uint8_t { preamble, part, epilogue };
    struct Level {  // a multipart
        std::string boundary;
        std::size_t index = 0;
        int depth = 0;
        bool in_signed = false;
        State state = State::preamble;
    };

    void take(std::string_view text, bool ended);
    bool take_delimiter(std::string_view line);
    void enter(std::size_t level, Delimiter kind, std::string_view line);
    void take_header_line(std::string_view text, bool whole);
    void take_body(std::string_view text);
    void begin_entity(int depth, bool in_signed);
    void finish_header(bool ended);
    void end_entity();

    Visitor& visitor_;
    std::vector<Level> levels_;
    Mode mode_ = Mode::header;
    int depth_ = 0;
    bool in_signed_ = false;
    std::size_t entities_ = 0;
    std::string header_;
    std::string line_;          // whose end has not come
    bool inside_line_ = false;  // a long one, whose beginning was told
    std::string held_;          // a line end of a leaf that may belong to a delimiter
    bool gave_up_ = false;
};

}  // namespace smtp
