// How fast the spool takes and finishes messages:
//   spool_bench FOLDER PRODUCERS MESSAGES [BODY_BYTES]
// Each producer adds a message, waits until it is durable, submits its delivery's result, and goes
// on. Prints messages a second, CPU seconds per 10,000 messages, and messages per sync.
#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "spool/wait.hpp"

namespace {

using Clock = std::chrono::steady_clock;

struct Load {
    std::int64_t producers = 1, messages = 10000;
    std::size_t body = 4096;
};

double cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

spool::NewMessage make_message(spool::Spool& spool, std::int64_t id, const std::string& body) {
    spool::NewMessage message;
    message.id = spool::MessageId{id};
    message.received = base::SystemClock{}.now();
    message.envelope.reverse_path = "app@client.example";
    message.envelope.recipients.push_back({"someone@recipient.example", {}, ""});
    message.origin = {"127.0.0.1", "client.example", "", "ESMTP"};
    message.subject = "A subject of the usual length";
    message.message_id = "<0123456789abcdef@client.example>";
    message.from = "App <app@client.example>";
    message.body = spool.new_body();
    static_cast<void>(message.body->write(body));
    return message;
}

spool::Report make_report(std::int64_t id) {
    spool::Report report;
    report.id = spool::MessageId{id};
    report.attempt = spool::Attempt{base::SystemClock{}.now(),
                                    "main",
                                    "192.0.2.1:587",
                                    "TLSv1.3",
                                    smtp::Stage::final_dot,
                                    "delivered",
                                    "250 2.0.0 Ok: queued as 4711",
                                    base::Duration{40},
                                    ""};
    report.changes.push_back({0, spool::RecipientState::delivered, {250, "2.0.0", "Ok"}, ""});
    return report;
}

void produce(spool::Spool& spool, const Load& load, std::int64_t first) {
    const std::string body(load.body, 'x');
    for (std::int64_t id = first; id <= load.messages; id += load.producers) {
        auto added = spool::wait<spool::Leased>(
            [&](auto done) { spool.add(make_message(spool, id, body), std::move(done)); });
        if (!added) {
            fmt::print(stderr, "{}\n", added.error().message);
            std::exit(1);
        }
        spool.mark_dot(spool::MessageId{id});
        spool.record(make_report(id), [](const spool::Outcome<>&) {});
    }
}

void run(spool::Spool& spool, const Load& load) {
    const auto start = Clock::now();
    const double cpu = cpu_seconds();
    std::vector<std::thread> threads;
    for (std::int64_t i = 1; i <= load.producers; ++i) {
        threads.emplace_back([&, i] { produce(spool, load, i); });
    }
    for (std::thread& thread : threads) thread.join();
    if (!spool::wait([&](auto done) { spool.flush(std::move(done)); })) std::exit(1);
    const std::chrono::duration<double> took = Clock::now() - start;
    const auto count = static_cast<double>(load.messages);
    const auto stats = spool::wait<spool::Stats>([&](auto done) { spool.stats(std::move(done)); });
    fmt::print("{:>4} producers  {:>7.0f} messages/s  {:.3f} CPU s per 10,000  {:.1f} per sync\n",
               load.producers, count / took.count(), (cpu_seconds() - cpu) / count * 10000,
               count / static_cast<double>(stats->commits));
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 4) {
        fmt::print(stderr, "usage: spool_bench FOLDER PRODUCERS MESSAGES [BODY_BYTES]\n");
        return 2;
    }
    spool::Options options;
    options.directory = arguments[1];
    options.min_free = 0;
    auto spool = spool::Spool::open(options, spool::run_at_once);
    if (!spool) {
        fmt::print(stderr, "{}\n", spool.error().message);
        return 1;
    }
    Load load;
    load.producers = std::atoll(arguments[2]);
    load.messages = std::atoll(arguments[3]);
    if (count > 4) load.body = static_cast<std::size_t>(std::atoll(arguments[4]));
    run(**spool, load);
    return 0;
}
