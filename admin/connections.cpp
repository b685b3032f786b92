#include "admin/connections.hpp"

#include <algorithm>
#include <utility>

namespace admin {

Connection::Connection(Connections& all, std::function<void()> close)
    : all_(all), close_(std::move(close)) {
    all_.open_.push_back(this);
}

Connection::~Connection() { all_.open_.remove(this); }

void Connection::enter(Phase phase) {
    phase_ = phase;
    const auto found = std::find(all_.open_.begin(), all_.open_.end(), this);
    if (found != all_.open_.end()) all_.open_.splice(all_.open_.end(), all_.open_, found);
}

Connection* Connections::longest(Connection::Phase phase) const {
    const auto found = std::find_if(open_.begin(), open_.end(), [phase](const Connection* each) {
        return each->phase() == phase;
    });
    return found == open_.end() ? nullptr : *found;
}

void Connections::close(Connection& connection) {
    open_.remove(&connection);
    connection.close_();
}

Connections::Room Connections::make_room(std::size_t most) {
    if (open_.size() < most) return Room::free;
    Connection* waiting = longest(Connection::Phase::unheard);
    if (waiting == nullptr) waiting = longest(Connection::Phase::idle);
    if (waiting == nullptr) return Room::none;
    close(*waiting);
    return Room::made;
}

void Connections::close_between_answers() {
    for (const auto phase : {Connection::Phase::idle, Connection::Phase::telling}) {
        while (Connection* const each = longest(phase)) close(*each);
    }
}

void Connections::close_all() {
    while (!open_.empty()) close(*open_.front());
}

}  // namespace admin
