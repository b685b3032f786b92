#include "net/dial.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstring>
#include <deque>

#include "base/text.hpp"
#include "base/units.hpp"
#include "net/await.hpp"

namespace net {
namespace {

namespace asio = boost::asio;
namespace ip = boost::asio::ip;
using boost::system::error_code;
using SteadyClock = std::chrono::steady_clock;
using Executor = asio::any_io_executor;
using Outcome = base::Result<tls::Stream, DialError>;
using Addresses = DnsAnswer<std::vector<ip::address>>;

constexpr base::Duration attempt_delay{250};  // RFC 8305 section 5
constexpr std::string_view unix_prefix = "unix:";

DialResult result_of(int error_number) {
    switch (error_number) {
        case ECONNREFUSED:
            return DialResult::refused;
        case ETIMEDOUT:
            return DialResult::timeout;
        case ENETUNREACH:
        case EHOSTUNREACH:
        case EADDRNOTAVAIL:  // this host has no address of the family
        case EAFNOSUPPORT:
            return DialResult::unreachable;
        case EACCES:
        case EPERM:
            return DialResult::local_denied;
        default:
            return DialResult::other;
    }
}

// Which of several outcomes says most about the target. A family this host does not have at all
// says least.
int weight(DialResult result) {
    switch (result) {
        case DialResult::connected:
            return 7;
        case DialResult::local_denied:
            return 6;
        case DialResult::refused:
            return 5;
        case DialResult::prohibited:
            return 4;
        case DialResult::timeout:
            return 3;
        case DialResult::dns:
            return 2;
        case DialResult::other:
            return 1;
        case DialResult::unreachable:
            return 0;
    }
    return 0;
}

std::string words_for(const DialAttempt& attempt, base::Duration limit) {
    switch (attempt.result) {
        case DialResult::timeout:
            return fmt::format("no answer within {}", base::human_duration(limit));
        case DialResult::local_denied:
            return "this host does not let the connection out (a local firewall or sandbox)";
        case DialResult::prohibited:
            return "rejected by " + attempt.rejected_by;
        case DialResult::unreachable:
            return attempt.error_number == EADDRNOTAVAIL || attempt.error_number == EAFNOSUPPORT
                       ? "this host has no address of that family"
                       : base::errno_text(attempt.error_number);
        default:
            return base::errno_text(attempt.error_number);
    }
}

// "connection refused (192.0.2.1, 192.0.2.2), network is unreachable (2001:db8::1)"
std::string words_for(const std::vector<DialAttempt>& attempts, base::Duration limit) {
    std::vector<std::pair<std::string, std::vector<std::string>>> groups;
    for (const DialAttempt& attempt : attempts) {
        std::string words = words_for(attempt, limit);
        auto group = std::find_if(groups.begin(), groups.end(),
                                  [&](const auto& known) { return known.first == words; });
        if (group == groups.end()) {
            groups.emplace_back(std::move(words), std::vector<std::string>{});
            group = std::prev(groups.end());
        }
        group->second.push_back(attempt.address);
    }
    std::vector<std::string> parts;
    for (const auto& [words, addresses] : groups) {
        parts.push_back(fmt::format("{} ({})", words, base::join(addresses, ", ")));
    }
    return base::join(parts, ", ");
}

std::string name_of(const DialTarget& target) {
    if (target.host.starts_with(unix_prefix)) return target.host;
    const bool v6 = target.host.find(':') != std::string::npos;
    return fmt::format(fmt::runtime(v6 ? "[{}]:{}" : "{}:{}"), target.host, target.port);
}

DialError failure(const DialTarget& target, DialResult result, std::string_view why) {
    DialError error;
    error.result = result;
    error.message = fmt::format("{}: {}", name_of(target), why);
    return error;
}

// "" where the kernel had not chosen one.
std::string own_address(const tls::Socket& socket) {
    error_code failed;
    const auto local = socket.local_endpoint(failed);
    ip::tcp::endpoint endpoint;
    if (failed || local.size() > endpoint.capacity()) return {};
    std::memcpy(endpoint.data(), local.data(), local.size());
    endpoint.resize(local.size());
    return endpoint.address().to_string();
}

struct Candidate {
    std::string shown;
    asio::generic::stream_protocol::endpoint endpoint;
};

// The first family keeps its lead, then both take turns (RFC 8305 section 4).
std::vector<Candidate> interleave(const std::vector<ip::address>& addresses, unsigned short port) {
    std::deque<ip::address> first, second;
    for (const ip::address& address : addresses) {
        (address.is_v6() == addresses.front().is_v6() ? first : second).push_back(address);
    }
    std::vector<Candidate> candidates;
    const auto take = [&](std::deque<ip::address>& from) {
        if (from.empty()) return;
        candidates.push_back(
            Candidate{from.front().to_string(), ip::tcp::endpoint{from.front(), port}});
        from.pop_front();
    };
    while (!first.empty() || !second.empty()) {
        take(first);
        take(second);
    }
    return candidates;
}

// The connects under way to the candidates; ends with the first that succeeds, or when all have
// failed, or when the time is over.
class Race : public std::enable_shared_from_this<Race> {
 public:
    using Done = std::function<void(Outcome)>;

