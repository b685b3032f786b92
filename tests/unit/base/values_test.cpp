// Base64, message ids, secrets, errors and the two forms of time.

#include <malloc.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <new>
#include <set>
#include <string_view>
#include <utility>

#include "base/base64.hpp"
#include "base/clock.hpp"
#include "base/errno_name.hpp"
#include "base/message_id.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;

TEST_CASE("base64 is that of RFC 4648 section 10", "[base]") {
    struct Case {
        std::string_view bytes, text;
    };
    const Case c = GENERATE(values<Case>({{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"},
                                          {std::string_view{"\0\xff\0", 3}, "AP8A"}}));
    CHECK(base::base64_encode(c.bytes) == c.text);
    CHECK(base::base64_decode(c.text) == std::string{c.bytes});
}

TEST_CASE("base64 with noise is refused", "[base]") {
    for (const char* text :
         {"Zg", "Zg=", "Zg===", "Z", "Zm9v\n", " Zm9v", "Zm9-", "Z=9v", "====", "Zg==Zg=="}) {
        CAPTURE(text);
        CHECK_FALSE(base::base64_decode(text).has_value());
    }
}

TEST_CASE("a message id is twelve characters that read back", "[base]") {
    const base::MessageId id{0x0123'4567'89AB'CDEF};
    CHECK(id.text().size() == 12);
    CHECK(base::MessageId::parse(id.text()) == id);
    CHECK(base::MessageId{1}.text() == "000000000001");
    CHECK(base::MessageId::parse("00000000000Z")->value() == 31);
    for (const char* text : {"", "00000000000", "0000000000001", "000000000000", "00000000000u",
                             "00000000000i", "00000000000-"}) {
        CAPTURE(text);
        CHECK_FALSE(base::MessageId::parse(text).has_value());
    }
}

TEST_CASE("ids never repeat and sort as they were made", "[base]") {
    base::MessageIdSource source;
    const base::Time now = base::ManualClock{}.now();
    std::set<base::MessageId> seen;
    base::MessageId last;
    for (int i = 0; i < 5000; ++i) {
        // The clock stands, then jumps back a minute, then forward.
        const base::Time time = i < 2000 ? now : i < 4000 ? now - 1min : now + 1s;
        const base::MessageId id = source.next(time);
        CHECK(last < id);
        CHECK(seen.insert(id).second);
        last = id;
    }
    CHECK(last.text().size() == 12);
    CHECK(source.next(base::Time{0s}).value() > 0);  // a clock before all epochs
}

TEST_CASE("a secret moves whole and compares by its bytes", "[base]") {
    base::Secret first{"hunter2"};
    base::Secret second{std::move(first)};
    CHECK(first.empty());  // NOLINT(bugprone-use-after-move): that is the promise
    CHECK(second.reveal() == "hunter2");
    first = second;
    CHECK(first == second);
    first = std::move(second);
    CHECK(first.reveal() == "hunter2");
    CHECK_FALSE(first == base::Secret{"hunter3"});
    CHECK_FALSE(base::Secret::equal_secrets("hunter2", "hunter"));
    CHECK(base::Secret::equal_secrets("", ""));
    CHECK(base::masked_secret == "***");
}

// Looks at what a test gives back to the heap.
namespace {

constexpr std::string_view long_secret = "correct-horse-battery-staple-and-more";
bool watching = false;
bool came_back = false;  // memory with the secret in it

void give_back(void* memory) {
    if (memory != nullptr && watching) {
        const std::string_view bytes{static_cast<const char*>(memory),
                                     ::malloc_usable_size(memory)};
        came_back = came_back || bytes.find(long_secret.substr(0, 24)) != std::string_view::npos;
    }
    std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) {
    void* const memory = std::malloc(size > 0 ? size : 1);
    if (memory == nullptr) throw std::bad_alloc{};
    return memory;
}
// Under AddressSanitizer this one would not come to the one above.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return std::malloc(size > 0 ? size : 1);
}
void operator delete(void* memory) noexcept { give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { give_back(memory); }

TEST_CASE("a long secret leaves nothing on the heap", "[base]") {
    came_back = false;
    watching = true;
    SECTION("a string would: the test sees it") {
        {
            const std::string text{long_secret};
        }
        watching = false;
        CHECK(came_back);
        came_back = false;
    }
    SECTION("destroyed") { const base::Secret secret{std::string{long_secret}}; }
    SECTION("copied and moved") {
        base::Secret first{std::string{long_secret}};
        base::Secret second{first};
        base::Secret third{std::move(first)};
        second = std::move(third);
        third = second;
    }
    SECTION("overwritten by a shorter one, a longer one and none") {
        base::Secret secret{std::string{long_secret}};
        base::Secret other{secret}, third{secret};
        secret = base::Secret{"x"};
        const base::Secret longer{std::string(200, 'y')};
        other = longer;
        third = base::Secret{};
    }
    watching = false;
    CHECK_FALSE(came_back);
}

TEST_CASE("a secret leaves no byte of itself behind", "[base]") {
    // Short ones live within the object, where a destructor that wipes nothing would leave them.
    alignas(base::Secret) std::array<char, sizeof(base::Secret)> first_place{}, second_place{};
    const auto in = [](const auto& place) {
        return std::string_view{place.data(), place.size()}.find("hunter2") !=
               std::string_view::npos;
    };
    auto* const first = new (first_place.data()) base::Secret{"hunter2"};
    CHECK(in(first_place));
    auto* const second = new (second_place.data()) base::Secret{};
    SECTION("destroyed") {}
    SECTION("moved from") {
        auto* const third = new base::Secret{std::move(*first)};
        CHECK_FALSE(in(first_place));
        delete third;
    }
    SECTION("moved by assignment") {
        *second = std::move(*first);
        CHECK_FALSE(in(first_place));
        CHECK(in(second_place));
    }
    SECTION("overwritten by another") {
        *second = *first;
        *first = base::Secret{"x"};
        CHECK_FALSE(in(first_place));
        *second = *first;
        CHECK_FALSE(in(second_place));
    }
    first->~Secret();
    second->~Secret();
    CHECK_FALSE(in(first_place));
    CHECK_FALSE(in(second_place));
}

TEST_CASE("reasons read well in a sentence", "[base]") {
    CHECK(base::errno_text(ENOENT) == "no such file or directory");
    CHECK(base::errno_text(ECONNREFUSED) == "connection refused");
    CHECK(base::errno_name(ECONNREFUSED) == "ECONNREFUSED");
    CHECK(base::errno_of("ECONNREFUSED") == ECONNREFUSED);
    CHECK(base::errno_of(base::errno_name(EHOSTUNREACH)) == EHOSTUNREACH);
    CHECK(base::errno_of("connection refused") == 0);
    CHECK(base::errno_of("") == 0);
}

TEST_CASE("times are written as RFC 3339 and RFC 5322 want them", "[base]") {
    const base::Time time{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24} + 11h + 12min +
                          13s + 7ms};
    CHECK(base::format_iso8601(time) == "2026-11-24T11:12:13.007Z");
    CHECK(base::format_iso8601(base::Time{-1ms}) == "1969-12-31T23:59:59.999Z");

    const char* old = std::getenv("TZ");
    const std::string saved = old == nullptr ? "" : old;
    struct Case {
        const char *zone, *text;
    };
    for (const Case& c : {Case{"UTC0", "Tue, 24 Nov 2026 11:12:13 +0000"},
                          Case{"CET-1", "Tue, 24 Nov 2026 12:12:13 +0100"},
                          Case{"NST3:30", "Tue, 24 Nov 2026 07:42:13 -0330"},
                          Case{"LINT-14", "Wed, 25 Nov 2026 01:12:13 +1400"}}) {
        ::setenv("TZ", c.zone, 1);
        ::tzset();
        CHECK(base::format_rfc5322(time) == c.text);
    }
    if (old == nullptr) {
        ::unsetenv("TZ");
    } else {
        ::setenv("TZ", saved.c_str(), 1);
    }
    ::tzset();
}

TEST_CASE("the manual clock stands until told", "[base]") {
    base::ManualClock clock;
    const base::Time begin = clock.now();
    CHECK(clock.now() == begin);
    clock.advance(5 * 24h);
    CHECK(clock.now() - begin == 120h);
    CHECK(base::SystemClock{}.now() >
          base::Time{std::chrono::sys_days{std::chrono::year{2020} / 1 / 1}});
}
