#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/message_id.hpp"

namespace spool {

// What was asked for a message while somebody delivers it; done when the lease ends.
struct Lease {
    bool remove = false;
    bool hold = false;
    bool dot_marked = false;  // a mark was asked for during this lease
    bool begun = false;       // and one of a transaction begun
    std::optional<base::Time> retry;
};

// Which messages are out for delivery. In memory only: a process that dies has none. Changes
// are made together with a transaction and undone if that one fails. One thread.
class Leases {
 public:
    [[nodiscard]] bool has(base::MessageId id) const { return leases_.contains(id); }
    [[nodiscard]] std::optional<Lease> find(base::MessageId id) const;
    void set(base::MessageId id, const Lease& lease);
    Lease end(base::MessageId id);  // a default one when there was none

    void keep();  // the transaction is committed
    void undo();  // the transaction was rolled back

 private:
    struct Change {
        base::MessageId id;
        std::optional<Lease> before;
    };
    std::unordered_map<base::MessageId, Lease> leases_;
    std::vector<Change> journal_;
};

}  // namespace spool
