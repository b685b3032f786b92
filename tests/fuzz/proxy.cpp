// What a proxy, or whoever sits there, sends first: any split gives the same answer, and never is
// more taken than the header.
#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "smtp/proxy_header.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using Progress = smtp::ProxyHeaderReader::Progress;
constexpr std::size_t longest = 4096;

struct Outcome {
    Progress progress = Progress::needs_more;
    smtp::ProxyHeader::Origin origin{};
    std::string address, fault;
    std::size_t consumed = 0;
};

Outcome read(std::string_view bytes, std::size_t piece) {
    smtp::ProxyHeaderReader reader;
    Outcome outcome;
    while (outcome.progress == Progress::needs_more && outcome.consumed < bytes.size()) {
        const std::size_t most = reader.wanted();
        fuzz::require(most > 0 && most <= longest, "an unfinished header wants some more");
        const std::string_view next = bytes.substr(outcome.consumed, std::min(most, piece));
        outcome.progress = reader.receive(next);
        outcome.consumed += next.size();
    }
    fuzz::require(outcome.progress == Progress::needs_more || reader.wanted() == 0,
                  "an ended header wants nothing");
    outcome.origin = reader.header().origin;
    outcome.address = reader.header().address;
    outcome.fault = reader.fault();
    return outcome;
}

bool is_address(const std::string& text) {
    in6_addr bytes{};
    return ::inet_pton(AF_INET, text.c_str(), &bytes) == 1 ||
           ::inet_pton(AF_INET6, text.c_str(), &bytes) == 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = fuzz::text_of(data, size);
    const Outcome whole = read(bytes, longest);
    const Outcome single = read(bytes, 1);
    fuzz::require(whole.progress == single.progress && whole.origin == single.origin &&
                      whole.address == single.address,
                  "the split of the bytes changes nothing");
    fuzz::require(whole.consumed <= longest, "a header has its limit");
    fuzz::require(!fuzz::has_controls(whole.fault), "a fault is fit for a log line");
    const bool named = whole.origin == smtp::ProxyHeader::Origin::client;
    fuzz::require(named != whole.address.empty(), "a client and its address come together");
    if (whole.progress != Progress::complete) {
        fuzz::require(!named, "only a whole header names a client");
        return 0;
    }
    fuzz::require(whole.consumed == single.consumed, "the header has one end");
    fuzz::require(read(bytes.substr(0, whole.consumed - 1), 1).progress == Progress::needs_more,
                  "the header ends with its last byte");
    fuzz::require(!named || is_address(whole.address), "the client's address is one");
    return 0;
}
