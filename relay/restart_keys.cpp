#include "relay/restart_keys.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace relay {
namespace {

constexpr std::array<std::string_view, 4> fixed_at_start{"server.listen", "server.tls_listen",
                                                         "admin.listen", "spool."};

bool is_fixed(std::string_view key) {
    return std::any_of(fixed_at_start.begin(), fixed_at_start.end(), [&](std::string_view each) {
        return each.ends_with('.') ? key.starts_with(each) : key == each;
    });
}

}  // namespace

std::vector<std::string> needing_restart(const config::Settings& running,
                                         const config::Settings& fresh) {
    std::vector<std::string> keys;
    for (const config::SettingLine& line : fresh.effective) {
        if (!is_fixed(line.key)) continue;
        const auto old =
            std::find_if(running.effective.begin(), running.effective.end(),
                         [&](const config::SettingLine& each) { return each.key == line.key; });
        if (old == running.effective.end() || old->value != line.value) keys.push_back(line.key);
    }
    return keys;
}

}  // namespace relay