    Race(Executor executor, DialTarget target, std::vector<Candidate> candidates,
         base::Duration time_left)
        : executor_(std::move(executor)),
          target_(std::move(target)),
          candidates_(std::move(candidates)),
          time_left_(time_left),
          next_start_(executor_),
          deadline_(executor_) {}

    void start(Done done) {
        done_ = std::move(done);
        deadline_.expires_after(time_left_);
        deadline_.async_wait([self = shared_from_this()](error_code cancelled) {
            if (!cancelled) self->give_up();
        });
        start_next();
    }

 private:
    struct Runner {
        Runner(Executor executor, std::string address)
            : socket(std::move(executor)), started(SteadyClock::now()) {
            attempt.address = std::move(address);
        }
        tls::Socket socket;
        SteadyClock::time_point started;
        DialAttempt attempt;
        int family = AF_UNIX;
        bool over = false;
    };

    void start_next() {
        next_start_.cancel();
        if (!done_ || runners_.size() == candidates_.size()) return;
        const Candidate& candidate = candidates_[runners_.size()];
        runners_.push_back(std::make_unique<Runner>(executor_, candidate.shown));
        Runner& runner = *runners_.back();
        const bool last = runners_.size() == candidates_.size();
        open(runner, candidate);
        runner.socket.async_connect(candidate.endpoint,
                                    [self = shared_from_this(), &runner](error_code failed) {
                                        self->connected(runner, failed);
                                    });
        if (last) return;
        next_start_.expires_after(attempt_delay);
        next_start_.async_wait([self = shared_from_this()](error_code cancelled) {
            if (!cancelled) self->start_next();
        });
    }

    // A socket that cannot be opened here fails in the same way when it is to connect.
    static void open(Runner& runner, const Candidate& candidate) {
        error_code failed;
        runner.family = candidate.endpoint.protocol().family();
        runner.socket.open(candidate.endpoint.protocol(), failed);
        if (!failed) keep_errors(runner, true);
    }

    static void keep_errors(Runner& runner, bool keep) {
        if (runner.family == AF_UNIX) return;
        keep_icmp_errors(runner.socket.native_handle(), runner.family == AF_INET6, keep);
    }

    void connected(Runner& runner, const error_code& failed) {
        if (!done_) return;
        if (!failed) {
            finish(runner, DialResult::connected, 0);
            return succeed(runner);
        }
        note_failure(runner, failed.value());
        error_code ignored;
        runner.socket.close(ignored);
        if (runners_.size() < candidates_.size()) return start_next();
        const auto over = [](const auto& other) { return other->over; };
        if (std::all_of(runners_.begin(), runners_.end(), over)) fail();
    }

    void note_failure(Runner& runner, int number) {
        ConnectError error;
        if (const auto queued = take_connect_error(runner.socket.native_handle())) error = *queued;
        error.error_number = number;
        finish(runner, dial_result_of(error, own_address(runner.socket)), number);
        if (runner.attempt.result == DialResult::prohibited) {
            runner.attempt.rejected_by = error.icmp->from;
        }
    }

    void finish(Runner& runner, DialResult result, int number) {
        runner.over = true;
        runner.attempt.result = result;
        runner.attempt.error_number = number;
        runner.attempt.took =
            std::chrono::duration_cast<base::Duration>(SteadyClock::now() - runner.started);
    }

    void succeed(Runner& runner) {
        keep_errors(runner, false);
        error_code ignored;  // a unix socket has no such option
        runner.socket.set_option(ip::tcp::no_delay{true}, ignored);
        end(Outcome{tls::Stream{std::move(runner.socket)}});
    }

    void give_up() {
        if (!done_) return;
        for (const auto& runner : runners_) {
            if (!runner->over) finish(*runner, DialResult::timeout, ETIMEDOUT);
        }
        fail();
    }

