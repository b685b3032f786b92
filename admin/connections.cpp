#include "admin/connections.hpp"

#include <algorithm>
#include <utility>

namespace admin {

namespace {

auto in_phase(Connection::Phase phase) {
    return [phase](const Connection* each) { return each->phase() == phase; };
}

}  // namespace

Connection::Connection(Connections& all, std::function<void()> close)
    : all_(all), close_(std::move(close)) {
    all_.open_.push_back(this);
}

Connection::~Connection() { all_.open_.remove(this); }

template <class Fits>
Connection* Connections::oldest(Fits fits) const {
    const auto found = std::find_if(open_.begin(), open_.end(), fits);
    return found == open_.end() ? nullptr : *found;
}

void Connections::close(Connection& connection) {
    open_.remove(&connection);
    connection.close_();
}

Connections::Room Connections::make_room(std::size_t most) {
    if (open_.size() < most) return Room::free;
    Connection* leaving = oldest([](const Connection* each) { return !each->is_owners(); });
    if (leaving == nullptr) leaving = oldest(in_phase(Connection::Phase::idle));
    if (leaving == nullptr) return Room::none;
    close(*leaving);
    return Room::made;
}

Connections::Room Connections::make_room_to_tell(std::size_t most) {
    const auto telling = in_phase(Connection::Phase::telling);
    if (std::count_if(open_.begin(), open_.end(), telling) < static_cast<std::ptrdiff_t>(most)) {
        return Room::free;
    }
    close(*oldest(telling));
    return Room::made;
}

void Connections::close_between_answers() {
    for (const auto phase : {Connection::Phase::idle, Connection::Phase::telling}) {
        while (Connection* const each = oldest(in_phase(phase))) close(*each);
    }
}

void Connections::close_all() {
    while (!open_.empty()) close(*open_.front());
}

}  // namespace admin
