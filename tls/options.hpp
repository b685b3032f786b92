#pragma once

#include <string>
#include <vector>

namespace tls {

// How a client verifies a server, and what it shows of itself.
struct ClientOptions {
    bool verify = true;
    // Diagnosis only: judge the certificate, but shake hands all the same and say what is wrong in
    // HandshakeInfo::problem. Nothing of worth may be sent over such a connection.
    bool observe = false;
    std::string ca_file;                    // "": the system's trust store
    std::vector<std::string> fingerprints;  // SPKI sha256 pins, base64 or hex; any one must match
    std::string certificate, private_key;   // PEM files of a client certificate, both or none
    friend bool operator==(const ClientOptions&, const ClientOptions&) = default;
};

struct ServerOptions {
    std::string certificate, private_key;  // PEM files; the certificate with its chain
    friend bool operator==(const ServerOptions&, const ServerOptions&) = default;
};

}  // namespace tls
