#include "diagnose/advice_smarthosts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/text.hpp"
#include "diagnose/advice_smarthost.hpp"
#include "diagnose/smarthost_blame.hpp"

namespace diagnose {
namespace {

// No name has these.
constexpr std::string_view name_mark = "\x01", port_mark = "\x02";

struct NamedFix {
    Fix fix;  // the title has a mark in the place of "the smarthost NAME", and with ports for "port
              // N"
    std::vector<std::string> names;
    std::vector<std::uint16_t> ports;  // that this host stops
};

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    const std::size_t at = text.find(from);
    if (at != std::string::npos) text.replace(at, from.size(), to);
    return text;
}

bool has(const auto& list, const auto& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

// What lets these ports out lets the others out as well: it can be done but once.
bool covers(const NamedFix& known, const NamedFix& more) {
    return known.ports == more.ports ||
           std::all_of(more.fix.steps.begin(), more.fix.steps.end(), [&](const auto& step) {
               return !step.starts_with("Run `") || has(known.fix.steps, step);
           });
}

// The same has to be done for another one as well.
bool merge(const NamedFix& more, std::vector<NamedFix>& fixes) {
    if (!more.fix.config.empty()) return false;
    for (NamedFix& known : fixes) {
        if (!known.fix.config.empty() || known.fix.title != more.fix.title) continue;
        if (!covers(known, more)) continue;
        // "..., for the smarthost NAME": the steps are about the port, or name whom they are about.
        const bool about_port = known.fix.title.ends_with(name_mark);
        if (!about_port && known.fix.steps.front() != more.fix.steps.front()) continue;
        known.names.insert(known.names.end(), more.names.begin(), more.names.end());
        for (const std::uint16_t port : more.ports) {
            if (!has(known.ports, port)) known.ports.push_back(port);
        }
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
    fix.title = replaced(std::move(fix.title), name_mark, who);
    if (!named.ports.empty()) {
        fix.title = replaced(std::move(fix.title), port_mark,
                             fmt::format("{} {}", named.ports.size() == 1 ? "port" : "ports",
                                         port_list(named.ports, "and")));
    }
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
                replaced(std::move(fix.title), "the smarthost " + smarthost.name, name_mark);
            return NamedFix{std::move(fix), {smarthost.name}, {}};
        };
        add(named(use_other_port(seen, smarthost)), ports);
        NamedFix own = named(fix_smarthost(seen, report, smarthost));
        const SmarthostBlame blame = blame_for(seen, smarthost.name);
        if (blame.who == Blame::here) {
            own.ports = {blame.port};
            own.fix.title =
                replaced(std::move(own.fix.title), fmt::format("port {}", blame.port), port_mark);
        }
        add(std::move(own), rest);
    }
    SmarthostFixes fixes;
    fixes.about_first = !ports.empty() && has(ports.front().names, report.smarthosts.front().name);
    for (const NamedFix& port : ports) fixes.ports.push_back(finished(port));
    for (NamedFix& one : rest) {
        drop_said(ports, one.fix);
        fixes.rest.push_back(finished(one));
    }
    return fixes;
}

}  // namespace diagnose
