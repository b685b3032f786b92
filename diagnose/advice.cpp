#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "diagnose/advice_direct.hpp"
#include "diagnose/advice_lift.hpp"
#include "diagnose/advice_network.hpp"
#include "diagnose/advice_smarthost.hpp"
#include "diagnose/advice_smarthosts.hpp"
#include "diagnose/broken_family.hpp"
#include "diagnose/large_packets.hpp"
#include "diagnose/name_faults.hpp"
#include "diagnose/name_servers.hpp"
#include "diagnose/observations.hpp"

namespace diagnose {
namespace {

bool any_smarthost_works(const Report& report) {
    return std::any_of(report.smarthosts.begin(), report.smarthosts.end(),
                       [](const auto& item) { return item.code == VerdictCode::ok_smarthost; });
}

std::string_view over_family(net::Family family) {
    return family == net::Family::ipv4 ? " (over IPv4)" : " (over IPv6)";
}

// Which family is shut, and how mail goes on meanwhile.
void add_family_words(net::Family shut, std::vector<Fix>& fixes, std::size_t first) {
    const bool v4 = shut == net::Family::ipv4;
    for (std::size_t i = first; i < fixes.size(); ++i) {
        fixes[i].title += over_family(shut);
    }
    if (fixes.size() == first) return;
    fixes[first].steps.push_back(fmt::format(
        "Mail to servers with an {} address leaves directly meanwhile; those with none are not "
        "reached so.",
        v4 ? "IPv6" : "IPv4"));
}

void add(std::vector<Fix>& fixes, Fix fix) {
    if (!fix.title.empty() && !fix.steps.empty()) fixes.push_back(std::move(fix));
}

void add_all(std::vector<Fix>& fixes, const std::vector<Fix>& more) {
    for (const Fix& fix : more) add(fixes, fix);
}

// Their faults are their own, whatever else does not work here.
void add_reached(const Observations& seen, const Report& report, std::vector<Fix>& fixes) {
    const SmarthostFixes theirs = fix_smarthosts(
        seen, report, [&](std::size_t i) { return was_reached(seen.smarthosts[i]); });
    add_all(fixes, theirs.ports);
    add_all(fixes, theirs.rest);
}

// What has to be done over both families is said once.
void add_second(std::vector<Fix>& fixes, Fix fix) {
    for (Fix& known : fixes) {
        std::vector<std::string> left;
        for (const std::string& step : fix.steps) {
            if (std::find(known.steps.begin(), known.steps.end(), step) == known.steps.end()) {
                left.push_back(step);
            }
        }
        if (left.empty() && !fix.steps.empty()) {
            known.title += "; and: " + fix.title;
            return;
        }
        fix.steps = std::move(left);
    }
    add(fixes, std::move(fix));
}

// One rule may stop a smarthost's port as well: then the fix for that one, which comes later, has
// all the steps.
void merge_with_smarthosts(std::vector<Fix>& fixes, const Fix& own) {
    for (Fix& fix : fixes) {
        const bool same = fix.title != own.title && fix.steps.size() >= own.steps.size() &&
                          std::equal(own.steps.begin(), own.steps.end(), fix.steps.begin());
        if (!same) continue;
        fix.title = fmt::format("{}, and the smarthost's port as well", own.title);
        std::erase_if(fixes, [&](const Fix& each) { return each.title == own.title; });
        return;
    }
}

// Where nothing connects or no name resolves: that first, unless the headline is about a smarthost
// whose fault is its own.
std::vector<Fix> advise_on_network(const Observations& seen, const Report& report) {
    std::vector<Fix> fixes;
    const bool lost = report.direct.code == VerdictCode::no_network;
    const Fix host = lost ? no_network_fix(seen) : dns_fix(seen);
    const bool first = host_wide(report.verdict.code);
    if (first) add(fixes, host);
    add_reached(seen, report, fixes);
    if (!first) add(fixes, host);
    return fixes;
}

// Of a smarthost's own fault the cause says nothing about port 25.
Cause cause_of_port_25(const Observations& seen, const Report& report) {
    Report port_25 = report;
    port_25.smarthosts.clear();
    port_25.verdict.code = report.direct.code;
    return find_cause(seen, port_25);
}

// What to do in a network that works, in the order in which it is worth doing.
class MailAdvice {
 public:
    MailAdvice(const Observations& seen, const Report& report)
        : seen_(seen),
          report_(report),
          direct_(report.direct.code),
          works_(any_smarthost_works(report)),
          blocked_(direct_ != VerdictCode::ok_direct),
          unclear_(direct_ == VerdictCode::inconclusive),
          both_(two_ways(report.direct)),
          cause_(cause_of_port_25(seen, report)) {}

    [[nodiscard]] std::vector<Fix> in_order() && {
        mend_what_fails();
        look_again();
        go_another_way();
        open_port_25();
        open_other_family();
        return std::move(fixes_);
    }

 private:
    // Names the family where each has its own.
    [[nodiscard]] Fix about(Fix fix, net::Family family) const {
        if (both_ && !fix.title.empty()) fix.title += over_family(family);
        return fix;
    }

    [[nodiscard]] Fix lifted_first(VerdictCode code) const {
        const net::Family family = both_ ? both_->first : net::Family::any;
        return about(lift(seen_, code, family, cause_), family);
    }

