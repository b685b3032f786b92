#include "diagnose/path.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <memory>

namespace diagnose {
namespace {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;

constexpr int window = 6;          // TTLs under way at a time, for each port
constexpr int silent_windows = 2;  // after which nothing more is expected

struct Sweep {
    Sweep(asio::any_io_executor on, const TraceAsk& what)
        : executor(std::move(on)), ask(what), gate(executor) {}
    asio::any_io_executor executor;
    TraceAsk ask;
    SteadyClock::time_point began = SteadyClock::now();
    asio::steady_timer gate;
    std::size_t pending = 0;
    base::Duration patience = ask.probe_timeout;  // with one probe
    PathTrace path;

    [[nodiscard]] bool time_left() const { return SteadyClock::now() - began < ask.timeout; }
};

using SweepPointer = std::shared_ptr<Sweep>;

bool heard(const Trace::Hop& hop) { return hop.result != ConnectResult::dropped; }

// An answer in the name of the host itself.
bool answered(const Trace::Hop& hop) {
    return hop.result == ConnectResult::open || (hop.result == ConnectResult::refused && !hop.icmp);
}

bool opened(const Trace& trace) {
    return std::any_of(trace.hops.begin(), trace.hops.end(), [](const Trace::Hop& hop) {
        return hop.asked && hop.result == ConnectResult::open;
    });
}

asio::awaitable<void> probe_hop(SweepPointer sweep, Trace* trace, int ttl) {
    ConnectAsk ask{sweep->ask.address, trace->port, sweep->patience};
    ask.ttl = ttl;
    ConnectOutcome outcome = co_await connect_once(sweep->executor, ask);
    if (outcome.stream) outcome.stream->close();
    Trace::Hop& hop = trace->hops[static_cast<std::size_t>(ttl) - 1];
    hop.asked = true;
    hop.result = outcome.result;
    hop.icmp = outcome.icmp;
    hop.took = outcome.took;
}

void start_probe(const SweepPointer& sweep, Trace& trace, int ttl) {
    ++sweep->pending;
    asio::co_spawn(sweep->executor, probe_hop(sweep, &trace, ttl), [sweep](std::exception_ptr) {
        if (--sweep->pending == 0) sweep->gate.cancel();
    });
}

asio::awaitable<void> wait_for_probes(SweepPointer sweep) {
    if (sweep->pending == 0) co_return;
    boost::system::error_code cancelled;
    sweep->gate.expires_after(std::chrono::seconds{30});
    co_await sweep->gate.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

// A hop that need not be asked: one before it answered already.
bool beyond(const Trace& trace, int ttl) {
    const std::optional<int> reached = trace.reached();
    return reached && *reached < ttl;
}

asio::awaitable<void> ask_window(SweepPointer sweep, int first, int last) {
    for (Trace* trace : {&sweep->path.direct, &sweep->path.control}) {
        for (int ttl = first; ttl <= last; ++ttl) {
            const Trace::Hop& hop = trace->hops[static_cast<std::size_t>(ttl) - 1];
            const bool known = hop.asked && heard(hop);
            if (!known && !beyond(*trace, ttl)) start_probe(sweep, *trace, ttl);
        }
    }
    co_await wait_for_probes(sweep);
}

bool all_silent(const Trace& trace, int first, int last) {
    for (int ttl = first; ttl <= last; ++ttl) {
        if (heard(trace.hops[static_cast<std::size_t>(ttl) - 1])) return false;
    }
    return true;
}

// Window after window until the far end answers on the control port, or nobody does any more.
// Returns the last TTL asked.
asio::awaitable<int> ask_all(SweepPointer sweep) {
    const PathTrace& path = sweep->path;
    const int most = sweep->ask.most_hops;
    int silent = 0, last = 0;
    while (last < most && sweep->time_left() && silent < silent_windows) {
        const int first = last + 1;
        last = std::min(last + window, most);
        co_await ask_window(sweep, first, last);
        if (path.control.reached()) break;
        const bool quiet =
            all_silent(path.control, first, last) && all_silent(path.direct, first, last);
        silent = quiet ? silent + 1 : 0;
    }
    co_return last;
}

}  // namespace

int Trace::last_router() const {
    int last = 0;
    for (std::size_t i = 0; i < hops.size(); ++i) {
        if (hops[i].asked && hops[i].result == ConnectResult::expired) {
            last = static_cast<int>(i) + 1;
        }
    }
    return last;
}

std::optional<int> Trace::reached() const {
    for (std::size_t i = 0; i < hops.size(); ++i) {
        if (hops[i].asked && answered(hops[i])) return static_cast<int>(i) + 1;
    }
    return std::nullopt;
}

const Trace::Hop* Trace::filter() const {
    for (const Hop& hop : hops) {
        if (hop.asked && hop.icmp && hop.result != ConnectResult::expired) return &hop;
    }
    return nullptr;
}

asio::awaitable<PathTrace> trace_path(asio::any_io_executor executor, TraceAsk ask) {
    const auto sweep = std::make_shared<Sweep>(executor, ask);
    PathTrace& path = sweep->path;
    path.target = ask.target;
    path.address = ask.address.to_string();
    path.family = ask.address.is_v4() ? net::Family::ipv4 : net::Family::ipv6;
    path.direct.port = ask.port;
    path.control.port = ask.control_port;
    path.direct.hops.resize(static_cast<std::size_t>(ask.most_hops));
    path.control.hops.resize(static_cast<std::size_t>(ask.most_hops));
    const int asked = co_await ask_all(sweep);
    // Routers limit their ICMP errors, so that a silent hop is asked again; but where port 25 is
    // open no hop is looked for, and most hosts are spared the wait.
    const bool arrived = opened(path.direct);
    sweep->patience = TraceAsk{}.probe_timeout;
    for (int first = 1; !arrived && first <= asked && sweep->time_left(); first += window) {
        const int last = std::min(first + window - 1, asked);
        co_await ask_window(sweep, first, last);
    }
    co_return std::move(path);
}

}  // namespace diagnose
