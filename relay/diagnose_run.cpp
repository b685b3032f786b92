#include "relay/diagnose_run.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdio>
#include <exception>
#include <memory>

#include "base/bug.hpp"
#include "relay/progress_lines.hpp"

namespace relay {
namespace asio = boost::asio;
namespace {

constexpr std::chrono::milliseconds frame{200};

// Draws the running checks while the loop runs, and takes them away when it goes.
class LiveProgress {
 public:
    LiveProgress(asio::io_context& loop, std::string_view color)
        : timer_(loop), lines_(standard_error(color), terminal_rows()) {
        draw();
    }
    LiveProgress(const LiveProgress&) = delete;
    LiveProgress& operator=(const LiveProgress&) = delete;
    ~LiveProgress() { write(lines_.clear()); }

    diagnose::Progress callbacks() {
        diagnose::Progress progress;
        progress.began = [this](const std::string& title) {
            lines_.began(title, ProgressLines::Clock::now());
        };
        progress.ended = [this](const diagnose::Check& check) { lines_.ended(check); };
        return progress;
    }

 private:
    static void write(const std::string& text) {
        std::fwrite(text.data(), 1, text.size(), stderr);
        std::fflush(stderr);
    }
    void draw() {
        write(lines_.draw(ProgressLines::Clock::now()));
        timer_.expires_after(frame);
        timer_.async_wait([this](boost::system::error_code ec) {
            if (!ec) draw();
        });
    }

    asio::steady_timer timer_;
    ProgressLines lines_;
};

}  // namespace

base::Result<diagnose::Report> run_diagnosis(const Diagnosis& diagnosis, bool live,
                                             std::string_view color) {
    // Never destroyed: tasks that the time-out cut off still refer to both, each to the other, and
    // the program ends with them.
    static auto& loop = *new asio::io_context{1};
    static auto& resolver = *net::make_resolver(loop.get_executor()).release();
    const auto shown = live ? std::make_unique<LiveProgress>(loop, color) : nullptr;
    const diagnose::Progress progress = shown ? shown->callbacks() : diagnose::Progress{};
    diagnose::Report report;
    bool broken = false;
    asio::co_spawn(loop, diagnosis(loop.get_executor(), resolver, progress),
                   [&](const std::exception_ptr& problem, diagnose::Report result) {
                       base::log_bug("the diagnosis ended by an internal error", problem);
                       broken = problem != nullptr;
                       report = std::move(result);
                       // The resolver keeps watching resolv.conf: the loop ends when the work does.
                       loop.stop();
                   });
    loop.run();
    if (broken) return base::error("the diagnosis ended early by an internal error");
    return report;
}

base::Duration time_left(base::Duration timeout, std::chrono::steady_clock::time_point began) {
    const auto spent =
        std::chrono::duration_cast<base::Duration>(std::chrono::steady_clock::now() - began);
    return std::max(timeout - spent, base::Duration{1});
}

}  // namespace relay
