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
    void enter(Phase phase) { phase_ = phase; }
    // A whole request came in on it that strangers are not let in with.
    void own() { is_owners_ = true; }
    [[nodiscard]] bool is_owners() const { return is_owners_; }

 private:
    friend class Connections;

    Connections& all_;
    std::function<void()> close_;
    Phase phase_ = Phase::unheard;
    bool is_owners_ = false;
};

// Anybody who reaches the port can open connections, and must not keep others out by it: what a
// stranger opened gives way to a newer connection whatever it is about, as a client that does not
// read its answers can be about it for long. The oldest goes first, so that a newcomer has time to
// ask and be answered while others open more.
class Connections {
 public:
    enum class Room : std::uint8_t { free, made, none };

    // Before one more is opened. Of `most` none is left: closes the oldest of the strangers',
    // otherwise the oldest of the owner's that is idle.
    [[nodiscard]] Room make_room(std::size_t most);
    // Before one more tells events: of `most` that do the oldest goes, so that events leave room
    // for other requests, and whoever looks now sees them.
    [[nodiscard]] Room make_room_to_tell(std::size_t most);
    // Those that are idle or telling: nothing of theirs is cut in two.
    void close_between_answers();
    void close_all();

 private:
    friend class Connection;

    template <class Fits>
    [[nodiscard]] Connection* oldest(Fits fits) const;
    void close(Connection& connection);

    std::list<Connection*> open_;  // not those that were closed; the oldest first
};

}  // namespace admin
