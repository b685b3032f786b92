#pragma once

#include <gsasl.h>

#include <memory>

namespace smtp {

struct FreeGsasl {
    void operator()(Gsasl* context) const { gsasl_done(context); }
    void operator()(Gsasl_session* session) const { gsasl_finish(session); }
};
using GsaslContext = std::unique_ptr<Gsasl, FreeGsasl>;
using GsaslSession = std::unique_ptr<Gsasl_session, FreeGsasl>;

// A context whose sessions ask `supply` for their properties; null when GNU SASL cannot start. Made
// once it is read only, so that one serves all sessions of the process.
[[nodiscard]] inline GsaslContext make_gsasl_context(Gsasl_callback_function supply) {
    Gsasl* made = nullptr;
    if (gsasl_init(&made) != GSASL_OK) return nullptr;
    gsasl_callback_set(made, supply);
    return GsaslContext{made};
}

}  // namespace smtp
