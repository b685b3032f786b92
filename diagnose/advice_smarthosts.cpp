#include "diagnose/advice_smarthosts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/text.hpp"
#include "diagnose/advice_smarthost.hpp"

namespace diagnose {
namespace {

constexpr std::string_view placeholder = "\x01";  // no name has it

struct NamedFix {
    Fix fix;  // the title has a placeholder for "the smarthost NAME"
    std::vector<std::string> names;
};

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    const std::size_t at = text.find(from);
    if (at != std::string::npos) text.replace(at, from.size(), to);
    return text;
}

bool has(const std::vector<std::string>& steps, const std::string& step) {
    return std::find(steps.begin(), steps.end(), step) != steps.end();
}

// The same has to be done for another one as well.
bool merge(const NamedFix& more, std::vector<NamedFix>& fixes) {
    if (!more.fix.config.empty()) return false;
    for (NamedFix& known : fixes) {
        if (!known.fix.config.empty() || known.fix.title != more.fix.title) continue;
        // "..., for the smarthost NAME": the steps are about the port, or name whom they are about.
        const bool about_port = known.fix.title.ends_with(placeholder);
        if (!about_port && known.fix.steps.front() != more.fix.steps.front()) continue;
        known.names.insert(known.names.end(), more.names.begin(), more.names.end());
        for (const std::string& step : more.fix.steps) {
            if (!has(known.fix.steps, step)) known.fix.steps.push_back(step);
        }
        return true;
    }
    return false;
}

// Steps that stand in a fix before it, unless nothing would be left.
void drop_said(const std::vector<NamedFix>& before, Fix& fix) {
    std::vector<std::string> left;
    for (const std::string& step : fix.steps) {
        const bool said = std::any_of(before.begin(), before.end(), [&](const NamedFix& known) {
            return has(known.fix.steps, step);
        });
        if (!said) left.push_back(step);
    }
    if (!left.empty()) fix.steps = std::move(left);
}

void add(NamedFix fix, std::vector<NamedFix>& fixes) {
    if (fix.fix.steps.empty() || merge(fix, fixes)) return;
    drop_said(fixes, fix.fix);
    fixes.push_back(std::move(fix));
}

Fix finished(const NamedFix& named) {
    Fix fix = named.fix;
    const std::string who = named.names.size() == 1
                                ? "the smarthost " + named.names.front()
                                : "the smarthosts " + base::join(named.names, ", ");
    fix.title = replaced(std::move(fix.title), placeholder, who);
    return fix;
}

}  // namespace

SmarthostFixes fix_smarthosts(const Observations& seen, const Report& report,
                              const std::function<bool(std::size_t)>& chosen) {
    std::vector<NamedFix> ports, rest;
    for (std::size_t i = 0; i < report.smarthosts.size(); ++i) {
        const SmarthostReport& smarthost = report.smarthosts[i];
        if (smarthost.code == VerdictCode::ok_smarthost || !chosen(i)) continue;
        const auto named = [&](Fix fix) {
            fix.title =
                replaced(std::move(fix.title), "the smarthost " + smarthost.name, placeholder);
            return NamedFix{std::move(fix), {smarthost.name}};
        };
        add(named(use_other_port(seen, smarthost)), ports);
        add(named(fix_smarthost(seen, report, smarthost)), rest);
    }
    SmarthostFixes fixes;
    for (const NamedFix& port : ports) fixes.ports.push_back(finished(port));
    for (NamedFix& one : rest) {
        drop_said(ports, one.fix);
        fixes.rest.push_back(finished(one));
    }
    return fixes;
}

}  // namespace diagnose
