#include "spool/leases.hpp"

namespace spool {

std::optional<Lease> Leases::find(base::MessageId id) const {
    const auto found = leases_.find(id);
    if (found == leases_.end()) return std::nullopt;
    return found->second;
}

void Leases::set(base::MessageId id, const Lease& lease) {
    journal_.push_back({id, find(id)});
    leases_.insert_or_assign(id, lease);
}

Lease Leases::end(base::MessageId id) {
    const auto found = leases_.find(id);
    if (found == leases_.end()) return {};
    const Lease lease = found->second;
    journal_.push_back({id, lease});
    leases_.erase(found);
    return lease;
}

void Leases::keep() { journal_.clear(); }

void Leases::undo() {
    for (; !journal_.empty(); journal_.pop_back()) {
        const Change& change = journal_.back();
        if (change.before) {
            leases_.insert_or_assign(change.id, *change.before);
        } else {
            leases_.erase(change.id);
        }
    }
}

}  // namespace spool
