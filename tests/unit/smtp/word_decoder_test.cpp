#include "smtp/word_decoder.hpp"

#include <string>

#include "smtp/encoded_word.hpp"
#include "tests/support/catch.hpp"

TEST_CASE("encoded words are written out in UTF-8", "[smtp]") {
    struct Case {
        std::string_view value, text;
    };
    const Case c = GENERATE(values<Case>({
        {"plain", "plain"},
        {"", ""},
        {"=?UTF-8?B?UsOpaW5p?=", "Réini"},
        {"=?utf-8?q?R=C3=A9ini_und_=5Bx=5D?=", "Réini und [x]"},
        {"Re: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= aus Bonn", "Re: Grüße aus Bonn"},
        {"=?UTF-8?B?UsOpaW5p?= <r@x.example>", "Réini <r@x.example>"},
        {"=?iso-8859-1?Q?caf=E9?=", "café"},
        {"=?ISO-8859-1*fr?Q?caf=E9?=", "café"},
        {"=?windows-1252?Q?5_=80?=", "5 €"},
        // RFC 2047 section 8.
        {"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
        {"=?ISO-8859-1?Q?a?= b", "a b"},
        {"=?ISO-8859-1?Q?a_?= =?ISO-8859-1?Q?b?=", "a b"},
        {"=?utf-8?q?=C3?= \t=?utf-8?q?=A9?=", "é"},  // broken within a character
        {"=?utf-8?b?w6k?=", "é"},                    // without padding
        // What cannot be read or shown stays as it is.
        {"=?koi8-r?Q?=C1?=", "=?koi8-r?Q?=C1?="},
        {"=?utf-8?q?=C3?=", "=?utf-8?q?=C3?="},
        {"=?utf-8?q?a=0D=0AX:_y?=", "=?utf-8?q?a=0D=0AX:_y?="},
        {"=?utf-8?q?=1B[31m?=", "=?utf-8?q?=1B[31m?="},
        {"=?utf-8?q?=E2=80=AEevil?=", "=?utf-8?q?=E2=80=AEevil?="},
        {"=?utf-8?q?=00?= =?utf-8?q?a?=", "=?utf-8?q?=00?= =?utf-8?q?a?="},
        {"=?utf-8?x?a?=", "=?utf-8?x?a?="},
        {"=?utf-8?b?***?=", "=?utf-8?b?***?="},
        {"=?utf-8?q?a", "=?utf-8?q?a"},
        {"=?utf-8?q?=?=", "=?utf-8?q?=?="},
        {"=?=?utf-8?q?a?=", "=?a"},
        {"a =? b =?", "a =? b =?"},
    }));
    CAPTURE(c.value);
    CHECK(smtp::decode_words(c.value) == c.text);
    CHECK(smtp::decode_words(c.value).size() <= c.value.size());
}

TEST_CASE("what is encoded reads the same again", "[smtp]") {
    const std::string text = GENERATE(as<std::string>(), "Grüße aus Köln",
                                      "日本語の件名はとても長いので、二つ以上の語に分けられます",
                                      "ä ö ü and plain words between ß");
    CHECK(smtp::decode_words(smtp::encode_words(text, smtp::WordPlace::text)) == text);
    CHECK(smtp::decode_words(smtp::encode_unstructured(text)) == text);
}
