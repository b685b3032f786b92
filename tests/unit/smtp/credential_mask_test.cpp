#include "smtp/credential_mask.hpp"

#include "base/base64.hpp"
#include "tests/support/catch.hpp"

namespace {

std::string masked(std::string_view password, std::string text, std::string_view sent = "") {
    smtp::CredentialMask mask{base::Secret{std::string{password}}};
    if (!sent.empty()) mask.add_sent(base::Secret{std::string{sent}});
    mask.apply(text);
    return text;
}

}  // namespace

TEST_CASE("a password is taken out of a server's words in each form it may have", "[smtp]") {
    // AHVzZXIAY29ycmVjdC1ob3JzZS1iYXR0ZXJ5 is PLAIN's message for "user".
    constexpr std::string_view password = "correct-horse-battery";
    constexpr std::string_view blob = "AHVzZXIAY29ycmVjdC1ob3JzZS1iYXR0ZXJ5";
    struct Case {
        std::string_view name, text, result;
    };
    const Case c = GENERATE(values<Case>({
        {"nothing to hide", "5.7.8 bad credentials", "5.7.8 bad credentials"},
        {"as it is", "no such password correct-horse-battery", "no such password ***"},
        {"twice, side by side", "correct-horse-batterycorrect-horse-battery", "******"},
        {"quoted", "\"correct-horse-battery\"?", "\"***\"?"},
        {"cut short", "no such password correct-horse-b", "no such password ***"},
        {"in base64", "bad Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5", "bad ***"},
        {"the line as sent", "what is AHVzZXIAY29ycmVjdC1ob3JzZS1iYXR0ZXJ5?", "what is ***?"},
        {"the line as sent, cut short", "what is AHVzZXIAY29ycm", "what is ***"},
        {"on the second line", "no\nY29ycmVjdC1ob3JzZS1iYXR0ZXJ5", "no\n***"},
        {"ordinary words", "this is not correct; try a horse", "this is not correct; try a horse"},
    }));
    CAPTURE(c.name);
    REQUIRE(masked(password, std::string{c.text}, blob) == c.result);
}

TEST_CASE("a password is found in base64 whatever stands around it", "[smtp]") {
    constexpr std::string_view password = "correct-horse-battery";
    for (const std::string_view before : {"", "x", "xy", "user"}) {
        for (const std::string_view after : {"", "1", "12", "\x01\x01"}) {
            std::string bytes{before};
            bytes += password;
            bytes += after;
            const std::string encoded = base::base64_encode(bytes);
            const std::string text = masked(password, encoded);
            CAPTURE(encoded, text);
            REQUIRE(text.find("***") != std::string::npos);
            // What is left are the characters that the password decides in part only.
            REQUIRE(text.size() <= 3 + (before.size() + after.size() + 5) / 3 * 4);
        }
    }
}

TEST_CASE("words that no password is told from are left", "[smtp]") {
    REQUIRE(masked("", "all is well") == "all is well");
    REQUIRE(masked("all", "all is well") == "all is well");
    REQUIRE(masked("all ", "all is well") == "***is well");
    REQUIRE(masked("sesame", "all is well", "AQ==") == "all is well");
}