    void fail() {
        std::vector<DialAttempt> attempts;
        DialResult result = DialResult::unreachable;
        for (const auto& runner : runners_) {
            attempts.push_back(runner->attempt);
            if (weight(runner->attempt.result) > weight(result)) result = runner->attempt.result;
        }
        DialError error = failure(target_, result, words_for(attempts, target_.timeout));
        error.attempts = std::move(attempts);
        end(Outcome{std::move(error)});
    }

    void end(Outcome outcome) {
        const Done done = std::exchange(done_, nullptr);
        next_start_.cancel();
        deadline_.cancel();
        error_code ignored;
        for (const auto& runner : runners_) runner->socket.close(ignored);
        done(std::move(outcome));
    }

    Executor executor_;
    DialTarget target_;
    std::vector<Candidate> candidates_;
    base::Duration time_left_;
    asio::steady_timer next_start_, deadline_;
    std::vector<std::unique_ptr<Runner>> runners_;
    Done done_;
};

// Once started a race is kept by its own handlers alone. Were it kept by the coroutine, which it
// keeps itself, a loop that ends early would free neither.
asio::awaitable<Outcome> run_race(std::shared_ptr<Race> race) {
    auto start = [race = std::move(race)](Race::Done done) mutable {
        const std::shared_ptr<Race> started = std::move(race);
        started->start(std::move(done));
    };
    return await_callback<Outcome>(std::move(start));
}

// The resolver's own limit may be longer than the caller's.
asio::awaitable<Addresses> resolve_within(Executor executor, Resolver& resolver, std::string host,
                                          Family family, base::Duration limit) {
    const auto start = [=, &resolver](std::function<void(Addresses)> done) {
        auto timer = std::make_shared<asio::steady_timer>(executor, limit);
        timer->async_wait([done, timer, host, limit](error_code cancelled) {
            if (cancelled) return;
            Addresses late;
            late.status = DnsStatus::timeout;
            late.problem = fmt::format("no DNS server answered for {} within {}", host,
                                       base::human_duration(limit));
            done(std::move(late));
        });
        asio::co_spawn(executor, resolver.addresses(host, family),
                       [done, timer](const std::exception_ptr& thrown, Addresses found) {
                           timer->cancel();
                           if (thrown) found.status = DnsStatus::server_failure;
                           done(std::move(found));
                       });
    };
    return await_callback<Addresses>(start);
}

}  // namespace

asio::awaitable<base::Result<tls::Stream, DialError>> dial(Executor executor, Resolver& resolver,
                                                           DialTarget target) {
    std::vector<Candidate> candidates;
    const auto started = SteadyClock::now();
    if (target.host.starts_with(unix_prefix)) {
        const std::string path = target.host.substr(unix_prefix.size());
        if (path.empty() || path.size() > 107) {  // sockaddr_un's room, less the final NUL
            co_return failure(target, DialResult::other, "a unix socket's path has 1 to 107 bytes");
        }
        candidates.push_back(Candidate{path, asio::local::stream_protocol::endpoint{path}});
    } else {
        Addresses found =
            co_await resolve_within(executor, resolver, target.host, target.family, target.timeout);
        if (found.status != DnsStatus::ok || found.records.empty()) {
            co_return failure(target, DialResult::dns, found.problem);
        }
        candidates = interleave(found.records, target.port);
    }
    const auto spent = std::chrono::duration_cast<base::Duration>(SteadyClock::now() - started);
    auto race = std::make_shared<Race>(executor, target, std::move(candidates),
                                       std::max(target.timeout - spent, base::Duration{1}));
    co_return co_await run_race(std::move(race));
}

DialResult dial_result_of(const ConnectError& error, std::string_view own_address) {
    if (!error.icmp || !is_prohibition(*error.icmp)) return result_of(error.error_number);
    const bool own = error.icmp->from == own_address || error.icmp->from.empty();
    return own ? DialResult::local_denied : DialResult::prohibited;
}

std::string_view dial_result_name(DialResult result) {
    switch (result) {
        case DialResult::connected:
            return "connected";
        case DialResult::dns:
            return "dns";
        case DialResult::refused:
            return "refused";
        case DialResult::prohibited:
            return "prohibited";
        case DialResult::timeout:
            return "timeout";
        case DialResult::unreachable:
            return "unreachable";
        case DialResult::local_denied:
            return "local-denied";
        case DialResult::other:
            return "other";
    }
    return "other";
}

}  // namespace net
