// DNS answers.
#include "net/dns_message.hpp"
#include "tests/fuzz/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = fuzz::text_of(data, size);
    for (const auto type : {net::RecordType::mx, net::RecordType::txt, net::RecordType::ptr}) {
        const auto message = net::parse_dns_message(bytes, type);
        if (!message) {
            fuzz::require(!message.error().message.empty(), "an error is put into words");
            continue;
        }
        for (const net::MxRecord& record : message->mx) {
            fuzz::require(record.host.size() <= 1024, "a name has its limit");
        }
    }
    return 0;
}