    // The other family's, where it is closed in another way.
    [[nodiscard]] Fix lifted_second() const {
        const Cause cause = cause_over(seen_, both_->second, both_->second_code);
        return about(lift(seen_, both_->second_code, both_->second, cause), both_->second);
    }

    [[nodiscard]] bool second_is_here() const {
        return both_ && both_->second_code == VerdictCode::local_firewall;
    }

    [[nodiscard]] Fix own_rule() const {
        if (direct_ == VerdictCode::local_firewall) return lifted_first(direct_);
        return second_is_here() ? lifted_second() : Fix{};
    }

    // First what the verdict is about, and what needs no other's leave.
    void mend_what_fails() {
        if (direct_ == VerdictCode::smtp_hopeless && !works_) add(fixes_, hopeless_fix());
        const bool about_25 = report_.verdict.code == direct_;
        const Fix own = own_rule();
        const SmarthostFixes theirs =
            fix_smarthosts(seen_, report_, [](std::size_t) { return true; });
        // The headline is about the first smarthost.
        const bool ports_first = theirs.ports.empty() || theirs.about_first;
        if (ports_first) add_all(fixes_, theirs.ports);
        if (about_25) add(fixes_, own);
        before_smarthosts_ = fixes_.size();
        add_all(fixes_, theirs.rest);
        if (!ports_first) add_all(fixes_, theirs.ports);
        if (!about_25) add(fixes_, own);
        if (!own.steps.empty()) merge_with_smarthosts(fixes_, own);
    }

    void look_again() {
        const bool sized = large_packets_lost(seen_);
        if (sized) add(fixes_, packet_size_fix());
        if (unclear_ && !sized) add(fixes_, inconclusive_fix(seen_));
    }

    // A smarthost that this network shuts off is none to begin with.
    void go_another_way() {
        const bool shut_off = direct_ == VerdictCode::submission_blocked && !works_;
        const bool port_offered = std::any_of(fixes_.begin(), fixes_.end(),
                                              [](const Fix& fix) { return !fix.config.empty(); });
        const bool none = report_.smarthosts.empty();
        if (!blocked_ || !(none || (shut_off && !port_offered))) return;
        Fix other = use_smarthost(seen_);
        if (shut_off && !other.steps.empty()) {
            fixes_.insert(fixes_.begin() + static_cast<std::ptrdiff_t>(before_smarthosts_),
                          std::move(other));
        } else {
            add(fixes_, std::move(other));
        }
        if (none) add(fixes_, use_provider(seen_));
        add(fixes_, useless_ports_fix(seen_));
    }

    void open_port_25() {
        const bool intercepted = direct_ == VerdictCode::outbound_25_intercepted;
        const bool refused = direct_ == VerdictCode::reputation;
        if (intercepted || refused) add(fixes_, lifted_first(direct_));
        if (!blocked_ || unclear_) return;
        // Of a forwarding that takes its own connections, too, that fix has all there is to do.
        const bool own_forwarding = own_greeting_heard(seen_);
        if (!refused && !own_forwarding && !never_lifted(seen_, cause_)) {
            const net::Family family = both_ ? both_->first : net::Family::any;
            add(fixes_, about(lift_block(seen_, cause_), family));
        }
        if (both_ && !second_is_here()) add_second(fixes_, lifted_second());
        add(fixes_, not_helpful(seen_, cause_));
    }

    // Closed while the other one is open.
    void open_other_family() {
        const std::optional<net::Family> shut = closed_family(report_.direct);
        if (!shut) return;
        const std::size_t first = fixes_.size();
        add(fixes_, lift(seen_, closed_code(report_.direct), *shut, cause_));
        add_family_words(*shut, fixes_, first);
    }

    const Observations& seen_;
    const Report& report_;
    const VerdictCode direct_;
    const bool works_;    // some smarthost does
    const bool blocked_;  // or nobody knows
    const bool unclear_;
    const std::optional<TwoWays> both_;
    const Cause cause_;
    std::vector<Fix> fixes_;
    std::size_t before_smarthosts_ = 0;
};

std::vector<Fix>::iterator first_useless(std::vector<Fix>& fixes) {
    return std::find_if(fixes.begin(), fixes.end(),
                        [](const Fix& fix) { return fix.title == no_help_title; });
}

// A dead family may be the only one that would let mail out.
std::vector<Fix>::iterator place_of(const BrokenFamily& broken, const Report& report,
                                    std::vector<Fix>& fixes) {
    const bool only_hope = broken.dead && report.direct.code == VerdictCode::smtp_hopeless;
    return only_hope ? fixes.begin() : first_useless(fixes);
}

}  // namespace

std::vector<Fix> advise(const Observations& seen, const Report& report) {
    std::vector<Fix> fixes = host_wide(report.direct.code) ? advise_on_network(seen, report)
                                                           : MailAdvice{seen, report}.in_order();
    if (report.direct.code != VerdictCode::no_network) {
        const std::optional<BrokenFamily> broken = broken_family(seen);
        if (broken) fixes.insert(place_of(*broken, report, fixes), broken_fix(seen, *broken));
        Fix servers = name_servers_fix(seen.each_name_server, seen.name_servers_rotate);
        if (!servers.steps.empty()) fixes.insert(first_useless(fixes), std::move(servers));
    }
    return fixes;
}

}  // namespace diagnose
