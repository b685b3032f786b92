#include "relay/service_files.hpp"

#include <fmt/format.h>

#include <utility>

namespace relay {

base::Result<ServiceFiles> load_service_files(const config::Settings& settings) {
    ServiceFiles files;
    const ListenerOptions& listener = settings.listener;
    if (!listener.tls.certificate.empty()) {
        base::Result<tls::ServerContext> tls = tls::ServerContext::load(listener.tls);
        if (!tls) return base::error(fmt::format("server.certificate: {}", tls.error().message));
        files.tls = std::move(*tls);
    }
    if (!listener.users_file.empty()) {
        base::Result<UsersFile> users = UsersFile::load(listener.users_file);
        if (!users) return base::error(fmt::format("server.users_file: {}", users.error().message));
        files.users = std::make_shared<const UsersFile>(std::move(*users));
    }
    base::Result<delivery::Engine::Contexts> smarthosts =
        delivery::Engine::load_contexts(settings.delivery);
    if (!smarthosts) return smarthosts.error();
    files.smarthosts = std::move(*smarthosts);
    return files;
}

base::Result<FreshSettings> load_fresh(const std::filesystem::path& file) {
    FreshSettings fresh;
    fresh.loaded = config::load_file(file);
    if (!fresh.loaded.ok()) return fresh;
    base::Result<ServiceFiles> files = load_service_files(fresh.loaded.settings);
    if (!files) return files.error();
    fresh.files = std::move(*files);
    return fresh;
}

}  // namespace relay
