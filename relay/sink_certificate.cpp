#include "relay/sink_certificate.hpp"

#include <fmt/format.h>
#include <stdlib.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <utility>

#include "relay/sink_mailbox.hpp"
#include "tls/make_certificate.hpp"

namespace relay {
namespace {

constexpr std::chrono::hours lifetime{24 * 365};

// A directory that only its owner can enter, and that is gone with this object.
class PrivateDirectory {
 public:
    PrivateDirectory() {
        std::error_code failure;
        std::string name = (std::filesystem::temp_directory_path(failure) / "relay-sink-XXXXXX");
        if (!failure && ::mkdtemp(name.data()) != nullptr) path_ = name;
    }
    ~PrivateDirectory() {
        std::error_code ignored;
        if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
    }
    PrivateDirectory(const PrivateDirectory&) = delete;
    PrivateDirectory& operator=(const PrivateDirectory&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
    std::filesystem::path path_;
};

// OpenSSL's loading is by file name.
base::Result<tls::ServerContext> load(const tls::CertificatePair& pair) {
    const PrivateDirectory directory;
    if (directory.path().empty()) {
        return base::error(
            fmt::format("no directory for temporary files can be made ({}): set "
                        "TMPDIR, or use --no-tls",
                        base::errno_text(errno)));
    }
    tls::ServerOptions files;
    files.certificate = directory.path() / "certificate.pem";
    files.private_key = directory.path() / "key.pem";
    base::Result<> written = write_whole_file(files.certificate, pair.certificate);
    if (written.has_value()) written = write_whole_file(files.private_key, pair.private_key);
    if (written.has_error()) return written.error();
    return tls::ServerContext::load(files);
}

}  // namespace

base::Result<SinkCertificate> make_sink_certificate(std::vector<std::string> names) {
    base::Result<tls::CertificatePair> authority =
        tls::make_authority("relay sink test authority", lifetime);
    if (authority.has_error()) return authority.error();
    tls::CertificateOptions options;
    options.names = std::move(names);
    base::Result<tls::CertificatePair> pair = tls::make_certificate(*authority, options);
    if (pair.has_error()) return pair.error();
    base::Result<tls::ServerContext> context = load(*pair);
    if (context.has_error()) return context.error();
    return SinkCertificate{std::move(*context), std::move(authority->certificate)};
}

}  // namespace relay
