#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "tls/context.hpp"

namespace relay {

// What a sink shows of itself over TLS, and the authority by which its clients can verify it.
struct SinkCertificate {
    tls::ServerContext context;
    std::string authority;  // PEM
};

// Made anew each time; the keys are nowhere on disk once this returns.
[[nodiscard]] base::Result<SinkCertificate> make_sink_certificate(std::vector<std::string> names);

}  // namespace relay
