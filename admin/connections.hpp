#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>

namespace admin {

class Connections;

// One of those that are open, as long as it lives. One thread.
class Connection {
 public:
    enum class Phase : std::uint8_t {
        unheard,  // no request yet that was whole and let in
        idle,     // between two requests
        busy,     // being answered
        telling,  // answered with events, without end
    };

    // close ends what it stands for, by and by, and does not destroy it within the call.
    Connection(Connections& all, std::function<void()> close);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    [[nodiscard]] Phase phase() const { return phase_; }
    void enter(Phase phase);

 private:
    friend class Connections;

    Connections& all_;
    std::function<void()> close_;
    Phase phase_ = Phase::unheard;
};

// Anybody who reaches the port can open connections, and must not keep others out by it: one that
// waits for its client gives way to a newer one.
class Connections {
 public:
    enum class Room : std::uint8_t { free, made, none };

    // Before one more is opened. Of `most` none is left: closes the one that has been unheard for
    // longest, otherwise the one that has been idle for longest.
    [[nodiscard]] Room make_room(std::size_t most);
    // Those that are idle or telling: nothing of theirs is cut in two.
    void close_between_answers();
    void close_all();

 private:
    friend class Connection;

    [[nodiscard]] Connection* longest(Connection::Phase phase) const;
    void close(Connection& connection);

    std::list<Connection*> open_;  // not those that were closed; each since it is in its phase
};

}  // namespace admin
