#include <algorithm>

#include "smtp/envelope.hpp"
#include "smtp/reply.hpp"
#include "tests/support/catch.hpp"

TEST_CASE("replies are written with their codes on every line", "[smtp]") {
    struct Case {
        smtp::Reply reply;
        std::string_view wire;
    };
    const Case c = GENERATE(values<Case>({
        {{250, "2.0.0", "Ok"}, "250 2.0.0 Ok\r\n"},
        {{354, "", "Go on"}, "354 Go on\r\n"},
        {{250, "", ""}, "250 \r\n"},
        {{550, "5.1.1", "One\nTwo"}, "550-5.1.1 One\r\n550 5.1.1 Two\r\n"},  // RFC 2034 section 4
        {{550, "5.1.1", "One\n\nTwo"}, "550-5.1.1 One\r\n550-5.1.1 \r\n550 5.1.1 Two\r\n"},
        // What another server said must not begin a reply of its own.
        {{550, "5.1.1", "a\r250 Ok\x01"}, "550 5.1.1 a 250 Ok \r\n"},
    }));
    CHECK(c.reply.serialize() == c.wire);
}

TEST_CASE("no reply line is longer than 512 octets and nothing of it is lost", "[smtp]") {
    std::string words;
    for (int i = 0; i < 300; ++i) words += "word" + std::to_string(i) + " ";
    const std::size_t length = GENERATE(0u, 499u, 500u, 501u, 2000u);
    const std::string text = length == 0 ? words : std::string(length, 'x');
    const std::string wire = smtp::Reply{250, "2.0.0", text}.serialize();
    std::size_t letters = 0, start = 0;
    while (start < wire.size()) {
        const std::size_t end = wire.find("\r\n", start) + 2;
        CHECK(end - start <= 512);
        CHECK(wire[start + 3] == (end == wire.size() ? ' ' : '-'));
        letters += static_cast<std::size_t>(std::count_if(
            wire.begin() + static_cast<std::ptrdiff_t>(start) + 10,
            wire.begin() + static_cast<std::ptrdiff_t>(end) - 2, [](char c) { return c != ' '; }));
        start = end;
    }
    CHECK(letters == static_cast<std::size_t>(
                         std::count_if(text.begin(), text.end(), [](char c) { return c != ' '; })));
}

TEST_CASE("replies and NOTIFY have a one-line form", "[smtp]") {
    CHECK(smtp::Reply{250, "2.0.0", "Ok"}.one_line() == "250 2.0.0 Ok");
    CHECK(smtp::Reply{354, "", "Go\non"}.one_line() == "354 Go on");
    CHECK(smtp::Reply{421, "", ""}.one_line() == "421");
    CHECK(smtp::Notify{}.text().empty());
    CHECK(smtp::Notify{true, false, false, false}.text() == "NEVER");
    CHECK(smtp::Notify{false, true, true, true}.text() == "SUCCESS,FAILURE,DELAY");
}

TEST_CASE("a reply says that the transaction takes no more recipients", "[smtp]") {
    struct Case {
        smtp::Reply reply;
        bool too_many;
    };
    const Case c = GENERATE(values<Case>({
        {{452, "4.5.3", "Error"}, true},
        {{552, "5.5.3", "Enough"}, true},
        {{452, "", "Too many recipients"}, true},
        {{552, "", "Too many addresses"}, true},
        {{452, "4.3.0", "TOO MANY RECIPIENTS"}, true},
        {{552, "5.2.2", "Too many messages in the mailbox"}, false},
        {{452, "4.3.2", "Too many connections"}, false},
        {{452, "", "Insufficient system storage"}, false},
        {{450, "4.5.3", "Too many recipients"}, false},
        {{550, "5.5.3", "Too many recipients"}, false},
    }));
    CAPTURE(c.reply.serialize());
    CHECK(smtp::too_many_recipients(c.reply) == c.too_many);
}
