#include "bed.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/log.hpp"

namespace delivery_test {
namespace {

asio::awaitable<void> stop_engine(delivery::Engine& engine, base::Duration grace, bool& stopped) {
    co_await engine.stop(grace);
    stopped = true;
}

}  // namespace

Bed::Bed() {
    base::LogOptions log;
    log.file = "/dev/null";
    REQUIRE(base::open_log(log).has_value());
    open();
    resolver_ = net::make_resolver(loop.get_executor());
    options.hostname = "relay.example";
}

void Bed::open() {
    spool::Post post = [this](std::function<void()> batch) { asio::post(loop, std::move(batch)); };
    spool::Options spool_options = spool::test::Desk::options_for(folder_);
    spool_options.durability = spool::Durability::none;
    spool::Internals internals;
    internals.clock = &clock;
    auto opened = spool::open_with(spool_options, std::move(post), internals);
    if (!opened) FAIL(opened.error().message);
    spool = std::make_unique<FaultySpool>(std::move(*opened));
}

void Bed::reopen() {
    spool.reset();
    open();
}

Bed::~Bed() {
    if (engine && !stopped_) stop();
    engine.reset();
    spool.reset();
    files_.join();
}

delivery::SmarthostOptions& Bed::use(const ScriptedSmarthost& smarthost, const std::string& name) {
    delivery::SmarthostOptions made;
    made.name = name;
    made.host = "127.0.0.1";
    made.ports = {smarthost.port()};
    made.tls = delivery::TlsMode::none;
    made.auth = smtp::AuthMechanism::none;
    made.helo = "relay.example";
    options.smarthosts.push_back(std::move(made));
    return options.smarthosts.back();
}

void Bed::start() {
    delivery::Surroundings surroundings;
    surroundings.executor = loop.get_executor();
    surroundings.files = files_.get_executor();
    surroundings.spool = spool.get();
    surroundings.resolver = resolver_.get();
    surroundings.clock = &clock;
    surroundings.uptime = [this] { return clock.now().time_since_epoch() - set_by_; };
    surroundings.ids = &ids;
    surroundings.explain = explain;
    engine = std::make_unique<delivery::Engine>(options, contexts(), std::move(surroundings));
    engine->start();
}

delivery::Engine::Contexts Bed::contexts() const {
    auto loaded = delivery::Engine::load_contexts(options);
    if (!loaded) FAIL(loaded.error().message);
    return std::move(*loaded);
}

void Bed::advance(base::Duration by) {
    clock.advance(by);
    engine->start();
}

template <class T>
T Bed::ask(const std::function<void(spool::Done<T>)>& start) {
    std::optional<spool::Outcome<T>> answer;
    start([&](spool::Outcome<T> outcome) { answer = std::move(outcome); });
    run_until([&] { return answer.has_value(); });
    if (!answer->has_value()) FAIL(answer->error().message);
    return std::move(**answer);
}

// The spool says on the loop when it takes more, so the loop runs meanwhile.
void Bed::write(spool::BodyWriter& body, std::string_view content) {
    constexpr std::size_t piece = 16 << 10;
    for (; !content.empty(); content.remove_prefix(std::min(piece, content.size()))) {
        if (body.write(content.substr(0, piece))) continue;
        bool ready = false;
        body.when_ready([&ready] { ready = true; });
        run_until([&ready] { return ready; });
    }
}

spool::Leased Bed::add(std::vector<std::string> to, const std::string& content, bool take) {
    spool::NewMessage made;
    made.id = ids.next(clock.now());
    made.received = clock.now();
    made.envelope.reverse_path = "from@a.example";
    made.envelope.smtputf8 = international;
    for (std::string& address : to) made.envelope.recipients.push_back({address, {}, ""});
    made.origin = {"127.0.0.1", "app", "", "ESMTP"};
    made.take = take;
    made.body = spool->new_body();
    write(*made.body, content);
    auto message = std::make_shared<spool::NewMessage>(std::move(made));
    return ask<spool::Leased>([&](auto done) { spool->add(std::move(*message), std::move(done)); });
}

base::MessageId Bed::submit(std::vector<std::string> to, std::string content) {
    spool::Leased leased = add(std::move(to), content, true);
    const base::MessageId id = leased.message.id;
    engine->submit(std::move(leased));
    return id;
}

base::MessageId Bed::leave(std::vector<std::string> to, std::string content) {
    return add(std::move(to), content, false).message.id;
}

spool::Details Bed::show(base::MessageId id) {
    return ask<spool::Details>([&](auto done) { spool->show(id, std::move(done)); });
}

std::vector<spool::Summary> Bed::list() {
    spool::Query query;
    query.limit = 10'000;
    return ask<std::vector<spool::Summary>>(
        [&](auto done) { spool->list(query, std::move(done)); });
}

void Bed::run_until(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + 30s;
    const auto work = asio::make_work_guard(loop);
    loop.restart();
    while (!condition() && std::chrono::steady_clock::now() < end) loop.run_one_for(50ms);
    REQUIRE(condition());
}

void Bed::settle() {
    // Each round lets what the last one caused reach the spool and come back.
    for (int round = 0; round < 5; ++round) {
        bool flushed = false;
        spool->flush([&](const spool::Outcome<>&) { flushed = true; });
        run_until([&] { return flushed; });
        loop.restart();
        while (loop.run_one_for(2ms) > 0) {
        }
    }
}

void Bed::stop(base::Duration grace) {
    asio::co_spawn(loop, stop_engine(*engine, grace, stopped_), [](const std::exception_ptr& bad) {
        if (bad) std::rethrow_exception(bad);
    });
    run_until([&] { return stopped_; });
}

}  // namespace delivery_test
