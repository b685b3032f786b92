#include "relay/diagnosis_runner.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <optional>

#include "base/bug.hpp"
#include "diagnose/report_words.hpp"
#include "net/resolver.hpp"

namespace relay {
namespace asio = boost::asio;
namespace {

// Each run signs in to every smarthost once; providers lock accounts that do so in a loop.
constexpr std::chrono::seconds pause{10};

}  // namespace

DiagnosisRunner::~DiagnosisRunner() {
    alive_.reset();
    if (loop_) loop_->stop();
    if (thread_.joinable()) thread_.join();
}

admin::DiagnosisStart DiagnosisRunner::start(diagnose::OutboundAsk ask,
                                             std::function<void(diagnose::Report)> done) {
    if (running_) return admin::DiagnosisStart::running;
    if (ended_ && Clock::now() - *ended_ < pause) return admin::DiagnosisStart::too_soon;
    if (thread_.joinable()) thread_.join();
    running_ = true;
    loop_ = std::make_unique<asio::io_context>(1);
    thread_ = std::thread{[this, ask = std::move(ask), done = std::move(done)]() mutable {
        run(std::move(ask), std::move(done));
    }};
    return admin::DiagnosisStart::started;
}

void DiagnosisRunner::run(diagnose::OutboundAsk ask, std::function<void(diagnose::Report)> done) {
    const std::unique_ptr<net::Resolver> resolver = net::make_resolver(loop_->get_executor());
    std::optional<diagnose::Report> report;
    asio::co_spawn(*loop_,
                   diagnose::diagnose_outbound(loop_->get_executor(), *resolver, std::move(ask)),
                   [&](const std::exception_ptr& problem, diagnose::Report result) {
                       base::log_bug("a diagnosis ended by an internal error", problem);
                       if (!problem) report = std::move(result);
                       loop_->stop();
                   });
    loop_->run();
    if (!report) {
        report.emplace();
        report->verdict.summary = "The diagnosis ended early by an internal error.";
    }
    if (!report->good) report->fixes.push_back(diagnose::retest_fix("relay diagnose"));
    asio::post(answers_, [this, alive = std::weak_ptr{alive_}, done = std::move(done),
                          report = std::move(*report)]() mutable {
        if (alive.expired()) return;
        ended();
        done(std::move(report));
    });
}

void DiagnosisRunner::ended() {
    running_ = false;
    ended_ = Clock::now();
}

}  // namespace relay
