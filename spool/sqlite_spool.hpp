#pragma once

#include <memory>
#include <vector>

#include "spool/committer.hpp"
#include "spool/open.hpp"
#include "spool/pending.hpp"
#include "spool/queries.hpp"
#include "spool/worker.hpp"

namespace spool {

// The spool on SQLite. Four threads: one commits, one writes large bodies, one reads what
// deliveries need, and one answers people's searches, which may take long.
class SqliteSpool final : public Spool {
 public:
    struct Parts {
        Options options;
        Post post;
        base::Duration keep_finished{};
        const base::Clock* clock = nullptr;
        Layout layout;
        Descriptor lock;
        std::shared_ptr<Damage> damage;
        std::shared_ptr<BodyFiles> files;
        std::unique_ptr<Store> store;
    };
    explicit SqliteSpool(Parts parts);
    ~SqliteSpool() override;

    [[nodiscard]] std::unique_ptr<BodyWriter> new_body() override;
    [[nodiscard]] Outcome<> room_for(std::uint64_t size) const override;
    void add(NewMessage message, Done<Leased> done) override;
    void take_due(base::Time now, std::size_t limit, Done<Due> done) override;
    void load_body(MessageId id, Done<Body> done) override;
    void record(Report report, Done<> done) override;
    void release(MessageId id) override;
    void mark_dot(MessageId id) override;
    void mark_begun(MessageId id, Done<> done) override;
    [[nodiscard]] bool after_crash() const override { return after_crash_; }
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
    struct AddJob;
    struct RecordJob;
    struct SelectionJob;
    using Change = std::function<Outcome<bool>(Store&, MessageId)>;

    void submit_add(const std::shared_ptr<AddJob>& job);
    void finish_reports(const std::shared_ptr<RecordJob>& job);
    void submit_record(const std::shared_ptr<RecordJob>& job);
    void load_taken(Store::Taken taken, Done<Due> done, std::shared_ptr<void> pending);
    void add_lease(Details details, Done<Details> done, std::shared_ptr<void> pending);
    void change_selected(Selection selection, Change change, Done<std::uint64_t> done);
    void search(const std::shared_ptr<SelectionJob>& job);
    void change_next(const std::shared_ptr<SelectionJob>& job);
    void forget_files(std::span<const Draft> drafts);
    template <class T>
    void post(const Done<T>& done, Outcome<T> outcome);
    template <class T, class Read>
    void read(Worker& worker, Done<T> done, Read read);

    Options options_;
    Post post_;
    const base::Clock& clock_;
    const bool after_crash_;
    Layout layout_;
    Descriptor lock_;  // given up last
    std::shared_ptr<Damage> damage_;
    std::shared_ptr<BodyFiles> files_;
    LateQueries loads_, searches_;
    Pending pending_;
    std::unique_ptr<Committer> committer_;
    std::unique_ptr<Worker> load_thread_, search_thread_;
};

}  // namespace spool
