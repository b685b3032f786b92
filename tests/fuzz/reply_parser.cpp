// A server's bytes to the reply parser: any split gives the same replies.
#include "smtp/reply.hpp"
#include "tests/fuzz/check.hpp"

namespace {

struct Parsed {
    std::vector<smtp::Reply> replies;
    bool failed;
    friend bool operator==(const Parsed&, const Parsed&) = default;
};

Parsed parse(std::string_view bytes, std::size_t piece) {
    smtp::ReplyParser parser;
    Parsed parsed{};
    while (!bytes.empty() && !parser.failed()) {
        parser.receive(bytes.substr(0, piece));
        bytes.remove_prefix(std::min(piece, bytes.size()));
        while (auto reply = parser.next()) parsed.replies.push_back(std::move(*reply));
    }
    parsed.failed = parser.failed();
    return parsed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = fuzz::text_of(data, size);
    const Parsed whole = parse(bytes, size + 1);
    fuzz::require(whole == parse(bytes, 1), "the split of the bytes changes nothing");
    for (const smtp::Reply& reply : whole.replies) {
        fuzz::require(reply.code >= 200 && reply.code < 600, "a reply has a code");
        fuzz::require(fuzz::canonical(reply.serialize()), "a reply passed on has CRLF lines");
        fuzz::require(reply.one_line().find('\n') == std::string::npos, "one line is one line");
    }
    return 0;
}
