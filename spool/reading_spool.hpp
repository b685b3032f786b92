#pragma once

#include <memory>

#include "spool/directory.hpp"
#include "spool/free_space.hpp"
#include "spool/queries.hpp"
#include "spool/salvage.hpp"

namespace spool {

// The spool of a relay that does not run, opened to be read. Everything happens in the calling
// thread; what would change something is refused.
class ReadingSpool final : public Spool {
 public:
    // Null: there is no spool yet, nor was there ever one.
    [[nodiscard]] static Outcome<std::unique_ptr<ReadingSpool>> open(const Options& options,
                                                                     Post post);

    [[nodiscard]] std::unique_ptr<BodyWriter> new_body() override;
    [[nodiscard]] Outcome<> room_for(std::uint64_t size) const override;
    void add(NewMessage message, Done<Leased> done) override;
    void take_due(base::Time now, std::size_t limit, Done<Due> done) override;
    void load_body(MessageId id, Done<Body> done) override;
    void record(Report report, Done<> done) override;
    void release(MessageId id) override;
    void mark_dot(MessageId id) override;
    void mark_begun(MessageId id, Done<> done) override;
    [[nodiscard]] bool after_crash() const override { return false; }
    void pull_in(base::Time now, base::Time latest) override;
    void move_received(base::Time from, base::Time to, base::Duration by) override;
    void list(Query query, Done<std::vector<Summary>> done) override;
    void show(MessageId id, Done<Details> done) override;
    void stats(Done<Stats> done) override;
    void retry(Selection selection, base::Time now, Done<std::uint64_t> done) override;
    void hold(Selection selection, Done<std::uint64_t> done) override;
    void unhold(Selection selection, base::Time now, Done<std::uint64_t> done) override;
    void remove(Selection selection, Done<std::uint64_t> done) override;
    void flush(Done<> done) override;

 private:
    ReadingSpool(Layout layout, Post post, Descriptor lock, std::unique_ptr<Queries> queries);

    template <class T>
    void answer(const Done<T>& done, Outcome<T> outcome);
    [[nodiscard]] SpoolError refusal() const;
    [[nodiscard]] Outcome<Stats> read_stats();

    Layout layout_;
    Post post_;
    Descriptor lock_;
    std::unique_ptr<Queries> queries_;
    Salvage salvage_;
};

}  // namespace spool
