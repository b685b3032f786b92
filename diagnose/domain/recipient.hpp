#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "diagnose/connect.hpp"
#include "diagnose/domain/mx.hpp"
#include "diagnose/outbound.hpp"
#include "diagnose/report.hpp"
#include "net/resolver.hpp"

namespace diagnose {

struct RecipientAsk {
    RecipientAsk() = default;
    std::string address;      // the recipient
    std::string sender;       // for MAIL FROM; "": the null sender
    std::string hostname;     // for EHLO
    std::uint16_t port = 25;  // tests and labs let another port play its part
    bool ipv4 = true, ipv6 = true;
    base::Duration timeout = std::chrono::seconds{15};
    Progress progress;
    // This host's own way out, looked at meanwhile, so that nobody else is blamed for its faults,
    // and its smarthosts, which are another way to the recipient; none: not looked at.
    std::optional<OutboundAsk> beside;
    std::vector<std::string> smarthosts;  // that are configured, tested or not
    bool direct_path = false;             // delivery.path lets mail go directly
};

// What one address of one mail server came to.
struct RecipientAttempt {
    RecipientAttempt() = default;
    std::string host;
    Evidence evidence;
    ConnectResult connect = ConnectResult::failed;
    bool own_address = false;
    bool accepted = false;  // RCPT was taken: delivery would go on
    std::string stage;  // where it ended: "connect", "greeting", "ehlo", "starttls", "mail", "rcpt"
    int code = 0;       // of the reply that ended it; 0: none came
    bool timed_out = false;  // the connection was taken, and our own time was over first
    std::string explained;   // the reply's cause and fix
};

// The verdict from the attempts at every address; pure.
[[nodiscard]] Verdict judge_attempts(const std::vector<RecipientAttempt>& attempts,
                                     const std::string& address);

// What each family came to, by its attempts and by what this host's way out showed meanwhile
// (nullptr: it did not end in time); and of those that take the mail which addresses keep senders
// waiting. Pure; the report's verdict is from the attempts.
void judge_families(const Report* here, const std::vector<RecipientAttempt>& attempts,
                    Report& report);

// Whose fault it is that no attempt succeeded: this host's or its network's, by what the
// diagnosis of its way out found meanwhile (nullptr: it did not end in time), or the recipient's.
// Pure; the report's verdict is from the attempts or the MX.
void find_recipient_cause(const Report* here, const std::vector<RecipientAttempt>& attempts,
                          Report& report);

// The smarthosts that were tested meanwhile, and their checks. Pure.
void take_smarthosts(const Report* here, Report& report);

// Mail that does not leave directly goes through a configured smarthost: one that works is named
// first. Where none was tested they are named in the place of a block for a new one. Pure; the
// cause is known by then.
void offer_smarthosts(const std::vector<std::string>& smarthosts, Report& report);

// Where relay sends by smarthosts alone, and none of them works, mail to this recipient is stuck
// however well direct delivery would do: the headline or a finding says so, with the fixes, and
// mail_leaves. Pure.
void tell_of_broken_smarthosts(const Report* here, Report& report);

// Why direct delivery to this recipient fails: its mail servers, each address of each: connect,
// greeting, EHLO, STARTTLS, MAIL, RCPT, RSET. No message is sent. Report::good: an address takes
// it.
[[nodiscard]] boost::asio::awaitable<Report> diagnose_recipient(
    boost::asio::any_io_executor executor, net::Resolver& resolver, RecipientAsk ask);

}  // namespace diagnose
