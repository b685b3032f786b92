#include "diagnose/reply_catalogue.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "tests/support/catch.hpp"

using diagnose::ReplyCatalogue;
using diagnose::ReplyEntry;
using diagnose::ReplyQuery;

namespace {

ReplyQuery query(int code, std::string_view enhanced, std::string_view text,
                 std::string_view provider = "", std::string_view stage = "") {
    ReplyQuery result;
    result.code = code;
    result.enhanced = enhanced;
    result.text = text;
    result.provider = provider;
    result.stage = stage;
    return result;
}

std::string explained(const ReplyQuery& what) {
    const ReplyEntry* entry = ReplyCatalogue::built_in().explain(what);
    return entry == nullptr ? "" : entry->id;
}

}  // namespace

TEST_CASE("each entry is found by a reply made from its own criteria", "[replies]") {
    for (const ReplyEntry& entry : ReplyCatalogue::built_in().entries()) {
        std::vector<std::string> texts = entry.contains;
        if (texts.empty()) texts.emplace_back("sorry");
        for (const std::string& words : texts) {
            const std::string text = fmt::format("Well, {}, bye", base::to_upper(words));
            CAPTURE(entry.id, text);
            CHECK(explained(query(entry.code, entry.enhanced, text, entry.provider, entry.stage)) ==
                  entry.id);
        }
    }
}

TEST_CASE("replies as servers give them are explained", "[replies]") {
    struct Case {
        std::string_view name;
        ReplyQuery reply;
        std::string_view id;
    };
    const Case c = GENERATE(values<Case>({
        {"several lines, codes repeated",
         query(534, "5.7.9",
               "Application-specific password required. For more information, go to\n"
               "534-5.7.9  https://support.example/mail/?p=InvalidSecondFactor - gsmtp",
               "gmail", "auth"),
         "gmail-app-password"},
        {"a phrase broken over two lines",
         query(550, "5.7.1",
               "Messages from it were part\n5.7.1 of   their network is on our block list"),
         "ms-blocklist"},
        {"provider not said, words are its own",
         query(535, "5.7.139", "SmtpClientAuthentication is disabled for the Tenant."),
         "m365-smtpauth-tenant"},
        {"the same words of two services, provider known",
         query(535, "", "Authentication Credentials Invalid", "ses", "auth"), "ses-535"},
        {"the same words of two services, provider not known",
         query(535, "", "Authentication Credentials Invalid", "", "auth"), "rfc-535"},
        {"another service's words do not decide",
         query(535, "5.7.8", "Error: authentication failed", "mailgun", "auth"), "rfc-535"},
        {"no service's words decide when the provider is unknown",
         query(535, "5.7.8", "Error: authentication failed: UGFzc3dvcmQ6", "", "auth"), "rfc-535"},
        {"an exchanger's words through a smarthost",
         query(550, "5.7.1",
               "The IP you're using to send mail is not authorized to send email directly to our "
               "servers",
               "ses", "data"),
         "gmail-notauthorized"},
        {"no enhanced code, a code that says enough", query(535, "", "go away", "", "auth"),
         "rfc-535"},
        {"no enhanced code, a code that says little", query(550, "", "go away"), ""},
        {"an enhanced code with another reply code", query(554, "5.7.23", "no"), "rfc-5723"},
        {"longer words win",
         query(550, "5.4.5", "Daily SMTP relay limit exceeded for customer",
               "google-workspace-relay"),
         "gwr-daily-user"},
        {"stage parts equals",
         query(530, "5.7.0", "Must issue a STARTTLS command first", "", "mail"), "starttls-first"},
        {"nothing known", query(250, "2.0.0", "Ok"), ""},
        {"nothing at all", query(0, "", ""), ""},
    }));
    CAPTURE(c.name);
    CHECK(explained(c.reply) == c.id);
}

TEST_CASE("reply texts are compared in one form", "[replies]") {
    CHECK(diagnose::normalize_reply("550-5.7.1 Not  Here\r\n550 5.7.1\tbye \n") == "not here bye");
    CHECK(diagnose::normalize_reply("550") == "");
    CHECK(diagnose::normalize_reply("5.7.x is kept, 1.2.3 too") == "5.7.x is kept, 1.2.3 too");
    CHECK(diagnose::normalize_reply("") == "");
}

TEST_CASE("a faulty catalogue is refused with its line", "[replies]") {
    const auto no_toml = ReplyCatalogue::parse("[[reply]]\nid = \n");
    REQUIRE(no_toml.has_error());
    CHECK(no_toml.error().message.find("line 2") != std::string::npos);
    const auto no_fix = ReplyCatalogue::parse("\n[[reply]]\nid = \"a\"\nmeaning = \"b\"\n");
    REQUIRE(no_fix.has_error());
    CHECK(no_fix.error().message.find("line 2") != std::string::npos);
}
