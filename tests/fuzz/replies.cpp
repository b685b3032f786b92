// Any text to the reply catalogue: "CODE ENHANCED text", as people paste it.
#include <charconv>

#include "base/text.hpp"
#include "diagnose/reply_catalogue.hpp"
#include "tests/fuzz/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = fuzz::text_of(data, size);
    const std::string normal = diagnose::normalize_reply(text);
    fuzz::require(normal.size() <= text.size() + 1, "normal text is no longer than what was given");
    const auto words = base::split(text, ' ');
    diagnose::ReplyQuery query;
    query.text = text;
    std::from_chars(words[0].data(), words[0].data() + words[0].size(), query.code);
    if (words.size() > 1) query.enhanced = words[1];
    for (const char* stage : {"", "auth", "rcpt", "data"}) {
        query.stage = stage;
        const diagnose::ReplyEntry* const found =
            diagnose::ReplyCatalogue::built_in().explain(query);
        if (found == nullptr) continue;
        fuzz::require(!found->meaning.empty() && !found->fix.empty(), "an answer says what to do");
    }
    return 0;
}
