#include "relay/sign_in_brake.hpp"

#include "relay/client_share.hpp"

namespace relay {
namespace {

constexpr std::chrono::minutes span{1};
constexpr std::size_t many = 10'000;  // clients remembered before the old ones are looked for

}  // namespace

void SignInBrake::note_failure(const std::string& client, Moment now) {
    if (failures_.size() >= many && now >= next_sweep_) {
        forget_old(now);
        next_sweep_ = now + span;
    }
    Failures& failures = failures_[share_of(client)];
    if (failures.count == 0 || now - failures.since >= span) failures = {now, 0};
    ++failures.count;
}

bool SignInBrake::blocks(const std::string& client, Moment now) const {
    if (failures_.empty()) return false;
    const auto found = failures_.find(share_of(client));
    return found != failures_.end() && now - found->second.since < span &&
           found->second.count >= most_failed;
}

void SignInBrake::forget_old(Moment now) {
    std::erase_if(failures_, [&](const auto& each) { return now - each.second.since >= span; });
}

}  // namespace relay
