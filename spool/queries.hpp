#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "spool/database.hpp"
#include "spool/directory.hpp"
#include "spool/spool.hpp"

namespace spool {

// As Query::from: reports have no sender, which no glob could tell from any.
inline constexpr std::string_view null_sender = "<>";

// What is read from the spool, on a connection of its own, so that no search however long keeps
// a message from being accepted. Sees what is committed. One thread.
class Queries {
 public:
    ~Queries();
    [[nodiscard]] static Outcome<std::unique_ptr<Queries>> open(Layout layout,
                                                                std::shared_ptr<Damage> damage);
    // Over a connection that only reads.
    [[nodiscard]] static Outcome<std::unique_ptr<Queries>> over(Layout layout,
                                                                std::unique_ptr<Database> database);

    // With no body: those are read by load_body(). Ids that are gone are left out.
    [[nodiscard]] Outcome<std::vector<Leased>> load(std::span<const MessageId> ids);
    [[nodiscard]] Outcome<Body> load_body(MessageId id);
    [[nodiscard]] Outcome<std::vector<Summary>> list(const Query& query);
    [[nodiscard]] Outcome<Details> show(MessageId id);
    [[nodiscard]] Outcome<std::vector<MessageId>> select(const Query& query);  // all of them
    [[nodiscard]] Outcome<std::optional<base::Time>> oldest_waiting();
    [[nodiscard]] Database& database() { return *database_; }

 private:
    struct Statements;
    Queries(Layout layout, std::unique_ptr<Database> database);

    [[nodiscard]] std::vector<MessageId> find(const Query& query, bool all);
    [[nodiscard]] std::optional<Message> read_message(MessageId id);
    void read_recipients(Message& message);
    [[nodiscard]] std::optional<Attempt> last_attempt(MessageId id);
    template <class T>
    [[nodiscard]] Outcome<T> answer(T value);

    Layout layout_;
    std::unique_ptr<Database> database_;
    std::unique_ptr<Statements> statements_;  // goes first
};

// Queries on a connection that is opened with the first question: many a start sees none. One
// thread.
class LateQueries {
 public:
    LateQueries(Layout layout, std::shared_ptr<Damage> damage)
        : layout_(std::move(layout)), damage_(std::move(damage)) {}

    // What a member function of Queries answers, or why the connection cannot be opened.
    template <class Answer, class... Asked, class... Words>
    [[nodiscard]] Answer ask(Answer (Queries::*question)(Asked...), Words&&... words) {
        if (!queries_) {
            auto opened = Queries::open(layout_, damage_);
            if (!opened) return opened.error();
            queries_ = std::move(*opened);
        }
        return (*queries_.*question)(std::forward<Words>(words)...);
    }
    void close() { queries_.reset(); }

 private:
    Layout layout_;
    std::shared_ptr<Damage> damage_;
    std::unique_ptr<Queries> queries_;
};

}  // namespace spool
