#pragma once

#include <stdexcept>
#include <utility>

#include "spool/spool.hpp"

namespace delivery_test {

// A real spool with faults on request.
class FaultySpool final : public spool::Spool {
 public:
    explicit FaultySpool(std::unique_ptr<spool::Spool> real) : real_(std::move(real)) {}

    bool throws_at_dot = false;
    bool throws_at_begin = false;
    bool crashed = false;     // says that it was not closed
    int failing_loads = 0;    // so many load_body() fail
    int failing_records = 0;  // so many record() fail

    std::unique_ptr<spool::BodyWriter> new_body() override { return real_->new_body(); }
    spool::Outcome<> room_for(std::uint64_t size) const override { return real_->room_for(size); }
    void add(spool::NewMessage message, spool::Done<spool::Leased> done) override {
        real_->add(std::move(message), std::move(done));
    }
    void take_due(base::Time now, std::size_t limit, spool::Done<Due> done) override {
        real_->take_due(now, limit, std::move(done));
    }
    void load_body(spool::MessageId id, spool::Done<spool::Body> done) override {
        if (failing_loads > 0) {
            --failing_loads;
            return done(spool::SpoolError{spool::Problem::io, "the disk is on fire"});
        }
        real_->load_body(id, std::move(done));
    }
    void record(spool::Report report, spool::Done<> done) override {
        if (failing_records > 0) {
            --failing_records;
            return done(spool::SpoolError{spool::Problem::io, "the disk is on fire"});
        }
        real_->record(std::move(report), std::move(done));
    }
    void release(spool::MessageId id) override { real_->release(id); }
    void mark_dot(spool::MessageId id) override {
        if (throws_at_dot) throw std::runtime_error{"a fault of the test"};
        real_->mark_dot(id);
    }
    void mark_begun(spool::MessageId id, spool::Done<> done) override {
        if (throws_at_begin) throw std::runtime_error{"a fault of the test"};
        real_->mark_begun(id, std::move(done));
    }
    bool after_crash() const override { return crashed || real_->after_crash(); }
    void pull_in(base::Time now, base::Time latest) override { real_->pull_in(now, latest); }
    void move_received(base::Time from, base::Time to, base::Duration by) override {
        real_->move_received(from, to, by);
    }
    void list(spool::Query query, spool::Done<std::vector<spool::Summary>> done) override {
        real_->list(std::move(query), std::move(done));
    }
    void show(spool::MessageId id, spool::Done<spool::Details> done) override {
        real_->show(id, std::move(done));
    }
    void stats(spool::Done<spool::Stats> done) override { real_->stats(std::move(done)); }
    void retry(spool::Selection selection, base::Time now,
               spool::Done<std::uint64_t> done) override {
        real_->retry(std::move(selection), now, std::move(done));
    }
    void hold(spool::Selection selection, spool::Done<std::uint64_t> done) override {
        real_->hold(std::move(selection), std::move(done));
    }
    void unhold(spool::Selection selection, base::Time now,
                spool::Done<std::uint64_t> done) override {
        real_->unhold(std::move(selection), now, std::move(done));
    }
    void remove(spool::Selection selection, spool::Done<std::uint64_t> done) override {
        real_->remove(std::move(selection), std::move(done));
    }
    void flush(spool::Done<> done) override { real_->flush(std::move(done)); }

 private:
    std::unique_ptr<spool::Spool> real_;
};

}  // namespace delivery_test
