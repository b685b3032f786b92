#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "delivery/job.hpp"
#include "smtp/client_session.hpp"

namespace delivery {

// A session's failure on one line: our words, then the server's own reply.
[[nodiscard]] std::string describe_failure(const smtp::SessionFailure& failure);

[[nodiscard]] smtp::RecipientResult deferral(smtp::Stage stage, std::string problem);
[[nodiscard]] std::vector<std::size_t> pending_recipients(const spool::Message& message);
// Those of them that the present attempt has not come to yet.
[[nodiscard]] std::vector<std::size_t> recipients_left(const Job& job);
// RFC 5321 section 4.5.3.1.10: the server takes no more of them in this transaction.
[[nodiscard]] bool too_many_recipients(const smtp::RecipientResult& result);
[[nodiscard]] std::vector<RecipientOutcome> same_for_all(const spool::Message& message,
                                                         const smtp::RecipientResult& result);

// Gives `result` to the pending recipients that have none yet.
void fill_up(const spool::Message& message, const smtp::RecipientResult& result,
             std::vector<RecipientOutcome>& outcomes);

// The envelope for these of the recipients.
[[nodiscard]] smtp::Transaction make_transaction(const spool::Message& message,
                                                 std::span<const std::size_t> recipients);

// What an attempt came to for its recipients may differ: the record quotes the first of those who
// fared worst, as "failed ... 250 Ok" would explain nothing.
[[nodiscard]] const smtp::RecipientResult& worst_result(
    const std::vector<RecipientOutcome>& outcomes);

// The words of a result: the server's reply, or ours when it gave none.
[[nodiscard]] std::string result_text(const smtp::RecipientResult& result);

// One log line for each different result of the attempt, naming smarthost, TLS, reply and delay. Of
// a message that only waits, one at the level of debugging unless its reason is new.
void log_attempt(const Job& job, base::Time now);

}  // namespace delivery
