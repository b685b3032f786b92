#include "diagnose/answer_distance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "diagnose/together.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;

constexpr base::Duration first_wait{900};  // below a second: one probe is one SYN
constexpr base::Duration least_wait{150};  // for an answer that was seen to come quicker
constexpr int parts = 4;                   // a round of three limits leaves a quarter

// Shared by the probes of a round, which may outlast it.
struct Probe {
    int limit = 0;
    bool heard = false;
    base::Duration took{};
};

bool answers(const ConnectOutcome& outcome) {
    return outcome.result == ConnectResult::open ||
           (outcome.result == ConnectResult::refused && !outcome.icmp);
}

asio::awaitable<void> try_limit(asio::any_io_executor executor, ConnectAsk ask,
                                std::shared_ptr<Probe> probe) {
    ask.min_ttl = probe->limit;
    ConnectOutcome outcome = co_await connect_once(executor, ask);
    if (outcome.stream) outcome.stream->close();
    probe->heard = answers(outcome);
    probe->took = outcome.took;
}

asio::awaitable<std::vector<std::shared_ptr<Probe>>> try_limits(asio::any_io_executor executor,
                                                                ConnectAsk ask,
                                                                std::vector<int> limits) {
    std::vector<std::shared_ptr<Probe>> probes;
    std::vector<asio::awaitable<void>> tasks;
    for (const int limit : limits) {
        probes.push_back(std::make_shared<Probe>());
        probes.back()->limit = limit;
        tasks.push_back(try_limit(executor, ask, probes.back()));
    }
    const base::Duration most = ask.timeout + least_wait;
    co_await run_together(executor, std::move(tasks), most);
    co_return probes;
}

// A lost packet looks like an answer from further away: both sides of the edge are asked again.
asio::awaitable<bool> edge_holds(asio::any_io_executor executor, ConnectAsk ask, int ttl) {
    std::vector<int> limits(1, ttl);
    if (ttl < 255) limits.push_back(ttl + 1);
    const auto probes = co_await try_limits(executor, ask, limits);
    co_return probes.front()->heard && (probes.size() == 1 || !probes.back()->heard);
}

asio::awaitable<void> measure(asio::any_io_executor executor, ConnectAsk ask,
                              SteadyClock::time_point until, std::shared_ptr<AnswerPair> pair,
                              Answerer AnswerPair::* which) {
    (*pair.*which).port = ask.port;
    ConnectOutcome first = co_await connect_once(executor, ask);
    if (first.stream) first.stream->close();
    (*pair.*which).result = first.result;
    (*pair.*which).took = first.took;
    if (!answers(first)) co_return;
    // Three times the round trip, so that a slow answer is no missing one.
    ask.timeout = std::clamp(3 * first.took, least_wait, first_wait);
    TtlSearch search;
    for (std::vector<int> limits = search.next(); !limits.empty(); limits = search.next()) {
        if (SteadyClock::now() >= until) co_return;
        const auto probes = co_await try_limits(executor, ask, limits);
        for (const std::shared_ptr<Probe>& probe : probes) {
            search.note(probe->limit, probe->heard);
            Answerer& answerer = *pair.*which;
            if (probe->heard) answerer.took = std::min(answerer.took, probe->took);
        }
    }
    if (search.ttl() == 0) co_return;
    const bool sure = co_await edge_holds(executor, ask, search.ttl());
    if (sure) (*pair.*which).ttl = search.ttl();
}

std::string routers(int count) {
    return count == 1 ? "1 router" : fmt::format("{} routers", count);
}

}  // namespace

std::vector<int> TtlSearch::next() const {
    std::vector<int> limits;
    const int room = unheard_ - heard_;
    for (int part = 1; part < parts; ++part) {
        const int limit = heard_ + room * part / parts;
        const bool known = limit <= heard_ || (!limits.empty() && limits.back() == limit);
        if (!known) limits.push_back(limit);
    }
    return limits;
}

void TtlSearch::note(int limit, bool heard) {
    if (heard) {
        heard_ = std::max(heard_, limit);
    } else {
        unheard_ = std::min(unheard_, limit);
    }
    // An answer heard beyond one that was not: the one that was not got lost.
    if (unheard_ <= heard_) unheard_ = heard_ + 1;
}

std::optional<int> Answerer::distance() const {
    if (ttl <= 0) return std::nullopt;
    for (const int first : {64, 128, 255}) {
        if (ttl <= first) return first - ttl;
    }
    return std::nullopt;
}

AnswerFinding compare_answers(const AnswerPair& pair) {
    const std::optional<int> direct = pair.direct.distance(), control = pair.control.distance();
    if (!direct || !control) return AnswerFinding::unknown;
    const int least = pair.direct.result == ConnectResult::open ? 2 : 1;
    return *control - *direct >= least ? AnswerFinding::nearer : AnswerFinding::same;
}

std::string answer_words(const AnswerPair& pair) {
    const AnswerFinding finding = compare_answers(pair);
    if (finding == AnswerFinding::unknown) {
        return fmt::format("{} gave no two answers whose distance could be compared.", pair.target);
    }
    const int direct = *pair.direct.distance(), control = *pair.control.distance();
    if (finding == AnswerFinding::same) {
        if (direct == control) {
            return fmt::format("Ports {} and {} of {} are answered from equally far, over {}.",
                               pair.direct.port, pair.control.port, pair.target, routers(control));
        }
        return fmt::format(
            "Port {} of {} is answered over {}, port {} over {}: {}.", pair.direct.port,
            pair.target, routers(direct), pair.control.port, routers(control),
            direct > control ? "nobody nearer was seen" : "one less tells nothing by itself");
    }
    const std::string box = direct == 0 ? "It is this host or the first router."
                                        : fmt::format("It is at hop {} or the next.", direct);
    return fmt::format(
        "Somebody nearer than {} {} on port {}: the answer comes over {}, that of port {} over {}. "
        "{}",
        pair.target, pair.direct.result == ConnectResult::open ? "answers" : "resets connections",
        pair.direct.port, routers(direct), pair.control.port, routers(control), box);
}

asio::awaitable<AnswerPair> measure_answers(asio::any_io_executor executor, std::string target,
                                            asio::ip::address address, std::uint16_t port,
                                            std::uint16_t control_port, base::Duration timeout) {
    const auto pair = std::make_shared<AnswerPair>();
    pair->target = std::move(target);
    pair->address = address.to_string();
    pair->family = address.is_v4() ? net::Family::ipv4 : net::Family::ipv6;
    const SteadyClock::time_point until = SteadyClock::now() + timeout;
    const base::Duration wait = std::min(first_wait, timeout);
    const ConnectAsk direct{address, port, wait}, control{address, control_port, wait};
    std::vector<asio::awaitable<void>> tasks;
    tasks.push_back(measure(executor, direct, until, pair, &AnswerPair::direct));
    tasks.push_back(measure(executor, control, until, pair, &AnswerPair::control));
    co_await run_together(executor, std::move(tasks), timeout);
    co_return *pair;
}

}  // namespace diagnose
