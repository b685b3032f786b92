#pragma once

#include <stdlib.h>

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "delivery/engine.hpp"
#include "faulty_spool.hpp"
#include "net/resolver.hpp"
#include "scripted_smarthost.hpp"
#include "tests/unit/spool/fixture.hpp"

namespace delivery_test {

using namespace std::chrono_literals;

// An engine on a real spool, with a clock that the test moves. The test makes the smarthosts it
// needs, then calls start().
class Bed {
 public:
    Bed();
    ~Bed();

    // The reference holds until the next use().
    delivery::SmarthostOptions& use(const ScriptedSmarthost& smarthost,
                                    const std::string& name = "main");
    void start();
    void reopen();  // the spool, before start()
    void reload() { engine->reload(options, contexts()); }
    // Somebody sets it: no time passes.
    void set_clock(base::Duration by) {
        clock.advance(by);
        set_by_ += by;
    }
    // Moves the clock and has the engine look for what is due then.
    void advance(base::Duration by);

    // A message in the spool, handed to the engine at once, or left for it to find.
    base::MessageId submit(std::vector<std::string> to = {"to@b.example"},
                           std::string content = "Subject: x\r\n\r\nHi\r\n");
    base::MessageId leave(std::vector<std::string> to = {"to@b.example"},
                          std::string content = "Subject: x\r\n\r\nHi\r\n");
    [[nodiscard]] spool::Details show(base::MessageId id);
    [[nodiscard]] spool::MessageState state(base::MessageId id) { return show(id).message.state; }
    [[nodiscard]] std::vector<spool::Summary> list();

    // Runs the loop until the condition holds; fails the test after a long time.
    void run_until(const std::function<bool()>& condition);
    // Until nothing is under way between engine and spool, and nothing more comes of it.
    void settle();
    void stop(base::Duration grace = 0ms);
    [[nodiscard]] delivery::SmarthostStatus smarthost(std::size_t index = 0) const {
        return engine->status().smarthosts.at(index);
    }

    // As Surroundings::explain.
    std::function<std::string(const smtp::Reply&, smtp::Stage, const std::string&)> explain;
    bool international = false;  // what is submitted comes with SMTPUTF8

    asio::io_context loop{1};
    base::ManualClock clock;
    base::MessageIdSource ids;
    delivery::Options options;
    std::unique_ptr<FaultySpool> spool;
    std::unique_ptr<delivery::Engine> engine;

 private:
    template <class T>
    T ask(const std::function<void(spool::Done<T>)>& start);
    spool::Leased add(std::vector<std::string> to, const std::string& content, bool take);
    void write(spool::BodyWriter& body, std::string_view content);

    void open();
    [[nodiscard]] delivery::Engine::Contexts contexts() const;

    spool::test::Folder folder_;
    asio::thread_pool files_{1};
    std::unique_ptr<net::Resolver> resolver_;
    bool stopped_ = false;
    base::Duration set_by_{};
};

}  // namespace delivery_test
