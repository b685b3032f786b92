#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "diagnose/connect.hpp"
#include "diagnose/dialogue.hpp"
#include "diagnose/probe_targets.hpp"
#include "net/resolver.hpp"

namespace diagnose {

// What a connect is evidence of: port 25 (or what stands for it), the same operator's other ports,
// a smarthost, or a well-known address that needs no name.
enum class ProbeRole : std::uint8_t { direct, control, smarthost, address };

// Whether the one who answers on port 25 is the server that was asked.
enum class Identity : std::uint8_t {
    unknown,      // nothing was said, or nobody looked
    genuine,      // its own greeting
    refusing,     // its own greeting, which turns us away: port 25 is open all the same
    silent,       // accepted the connection and said nothing
    masked,       // a box that inspects mail replaced the greeting or keywords by '*' and 'X'
    foreign,      // another server's greeting
    not_smtp,     // HTTP, TLS or noise
    stripped,     // STARTTLS is missing where it is known to exist
    certificate,  // STARTTLS shows a certificate for another name, or one issued on the path
};

// One connect, as evidence.
struct PortEvidence {
    ProbeRole role = ProbeRole::direct;
    std::string operator_name;  // "Google", or the smarthost's name
    std::string host, address;
    std::uint16_t port = 0;
    net::Family family = net::Family::ipv4;
    // As connect_result_name(), or "dns" (no answer about the name), "no-name" (no such name)
    std::string result;
    ConnectResult connect = ConnectResult::failed;  // unless result is "dns" or "no-name"
    int error_number = 0;
    std::optional<IcmpError> icmp;
    bool own_address = false;  // a rejection that came from this very host
    unsigned retransmissions = 0;
    bool last_left = false;  // as in ConnectOutcome
    bool kept_here = false;  // the kernel's account of the whole run: no SYN of it left this host
    std::string local_address;
    std::string banner;    // the first line that an open port 25 said
    bool genuine = false;  // and it is a greeting of the operator asked
    Identity identity = Identity::unknown;
    std::optional<Greeting> greeting;  // where the server was looked at
    base::Duration took{};             // of the connect
    base::Duration lookup{};           // of the name, MX and address
    base::Duration talk{};             // of looking at the server

    // A name was found and a connect was tried.
    [[nodiscard]] bool attempted() const { return result != "dns" && result != "no-name"; }
    [[nodiscard]] bool open() const { return result == "open"; }
    // This host itself turned the connect away: by policy, in the name of its own address, or in
    // its kernel.
    [[nodiscard]] bool denied_here() const {
        return connect == ConnectResult::denied || own_address || kept_here;
    }
};

// Who answered, judged by what the operator's server is known to say. Pure.
[[nodiscard]] Identity judge_identity(const Greeting& greeting, const ProbeTarget& expected);

// An issuer that nobody trusts and that several unrelated operators show is the path's own: the
// certificates of those are not the servers'. Means nothing where this host trusts no issuer. Pure.
void judge_issuers(std::vector<PortEvidence>& evidence);

// One server's greeting for several unrelated operators is that of none of them. Pure.
void judge_greetings(std::vector<PortEvidence>& evidence);

// What this host's packet filter drops is sent again, and each copy fails in the kernel, whose
// counter grew by `failed` meanwhile, by other connections' failures too. Pure.
void judge_silence(std::vector<PortEvidence>& evidence, long failed);

// "its greeting is not Google's", in words for a summary; "" for genuine and unknown.
[[nodiscard]] std::string_view identity_words(Identity identity);

// It accepted the connection and had not greeted when our time was over, which was short.
[[nodiscard]] bool may_be_slow(const PortEvidence& item);

// As a row of a check.
[[nodiscard]] Evidence row_of(const PortEvidence& item);

}  // namespace diagnose
