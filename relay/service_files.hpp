#pragma once

#include <memory>
#include <optional>

#include "base/result.hpp"
#include "config/settings.hpp"
#include "delivery/engine.hpp"
#include "relay/users_file.hpp"
#include "tls/context.hpp"

namespace relay {

// What `relay run` takes from the files that its configuration names.
struct ServiceFiles {
    std::optional<tls::ServerContext> tls;
    std::shared_ptr<const UsersFile> users;  // null: none
    delivery::Engine::Contexts smarthosts;
};

// Waits for disks; for any thread. The error names the setting.
[[nodiscard]] base::Result<ServiceFiles> load_service_files(const config::Settings& settings);

// A configuration that was read again; with problems in it the files were not looked at.
struct FreshSettings {
    config::LoadResult loaded;
    ServiceFiles files;
};
[[nodiscard]] base::Result<FreshSettings> load_fresh(const std::filesystem::path& file);

}  // namespace relay
