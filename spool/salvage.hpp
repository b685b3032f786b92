#pragma once

#include <set>
#include <string>
#include <vector>

#include "spool/database.hpp"
#include "spool/directory.hpp"
#include "spool/spool.hpp"

namespace spool {

// What can be read of a damaged database: every tree is walked from both ends up to its damage,
// and each message looked up by its id. What is unreadable is left out, not an error.
class Salvage {
 public:
    Salvage(Layout layout, Database& database) : layout_(std::move(layout)), database_(database) {}

    [[nodiscard]] std::vector<Summary> list(const Query& query);
    [[nodiscard]] Details show(MessageId id);
    [[nodiscard]] Outcome<Body> load_body(MessageId id);

 private:
    [[nodiscard]] std::set<std::int64_t, std::greater<>> find_ids();
    void collect(const std::string& sql, std::set<std::int64_t, std::greater<>>& ids);
    [[nodiscard]] std::optional<Message> read_message(MessageId id);
    [[nodiscard]] Message unreadable(MessageId id) const;
    [[nodiscard]] std::vector<Attempt> read_attempts(MessageId id);
    void forget_failure();

    Layout layout_;
    Database& database_;
};

}  // namespace spool
