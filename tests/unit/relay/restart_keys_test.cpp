#include "relay/restart_keys.hpp"

#include <catch2/catch.hpp>

namespace {

config::Settings settings(std::string_view more) {
    const std::string text = "[smarthost]\nhost = \"smtp.example.com\"\n" + std::string{more};
    config::LoadResult loaded = config::load_text(text, "relay.toml");
    REQUIRE(loaded.ok());
    return std::move(loaded.settings);
}

}  // namespace

TEST_CASE("a reload names the keys that it cannot take over, and only those") {
    const config::Settings before = settings("");
    CHECK(relay::needing_restart(before, before).empty());
    const config::Settings after = settings(
        "[server]\nlisten = [\"127.0.0.1:2600\"]\nidle_timeout = \"1m\"\n"
        "[admin]\nlisten = []\ntoken = \"0123456789abcdef\"\n"
        "[spool]\nmin_free = \"1MiB\"\n");
    CHECK(relay::needing_restart(before, after) ==
          std::vector<std::string>{"server.listen", "spool.min_free", "admin.listen"});
}
