#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "admin/api.hpp"
#include "base/result.hpp"
#include "spool/options.hpp"

namespace relay {

// The way to the API for commands: the running server's control.sock or, when none runs, the spool
// itself in this process. Calls block; a large answer is held in memory.
class ControlChannel {
 public:
    virtual ~ControlChannel() = default;
    // An error means that nothing answered; what the API answered, also a refusal, is a response.
    [[nodiscard]] virtual base::Result<admin::ApiResponse> call(admin::ApiRequest request) = 0;
    [[nodiscard]] virtual bool online() const = 0;  // a server runs and answers
};

// The file on which the server of this spool listens.
[[nodiscard]] std::filesystem::path control_socket_path(const std::filesystem::path& spool);

// To the running server only.
[[nodiscard]] base::Result<std::unique_ptr<ControlChannel>> connect_to_server(
    const std::filesystem::path& spool);
// What a command wants of a spool whose server does not run. One that is only looked at stays as it
// is, gives what can be read when it is damaged, and is let go after each call (or the only one).
enum class Purpose : std::uint8_t { look, look_once, change };

// To the running server, else to the spool. Never creates a spool.
[[nodiscard]] base::Result<std::unique_ptr<ControlChannel>> open_control(
    const spool::Options& options, Purpose purpose = Purpose::change);

// The answer's words when it is an error, for stderr.
[[nodiscard]] std::string error_message(const admin::ApiResponse& response);

}  // namespace relay
