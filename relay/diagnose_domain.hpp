#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "config/settings.hpp"
#include "relay/diagnose_run.hpp"

namespace relay {

// Whether an option's value can be a domain; the error, one of usage, says how to write it.
[[nodiscard]] base::Result<> check_domain(std::string_view option, std::string_view text);

// `relay diagnose --domain D`: the mail DNS of a domain, for the way its mail goes by this
// configuration. An error is one of usage.
[[nodiscard]] base::Result<Diagnosis> domain_diagnosis(
    const std::string& domain, const std::string& selector,
    const std::optional<config::Settings>& settings, base::Duration timeout);

// Whether it is one plain address, which goes into a command of SMTP as it stands.
[[nodiscard]] bool is_plain_address(const std::string& text);

// `relay diagnose --to ADDRESS`: direct delivery to this recipient, from the sender ("": the null
// sender), and the smarthosts, unless their secrets could not be had. An error is one of usage.
[[nodiscard]] base::Result<Diagnosis> recipient_diagnosis(
    const std::string& address, const std::string& sender,
    const std::optional<config::Settings>& settings, bool secrets, base::Duration timeout);

}  // namespace relay
