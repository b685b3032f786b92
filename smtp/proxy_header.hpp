#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace smtp {

// What a proxy says of a connection that it passes on.
struct ProxyHeader {
    // unknown: of a client that it cannot name; local: the proxy's own, such as its health check.
    enum class Origin : std::uint8_t { client, unknown, local };
    Origin origin = Origin::unknown;
    std::string address;  // of a client: "192.0.2.1", "2001:db8::1"
};

// Reads the header of the PROXY protocol, version 1 or 2 (proxy-protocol.txt of HAProxy). What it
// goes before begins with the very next byte, and may be TLS: so the caller reads no more than
// wanted() bytes at a time, and nothing is left over at the end.
class ProxyHeaderReader {
 public:
    enum class Progress : std::uint8_t { needs_more, complete, malformed };

    // How many of the next bytes are certain to belong to the header; 0 at its end.
    [[nodiscard]] std::size_t wanted() const;
    Progress receive(std::string_view bytes);  // at most wanted() bytes, in any pieces
    // Known once complete.
    [[nodiscard]] const ProxyHeader& header() const { return header_; }
    // What is wrong, once malformed; how it began, otherwise. Fit for a log line.
    [[nodiscard]] std::string fault() const;
    [[nodiscard]] bool begun() const { return !seen_.empty(); }

 private:
    Progress take(char octet);
    Progress take_of_line(char octet);
    Progress take_binary(char octet);
    Progress read_line();
    Progress read_fixed_part();
    Progress read_addresses();
    Progress malformed(std::string_view why);

    Progress progress_ = Progress::needs_more;
    std::string seen_;          // version 2: without what stands behind the addresses
    std::size_t length_ = 0;    // version 2: of the whole header, once known
    std::size_t received_ = 0;  // version 2: so far
    std::string_view fault_;
    ProxyHeader header_;
};

// For the log, where a header came that nobody waited for.
[[nodiscard]] std::string misplaced_proxy_header();

// The line of version 1 for a client at this address.
[[nodiscard]] std::string proxy_line(std::string_view address);

}  // namespace smtp
