#include <algorithm>

#include "diagnose/path.hpp"

namespace diagnose {
namespace {

std::string router_at(const Trace& trace, int ttl) {
    if (ttl < 1 || static_cast<std::size_t>(ttl) > trace.hops.size()) return {};
    const Trace::Hop& hop = trace.hops[static_cast<std::size_t>(ttl) - 1];
    const bool router = hop.asked && hop.result == ConnectResult::expired && hop.icmp;
    return router ? hop.icmp->from : std::string{};
}

std::string router_of_either(const PathTrace& path, int ttl) {
    std::string address = router_at(path.direct, ttl);
    return address.empty() ? router_at(path.control, ttl) : address;
}

bool denied_here(const Trace& trace) {
    return !trace.hops.empty() && trace.hops.front().asked &&
           (trace.hops.front().result == ConnectResult::denied ||
            trace.hops.front().result == ConnectResult::no_route);
}

// A box that names itself by an ICMP error stands where its address was seen as a router. Routers
// limit how many errors they send, so it may have kept silent there; then it is a TTL nearer than
// the first SYN that it rejected, as a router decrements before it filters.
PathReading read_filter(const PathTrace& path, const Trace::Hop& filter, PathReading reading) {
    const IcmpError& icmp = *filter.icmp;
    const int rejected_at = static_cast<int>(&filter - path.direct.hops.data()) + 1;
    reading.finding = PathFinding::rejected;
    reading.hop_address = icmp.from;
    reading.icmp = icmp;
    reading.hop = std::max(path.direct.last_router(), rejected_at - 1);
    for (std::size_t i = 0; i < path.control.hops.size(); ++i) {
        const int ttl = static_cast<int>(i) + 1;
        if (router_of_either(path, ttl) == icmp.from) reading.hop = ttl;
    }
    return reading;
}

}  // namespace

PathReading read_path(const PathTrace& path) {
    PathReading reading;
    const int routers = path.direct.last_router();
    const int control_routers = path.control.last_router();
    const std::optional<int> reached = path.direct.reached();
    reading.hops = path.control.reached();
    const bool control_seen = control_routers > 0 || reading.hops.has_value();

    if (const Trace::Hop* filter = path.direct.filter(); filter != nullptr) {
        return read_filter(path, *filter, reading);
    }
    if (reached) {
        const int far = reading.hops.value_or(control_routers + 1);
        const auto& hop = path.direct.hops[static_cast<std::size_t>(*reached) - 1];
        const bool near = control_seen && *reached < far;
        if (!reading.hops && !near) reading.hops = reached;
        if (hop.result == ConnectResult::open) {
            reading.finding = near ? PathFinding::intercepted : PathFinding::clear;
            reading.hop = *reached;
            if (near) reading.hop_address = router_of_either(path, *reached);
            return reading;
        }
        // A router acts on what it would forward, so the one that resets stands a TTL nearer; a
        // reset by the last router and one by the host look the same.
        reading.hop = *reached - 1;
        reading.finding = near && *reached == 1 ? PathFinding::reset_here : PathFinding::rejected;
        reading.hop_address = router_of_either(path, *reached - 1);
        return reading;
    }
    // Where routers keep silent for every port, silence for one of them proves nothing.
    if (control_routers == 0 && routers == 0 && !denied_here(path.direct)) return reading;
    reading.hop = routers;
    reading.hop_address = router_of_either(path, routers);
    reading.next_address = router_at(path.control, routers + 1);
    const int far = std::max(control_routers, reading.hops.value_or(0) - 1);
    if (routers == 0) {
        reading.finding = PathFinding::stops_here;
    } else if (routers < far) {
        reading.finding = PathFinding::stops_at;
    } else {
        reading.finding = PathFinding::stops_late;
    }
    return reading;
}

PathPicture picture_of(const PathTrace& path) {
    PathPicture picture;
    picture.target = path.target;
    picture.address = path.address;
    picture.port = path.direct.port;
    picture.control_port = path.control.port;
    picture.reached_direct = path.direct.reached();
    picture.reached_control = path.control.reached();
    const int last =
        std::max({path.direct.last_router(), path.control.last_router(),
                  picture.reached_direct.value_or(0) - 1, picture.reached_control.value_or(0) - 1});
    for (int ttl = 1; ttl <= last; ++ttl) {
        PathHop hop;
        hop.number = ttl;
        hop.address = router_of_either(path, ttl);
        hop.answers_direct = !router_at(path.direct, ttl).empty();
        hop.answers_control = !router_at(path.control, ttl).empty();
        picture.hops.push_back(std::move(hop));
    }
    return picture;
}

}  // namespace diagnose
