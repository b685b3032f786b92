// Which smarthost a message goes to when another cannot take it, and what is told of that.
#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "delivery/attempt.hpp"
#include "delivery/engine.hpp"

namespace delivery {
namespace {

// Trouble that says nothing about this message, so that another smarthost may do better.
bool is_trouble(const RecipientOutcome& each) {
    if (each.result.outcome != smtp::Outcome::deferred) return false;
    // RFC 5321 section 3.8: 421 ends the session, whatever command it answers, and takes nothing.
    const int code = each.result.reply.code;
    return code == 421 || (code == 0 && each.result.stage < smtp::Stage::final_dot);
}

bool lacks_smtputf8(const RecipientOutcome& each) { return each.result.needs_smtputf8; }

bool all(const Job& job, bool (*holds)(const RecipientOutcome&)) {
    return std::all_of(job.outcomes.begin(), job.outcomes.end(), holds);
}

// One row for each smarthost, however many connections to it were opened in vain.
void pass_over(Job& job, spool::Attempt attempt) {
    const bool known =
        std::any_of(job.passed_over.begin(), job.passed_over.end(),
                    [&](const auto& each) { return each.smarthost == attempt.smarthost; });
    if (known) return;
    attempt.outcome = "failover";
    job.passed_over.push_back(std::move(attempt));
}

}  // namespace

bool Engine::acceptable(const Pool& pool, const Job& job) const {
    if (!pool.usable() || job.tried(&pool)) return false;
    // Only when every smarthost of a better priority is out of the question.
    return std::none_of(pools_.begin(), pools_.end(), [&](const auto& other) {
        const bool on_trial = other->health().on_trial() && other->opening();
        return other->priority() < pool.priority() && other->usable() && !on_trial &&
               !job.tried(other.get());
    });
}

bool Engine::any_hope(const Job& job) const {
    return std::any_of(pools_.begin(), pools_.end(),
                       [&](const auto& pool) { return pool->usable() && !job.tried(pool.get()); });
}

void Engine::give_up_waiting(const Pool* failed) {
    const bool usable =
        std::any_of(pools_.begin(), pools_.end(), [](const auto& pool) { return pool->usable(); });
    if (usable && tried_ready_ == 0) return;
    std::vector<JobPtr> hopeless;
    for (std::size_t i = 0; i < ready_.size();) {
        if (any_hope(*ready_[i])) {
            ++i;
        } else {
            hopeless.push_back(take_out(ready_.begin() + static_cast<std::ptrdiff_t>(i)));
        }
    }
    for (JobPtr& job : hopeless) {
        ++under_way_;
        defer(std::move(job), failed);
    }
}

// No smarthost can take it. That is an attempt if one was tried for it, or with it waiting.
void Engine::defer(JobPtr job, const Pool* failed) {
    const bool was_tried = !job->attempt.remote.empty();
    const bool paused = std::any_of(pools_.begin(), pools_.end(), [](const auto& pool) {
        return pool->health().state() == Health::paused;
    });
    job->attempted = was_tried || failed != nullptr;
    job->keep_for_ever = job->keep_for_ever || paused;
    Pool* reason = nullptr;
    for (const auto& pool : pools_) {
        const SmarthostHealth& health = pool->health();
        // Not usable(): a rest may end while many are deferred.
        if (!health.next_attempt()) continue;  // it was tried, job->outcomes tells what came of it
        if (reason == nullptr || pool.get() == failed) reason = pool.get();
        if (job->not_before == base::Time{} || *health.next_attempt() < job->not_before) {
            job->not_before = *health.next_attempt();
        }
    }
    // The last one tried has the last word.
    const bool reason_is_last = reason != nullptr && reason == failed && !job->tried(failed);
    if (reason != nullptr && (!was_tried || reason_is_last)) {
        const SmarthostHealth& health = reason->health();
        job->outcomes = same_for_all(job->message(), deferral(health.stage(), health.problem()));
        job->attempt = {};
        job->attempt.at = surroundings_.clock->now();
        job->attempt.smarthost = reason->options().name;
        reason->count(job->outcomes);
    }
    // What was noted when it was to go on is the attempt itself.
    std::erase_if(job->passed_over, [&](const spool::Attempt& each) {
        return each.smarthost == job->attempt.smarthost;
    });
    spare_smtputf8(*job);
    record(std::move(job));
}

// Connection, TLS or sign-in trouble: what waited for this smarthost goes to the next one, or
// waits.
void Engine::connection_ended(const Pool& pool, bool failed) {
    const bool in_use = std::any_of(pools_.begin(), pools_.end(),
                                    [&](const auto& each) { return each.get() == &pool; });
    std::erase_if(retired_, [](const auto& retired) { return retired->connections() == 0; });
    if (failed && in_use) note_fail_over(pool);
    dispatch(failed && in_use ? &pool : nullptr);
    wake_stopper();
}

// The history of what waited for it will tell why another smarthost has it. When one that has
// rested fails again, nothing waited: mail goes to the others meanwhile.
void Engine::note_fail_over(const Pool& failed) {
    const SmarthostHealth& health = failed.health();
    if (failed.usable() || !health.first_in_a_row()) return;
    for (const JobPtr& job : ready_) {
        const bool better = std::any_of(pools_.begin(), pools_.end(), [&](const auto& other) {
            return other->priority() < failed.priority() && other->usable() &&
                   !job->tried(other.get());
        });
        if (better || job->tried(&failed) || !any_hope(*job)) continue;
        spool::Attempt attempt;
        attempt.at = surroundings_.clock->now();
        attempt.smarthost = failed.options().name;
        attempt.stage = health.stage();
        attempt.problem = health.problem();
        pass_over(*job, std::move(attempt));
    }
}

// Nobody is given up for what this smarthost lacks while another one may offer it.
void Engine::spare_smtputf8(Job& job) const {
    if (std::none_of(job.outcomes.begin(), job.outcomes.end(), lacks_smtputf8)) return;
    bool offered = false, usable = false;
    for (const auto& pool : pools_) {
        if (pool->lacks_smtputf8()) continue;
        offered = true;
        usable = usable || (pool->usable() && !job.tried(pool.get()));
    }
    if (!offered) return;
    if (usable && !stopping_) {
        // As if they had not been come to: they are taken up again at once, without the others.
        if (!all(job, lacks_smtputf8)) std::erase_if(job.outcomes, lacks_smtputf8);
        return;
    }
    for (RecipientOutcome& each : job.outcomes) {
        if (!lacks_smtputf8(each)) continue;
        each.result.outcome = smtp::Outcome::deferred;
        each.result.reply = {};
        each.result.needs_smtputf8 = false;  // no longer what ends it
        each.result.problem += "; another smarthost may offer it, but cannot be used now";
    }
}

// The smarthost under the name that the attempt went to, after a reload too.
Pool* Engine::tried_by(const Job& job) const {
    const auto found = std::find_if(pools_.begin(), pools_.end(), [&](const auto& pool) {
        return pool->options().name == job.attempt.smarthost;
    });
    return found == pools_.end() ? nullptr : found->get();
}

void Engine::finished(JobPtr job) {
    Pool* const pool = tried_by(*job);
    const bool trouble = !job->broken && !job->own_trouble && all(*job, is_trouble);
    const bool lacking = std::any_of(job->outcomes.begin(), job->outcomes.end(), lacks_smtputf8);
    if (pool != nullptr && (lacking || trouble) && !job->tried(pool)) {
        job->tried_pools.push_back(pool->shared_from_this());
    }
    spare_smtputf8(*job);
    const bool all_lack = all(*job, lacks_smtputf8);
    const bool moves_on = !stopping_ && (trouble || all_lack) && any_hope(*job);
    // Nobody has failed whom another smarthost will take.
    if (pool != nullptr && !(moves_on && all_lack)) pool->count(job->outcomes);
    if (!moves_on) return record(std::move(job));
    const smtp::RecipientResult& worst = worst_result(job->outcomes);
    base::log_info("trying another smarthost", {{"id", job->message().id},
                                                {"smarthost", job->attempt.smarthost},
                                                {"problem", result_text(worst)}});
    spool::Attempt attempt = job->attempt;
    attempt.stage = worst.stage;
    attempt.problem = worst.problem;
    if (worst.reply.code != 0) attempt.reply = worst.reply.one_line();
    pass_over(*job, std::move(attempt));
    put_back(std::move(job));
}

}  // namespace delivery
