#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace net {

enum class Family { any, ipv4, ipv6 };

enum class DnsStatus { ok, no_such_name, no_data, server_failure, refused, timeout, malformed };

struct MxRecord {
    std::uint16_t preference = 0;
    std::string host;  // without a final dot; "." alone is the null MX (RFC 7505)
};

enum class RecordType : std::uint16_t {
    a = 1,
    cname = 5,
    soa = 6,
    ptr = 12,
    mx = 15,
    txt = 16,
    aaaa = 28,
    tlsa = 52
};

struct TlsaRecord {  // RFC 6698 section 2.1
    unsigned usage = 0, selector = 0, matching = 0;
    std::string data;  // octets
};

// Who is responsible for a zone, from its SOA record.
struct SoaRecord {
    std::string zone, contact;  // contact as a mail address
};

// An answer with what the other questions hide.
struct DnsRecords {
    std::vector<boost::asio::ip::address> addresses;  // of A or AAAA, as the server gave them
    std::vector<std::string> aliases;                 // targets of the CNAMEs passed, in order
    std::vector<TlsaRecord> tlsa;
    std::optional<SoaRecord> soa;  // of the answer, or of the zone that says there is none
    bool authentic = false;        // the server says that it has verified the answer (DNSSEC AD)
};

template <class Records>
struct DnsAnswer {
    DnsStatus status = DnsStatus::ok;
    Records records;
    std::string problem;  // in words, names the name; "" when ok
};

// Names as this system sees them. One per network thread; never blocks it.
class Resolver {
 public:
    virtual ~Resolver() = default;
    // Hosts file, search domains and resolv.conf honoured; literals pass through; in RFC 6724
    // order.
    virtual boost::asio::awaitable<DnsAnswer<std::vector<boost::asio::ip::address>>> addresses(
        std::string host, Family family) = 0;
    virtual boost::asio::awaitable<DnsAnswer<std::vector<MxRecord>>> mx(std::string domain) = 0;
    virtual boost::asio::awaitable<DnsAnswer<std::vector<std::string>>> txt(std::string name) = 0;
    virtual boost::asio::awaitable<DnsAnswer<std::vector<std::string>>> ptr(
        boost::asio::ip::address address) = 0;
    // One plain question for a, aaaa, cname, soa or tlsa: no hosts file, no search domains. A
    // resolver that cannot do it says server_failure.
    virtual boost::asio::awaitable<DnsAnswer<DnsRecords>> query(std::string name, RecordType type);
    // Every server asked is on this host, so that `authentic` can be believed.
    [[nodiscard]] virtual bool local_servers() const { return false; }
};

// Where names are looked up. As it stands: the system's configuration.
struct ResolverOptions {
    ResolverOptions() = default;
    std::string servers;  // "192.0.2.53,[2001:db8::53]:5353" instead of those of resolv.conf
    std::string resolv_conf = "/etc/resolv.conf";
    base::Duration deadline = std::chrono::seconds{10};  // of one question, retries included
};

// c-ares over the executor's loop. resolv.conf is read again when it changes.
[[nodiscard]] std::unique_ptr<Resolver> make_resolver(boost::asio::any_io_executor executor);
[[nodiscard]] std::unique_ptr<Resolver> make_resolver(boost::asio::any_io_executor executor,
                                                      ResolverOptions options);

// "no-such-name"
[[nodiscard]] std::string_view dns_status_name(DnsStatus status);

}  // namespace net
