#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/text.hpp"
#include "diagnose/broken_family.hpp"
#include "diagnose/conclude_words.hpp"
#include "diagnose/domain/recipient.hpp"
#include "diagnose/report_words.hpp"

namespace diagnose {
namespace {

bool is_among(const std::vector<Fix>& fixes, const std::string& title) {
    return std::any_of(fixes.begin(), fixes.end(),
                       [&](const Fix& fix) { return fix.title == title; });
}

// What to do about the smarthosts, of all that is to do on this host. A dead family may be the only
// one that they have.
std::vector<Fix> fixes_for_smarthosts(const Report& here, const Report& report) {
    std::vector<Fix> fixes;
    for (const Fix& fix : here.fixes) {
        const auto named = [&](const SmarthostReport& each) {
            const std::size_t at = fix.title.find(each.name);
            return at != std::string::npos && fix.title.rfind("smarthost", at) != std::string::npos;
        };
        const bool its = mends_dead_family(fix) ||
                         std::any_of(here.smarthosts.begin(), here.smarthosts.end(), named);
        if (its && !is_among(report.fixes, fix.title)) fixes.push_back(fix);
    }
    return fixes;
}

}  // namespace

void take_smarthosts(const Report* here, Report& report) {
    if (here == nullptr) return;
    report.smarthosts = here->smarthosts;
    for (const Check& check : here->checks) {
        const auto same = [&](const Check& known) { return known.id == check.id; };
        const bool known = std::any_of(report.checks.begin(), report.checks.end(), same);
        if (check.id.starts_with("smarthost") && !known) report.checks.push_back(check);
    }
}

void offer_smarthosts(const std::vector<std::string>& smarthosts, Report& report) {
    const SmarthostReport* const works = working_smarthost(report);
    if (works != nullptr) {
        if (!goes_by_smarthost(report)) return;
        const std::string_view what =
            names_in_doubt(report)
                ? "It works, as was tested a moment ago, and looks the recipient's mail servers up "
                  "for itself: mail goes through it unless that fails there as well."
                : "It works, as was tested a moment ago: mail to this recipient goes through it as "
                  "well, and port 25 is not needed for that.";
        report.fixes.insert(report.fixes.begin(),
                            {fmt::format("Leave it to the configured smarthost {}", works->name),
                             {std::string{what}},
                             ""});
        return;
    }
    if (!report.smarthosts.empty()) return;  // what to do about them is among the fixes
    const auto block = std::find_if(report.fixes.begin(), report.fixes.end(),
                                    [](const Fix& fix) { return !fix.config.empty(); });
    if (smarthosts.empty() || block == report.fixes.end()) return;
    const bool one = smarthosts.size() == 1;
    *block = {
        fmt::format("Leave it to the configured {} {}", one ? "smarthost" : "smarthosts",
                    base::join(smarthosts, ", ")),
        {fmt::format("All mail goes through {}, to this recipient as well; port 25 is not needed "
                     "for that.",
                     one ? "it" : "them"),
         fmt::format("See whether {}: `relay diagnose`", one ? "it works" : "they work")},
        ""};
    std::erase_if(report.fixes, [](const Fix& fix) { return !fix.config.empty(); });
}

void tell_of_broken_smarthosts(const Report* here, Report& report) {
    if (here == nullptr || report.smarthosts.empty() || working_smarthost(report)) return;
    for (const SmarthostReport& smarthost : report.smarthosts) {
        const std::string words = smarthost_words(smarthost);
        const bool known = std::any_of(report.findings.begin(), report.findings.end(),
                                       [&](const Finding& each) { return each.summary == words; });
        if (!known) report.findings.push_back({std::string{verdict_name(smarthost.code)}, words});
    }
    std::vector<Fix> fixes = fixes_for_smarthosts(*here, report);
    const auto place = report.good ? report.fixes.begin() : report.fixes.end();
    report.fixes.insert(place, std::make_move_iterator(fixes.begin()),
                        std::make_move_iterator(fixes.end()));
    if (!report.good) return;
    // What was asked about is fine, and yet no mail goes that way.
    report.verdict.summary +=
        fmt::format(" But relay does not send directly while a smarthost is configured. {}",
                    smarthost_words(report.smarthosts.front()));
    report.mail_leaves = false;
    report.via.clear();
}

}  // namespace diagnose
