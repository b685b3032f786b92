#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "admin/api.hpp"
#include "diagnose/outbound.hpp"

namespace relay {

// Diagnoses for a running server: one at a time, on a thread of its own, since a look at this
// host's rules may wait for a child process. Used on one thread, that of answers.
class DiagnosisRunner {
 public:
    explicit DiagnosisRunner(boost::asio::any_io_executor answers) : answers_(std::move(answers)) {}
    ~DiagnosisRunner();  // a diagnosis under way ends without an answer
    DiagnosisRunner(const DiagnosisRunner&) = delete;
    DiagnosisRunner& operator=(const DiagnosisRunner&) = delete;

    // done is called on answers, unless the answer is that it did not start.
    [[nodiscard]] admin::DiagnosisStart start(diagnose::OutboundAsk ask,
                                              std::function<void(diagnose::Report)> done);

 private:
    using Clock = std::chrono::steady_clock;
    void run(diagnose::OutboundAsk ask, std::function<void(diagnose::Report)> done);
    void ended();

    boost::asio::any_io_executor answers_;
    std::unique_ptr<boost::asio::io_context> loop_;
    std::thread thread_;
    bool running_ = false;
    std::optional<Clock::time_point> ended_;
    // Expires with this, so that an answer that comes late is dropped.
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace relay
