#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace diagnose {

// One [[reply]] of config/data/replies.toml: what a server's reply means and who can do what about
// it.
struct ReplyEntry {
    std::string id;
    std::string provider;               // "gmail", "gmail-mx", "generic", "rfc"
    std::string stage;                  // "connect", "ehlo", "auth", "mail", "rcpt", "data"
    int code = 0;                       // 0: any
    std::string enhanced;               // "": any
    std::vector<std::string> contains;  // lower case; empty: any text
    bool vague = false;                 // any other entry that fits is better
    // What says enough without words, and when; see the header of replies.toml.
    bool bare_code = false, any_enhanced = false, bare_enhanced = false;
    bool at_stage = false;     // counts only at its stage
    bool ordinary = false;     // words that anybody may use, not always of mail
    std::string verdict;       // "auth.app_password"
    std::string who_fixes;     // "user", "admin", "provider", "recipient", "program", "nobody"
    std::string retry;         // "no", "later", "tomorrow", "after-fix"
    std::string meaning, fix;  // sentences that can stand alone
    std::string source;
};

// A reply and what is known about who gave it. The views are only read during the call.
struct ReplyQuery {
    int code = 0;               // 0: not known; without enhanced code too, words alone decide
    std::string_view enhanced;  // "" when there was none
    std::string_view text;      // lines parted by '\n'; codes at their starts do no harm
    std::string_view provider;  // the preset's id, "" when not known
    std::string_view stage;     // as in ReplyEntry, or smtp::stage_name(); "" when not known
    bool no_service = false;    // known to come from none of the services in the catalogue
};

class ReplyCatalogue {
 public:
    [[nodiscard]] static base::Result<ReplyCatalogue> parse(std::string_view toml);
    [[nodiscard]] static const ReplyCatalogue& built_in();  // read at the first call; thread-safe

    // The entry that fits best, by the rules in the header of replies.toml; nullptr when none does.
    // It lives as long as the catalogue.
    [[nodiscard]] const ReplyEntry* explain(const ReplyQuery& query) const;
    [[nodiscard]] const std::vector<ReplyEntry>& entries() const { return entries_; }

 private:
    struct Reply;
    [[nodiscard]] int score(std::size_t index, const Reply& reply) const;
    [[nodiscard]] const ReplyEntry* standard_meaning(const Reply& reply) const;

    std::vector<ReplyEntry> entries_;
    std::vector<bool> own_words_;  // by entry: no other named service says the same
};

// How texts are compared: lower case, lines joined, codes at their starts dropped, blanks folded.
[[nodiscard]] std::string normalize_reply(std::string_view text);

}  // namespace diagnose
