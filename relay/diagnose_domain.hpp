#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "config/settings.hpp"
#include "relay/diagnose_run.hpp"

namespace relay {

// `relay diagnose --domain D`: the mail DNS of a domain, for the way its mail goes by this
// configuration. An error is one of usage.
[[nodiscard]] base::Result<Diagnosis> domain_diagnosis(
    const std::string& domain, const std::string& selector,
    const std::optional<config::Settings>& settings, base::Duration timeout);

// `relay diagnose --to ADDRESS`: direct delivery to this recipient. An error is one of usage.
[[nodiscard]] base::Result<Diagnosis> recipient_diagnosis(
    const std::string& address, const std::optional<config::Settings>& settings,
    base::Duration timeout);

}  // namespace relay
