#include "smtp/data_reader.hpp"

#include "tests/support/catch.hpp"

namespace {

using smtp::DataReader;

struct Read {
    std::string content;
    std::string rest;  // behind the end
    bool ended = false;
    bool repaired = false;
};

Read read_all(DataReader::Framing framing, std::string_view input, std::size_t piece) {
    DataReader reader;
    reader.start(framing);
    Read result;
    while (!input.empty() && !result.ended) {
        std::string_view part = input.substr(0, piece);
        input.remove_prefix(part.size());
        const std::string copy(part);  // so that a view into an older piece is caught
        const DataReader::Step step = reader.read(copy);
        result.content += step.content;
        result.ended = step.ended;
        if (step.ended) result.rest = copy.substr(step.consumed) + std::string(input);
        if (!step.ended) REQUIRE(step.consumed == copy.size());
    }
    if (framing == DataReader::Framing::counted) result.content += reader.finish();
    result.repaired = reader.repaired();
    return result;
}

std::string every_octet() {
    std::string text;
    for (int octet = 0; octet < 256; ++octet) {
        if (octet != '\r' && octet != '\n') text += static_cast<char>(octet);
    }
    return text;
}

}  // namespace

TEST_CASE("DATA ends at CRLF dot CRLF and its lines lose their stuffed dots", "[smtp]") {
    struct Case {
        std::string_view name, input, content;
    };
    // RFC 5321 section 4.5.2
    const Case c = GENERATE(values<Case>({
        {"empty", ".\r\n", ""},
        {"one line", "a\r\n.\r\n", "a\r\n"},
        {"only an empty line", "\r\n.\r\n", "\r\n"},
        {"stuffed dot", "..\r\n.\r\n", ".\r\n"},
        {"stuffed text", "a\r\n..b\r\n...\r\n.\r\n", "a\r\n.b\r\n..\r\n"},
        {"unstuffed text", ".b\r\n.\r\n", "b\r\n"},
        {"dots inside", "a.b\r\nc.\r\n.\r\n", "a.b\r\nc.\r\n"},
    }));
    const std::size_t piece = GENERATE(1u, 2u, 3u, 4096u);
    CAPTURE(c.name, piece);
    const Read read =
        read_all(DataReader::Framing::dots, std::string(c.input) + "MAIL FROM:<>\r\n", piece);
    CHECK(read.ended);
    CHECK(read.content == c.content);
    CHECK(read.rest == "MAIL FROM:<>\r\n");
    CHECK_FALSE(read.repaired);
}

TEST_CASE("no other newline ends DATA, and a dot between broken ones stays content", "[smtp]") {
    struct Case {
        std::string_view name, input, content;
    };
    const Case c = GENERATE(values<Case>({
        {"LF . LF", "a\n.\nb", "a\r\n.\r\nb"},
        {"LF . CRLF", "a\n.\r\nb", "a\r\n.\r\nb"},
        {"CR . CR", "a\r.\rb", "a\r\n.\r\nb"},
        {"CR . CRLF", "a\r.\r\nb", "a\r\n.\r\nb"},
        {"CR . LF", "a\r.\nb", "a\r\n.\r\nb"},
        {"CRLF . LF", "a\r\n.\nb", "a\r\n.\r\nb"},
        {"CRLF . CR", "a\r\n.\rb", "a\r\n.\r\nb"},
        {"CR CR LF . CR CR LF", "a\r\r\n.\r\r\nb", "a\r\n.\r\nb"},
        {"CRLF . CR CR LF", "a\r\n.\r\r\nb", "a\r\n.\r\nb"},
        {"CR CR LF . CRLF", "a\r\r\n.\r\nb", "a\r\n.\r\nb"},
        {"LF .. LF keeps both", "a\n..\nb", "a\r\n..\r\nb"},
        {"LF LF . LF", "a\n\n.\n\nb", "a\r\n\r\n.\r\n\r\nb"},
        {"LF CR . CRLF", "a\n\r.\r\nb", "a\r\n\r\n.\r\nb"},
        {"CR CR", "a\r\rb", "a\r\n\r\nb"},
        {"CR CR CR LF", "a\r\r\r\nb", "a\r\n\r\nb"},
        {"at the very start, LF", ".\nb", ".\r\nb"},
        {"at the very start, CR", ".\rb", ".\r\nb"},
    }));
    const std::size_t piece = GENERATE(1u, 2u, 3u, 4096u);
    CAPTURE(c.name, piece);
    const std::string input = "\r\n" + std::string(c.input);  // behind an empty header
    const Read open = read_all(DataReader::Framing::dots, input, piece);
    CHECK_FALSE(open.ended);
    CHECK(open.repaired);
    const Read read = read_all(DataReader::Framing::dots, input + "\r\n.\r\n", piece);
    CHECK(read.ended);
    CHECK(read.content == "\r\n" + std::string(c.content) + "\r\n");
}

