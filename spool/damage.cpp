#include "spool/damage.hpp"

#include "base/log.hpp"

namespace spool {

void Damage::note(const SpoolError& error) {
    const std::lock_guard lock{mutex_};
    if (error_) return;
    error_ = error;
    found_ = true;
    base::log_error("the spool's database is damaged: no mail is taken, and nothing is removed",
                    {{"problem", error.message}});
}

Outcome<> Damage::check() const {
    if (!found_) return {};
    const std::lock_guard lock{mutex_};
    return *error_;
}

}  // namespace spool
