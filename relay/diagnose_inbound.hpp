#pragma once

#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "relay/diagnose_run.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace relay {

// The options of `relay diagnose --inbound [DOMAIN]`.
struct InboundFlags {
    CLI::Option* option = nullptr;  // --inbound itself
    std::string domain, vantage, token_file, ca_file;
    [[nodiscard]] bool asked() const;
};

void add_inbound_options(CLI::App& command, InboundFlags& flags);

// Ready to run. An error is one of usage.
[[nodiscard]] base::Result<Diagnosis> inbound_diagnosis(const InboundFlags& flags,
                                                        const std::string& hostname,
                                                        base::Duration timeout);

}  // namespace relay