TEST_CASE("in the header a lone CR is a blank and makes no field", "[smtp]") {
    struct Case {
        std::string_view name, input, content;
    };
    const Case c = GENERATE(values<Case>({
        {"CR", "A: a\rB: b\r\n\r\nc\rd", "A: a B: b\r\n\r\nc\r\nd"},
        {"CR CR", "A: a\r\rB: b\r\n\r\nc\r\rd", "A: a  B: b\r\n\r\nc\r\n\r\nd"},
        {"CR CR before the line end", "A: a\r\r\r\nB: b\r\n\r\n\r", "A: a \r\nB: b\r\n\r\n\r\n"},
        {"CR NUL", {"A: a\r\0B: b", 11}, {"A: a \0B: b", 11}},
        {"CR at the start of a line", "A: a\r\n\rB: b", "A: a\r\n B: b"},
        {"CR first of all", "\rA: a\r\n\r\n\rb", " A: a\r\n\r\n\r\nb"},
        {"LF ends a line", "A: a\nB: b\rC\r\n", "A: a\r\nB: b C\r\n"},
        {"CR CR LF ends a line", "A: a\r\r\nB: b\rC\r\n", "A: a\r\nB: b C\r\n"},
        {"LF LF ends the header", "A: a\n\nb\rc", "A: a\r\n\r\nb\r\nc"},
        {"LF CRLF ends the header", "A: a\n\r\nb\rc", "A: a\r\n\r\nb\r\nc"},
        {"CRLF LF ends the header", "A: a\r\n\nb\rc", "A: a\r\n\r\nb\r\nc"},
        {"CR CR LF twice ends the header", "A: a\r\r\n\r\r\nb\rc", "A: a\r\n\r\nb\r\nc"},
        {"a blank line ends no header", "A: a\r\n \r\nb\rc", "A: a\r\n \r\nb c"},
        {"CR at the end", "A: a\r", "A: a "},
        {"CR CR at the end", "A: a\r\r", "A: a  "},
    }));
    const std::size_t piece = GENERATE(1u, 2u, 3u, 5u, 4096u);
    CAPTURE(c.name, piece);
    const Read counted = read_all(DataReader::Framing::counted, c.input, piece);
    CHECK(counted.content == c.content);
    CHECK(counted.repaired);
    if (c.input.ends_with('\r')) return;  // with DATA it stays open
    const Read read =
        read_all(DataReader::Framing::dots, std::string(c.input) + "\r\n.\r\n", piece);
    CHECK(read.ended);
    CHECK(read.content == std::string(c.content) + "\r\n");
    CHECK(read.repaired);
}

TEST_CASE("a stuffed dot leaves a line that is not empty", "[smtp]") {
    const std::size_t piece = GENERATE(1u, 2u, 3u, 4096u);
    CHECK(read_all(DataReader::Framing::dots, "A: a\r\n..\r\nb\rc\r\n.\r\n", piece).content ==
          "A: a\r\n.\r\nb c\r\n");
}

TEST_CASE("NUL beside a newline neither hides nor makes an end of DATA", "[smtp]") {
    using namespace std::string_literals;
    const std::string input = GENERATE("a\r\n\0.\r\nb"s, "a\r\n.\0\r\nb"s, "a\r\0\n.\r\nb"s,
                                       "a\r\n.\r\0\nb"s, "a\0\n.\0\n"s);
    const std::size_t piece = GENERATE(1u, 3u, 4096u);
    CHECK_FALSE(read_all(DataReader::Framing::dots, input, piece).ended);
    CHECK(read_all(DataReader::Framing::dots, input + "\r\n.\r\n", piece).ended);
}

TEST_CASE("every octet but CR and LF passes as it is", "[smtp]") {
    const auto framing = GENERATE(DataReader::Framing::dots, DataReader::Framing::counted);
    const std::size_t piece = GENERATE(1u, 3u, 4096u);
    const std::string text = "x" + every_octet() + "\r\n" + std::string(3000, 'y') + "\r\n";
    const bool dots = framing == DataReader::Framing::dots;
    const Read read = read_all(framing, dots ? text + ".\r\n" : text, piece);
    CHECK(read.content == text);
    CHECK_FALSE(read.repaired);
}

TEST_CASE("counted content has its newlines repaired and its dots kept", "[smtp]") {
    struct Case {
        std::string_view input, content;
        bool repaired;
    };
    const Case c = GENERATE(values<Case>({
        {"a\r\n.\r\nb\r\n", "a\r\n.\r\nb\r\n", false},
        {"..\r\n", "..\r\n", false},
        {"a\nb", "a\r\nb", true},
        {"\r\na\r", "\r\na\r\n", true},
        {"\r\na\r\r", "\r\na\r\n\r\n", true},
        {"a\r\r\n", "a\r\n", true},
        {"", "", false},
    }));
    const std::size_t piece = GENERATE(1u, 3u, 4096u);
    CAPTURE(c.input, piece);
    const Read read = read_all(DataReader::Framing::counted, c.input, piece);
    CHECK(read.content == c.content);
    CHECK(read.repaired == c.repaired);
}

TEST_CASE("regular content is handed on as a view of the input", "[smtp]") {
    DataReader reader;
    reader.start(DataReader::Framing::dots);
    const std::string input = "Subject: x\r\n\r\n" + std::string(2000, 'a') + "\r\n.\r\n";
    const DataReader::Step step = reader.read(input);
    CHECK(step.ended);
    CHECK(step.content.data() == input.data());
    CHECK(step.content.size() == input.size() - 3);
}

// Scanning for CR and for LF anew at each newline took minutes for such a message.
TEST_CASE("a message of nothing but newlines costs no more than its length", "[smtp]") {
    const char newline = GENERATE('\r', '\n');
    const std::size_t length = 4 << 20;
    const std::string input = "\r\n" + std::string(length, newline);
    const Read read = read_all(DataReader::Framing::counted, input, input.size());
    CHECK(read.content.size() == 2 + 2 * length);
}
