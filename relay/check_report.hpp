#pragma once

#include <string>

#include "config/settings.hpp"
#include "relay/output.hpp"

namespace relay {

// What relay check prints: every fault and remark with the line it is about, then, when there is
// no fault, all settings with where each came from. Ends with a line end.
[[nodiscard]] std::string check_text(const config::LoadResult& result, const Terminal& terminal);

// The same for programs: {"ok","file","problems":[{"file","line","column","message"}],
// "warnings":[...],"settings":[{"key","value","source"}]}; settings is empty when not ok. With
// --online `relay check` adds "online", and "ok" holds for that as well.
[[nodiscard]] std::string check_json(const config::LoadResult& result);

}  // namespace relay
