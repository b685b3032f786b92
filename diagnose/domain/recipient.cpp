#include "diagnose/domain/recipient.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/text.hpp"
#include "diagnose/check_names.hpp"
#include "diagnose/connect.hpp"
#include "diagnose/dialogue.hpp"
#include "diagnose/domain/checks.hpp"
#include "diagnose/explain.hpp"
#include "diagnose/name_trust.hpp"
#include "diagnose/provider_catalogue.hpp"
#include "diagnose/together.hpp"
#include "tls/context.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;

constexpr std::size_t most_attempts = 16;
constexpr base::Duration reserve{500};  // for concluding

struct RecipientRun {
    RecipientRun(asio::any_io_executor loop, net::Resolver& names, RecipientAsk asked)
        : executor(std::move(loop)),
          resolver(names),
          ask(std::move(asked)),
          deadline(std::chrono::steady_clock::now() + ask.timeout - reserve) {}
    asio::any_io_executor executor;
    net::Resolver& resolver;
    RecipientAsk ask;
    std::chrono::steady_clock::time_point deadline;  // of every dialogue
    MxFacts facts;
    std::optional<MxJudgement> judgement;  // none: the MX was not looked up in time
    base::Duration looked_up{};            // in this time
    std::optional<Report> here;            // of RecipientAsk::beside, once it has ended
    std::vector<RecipientAttempt> attempts;
    std::optional<tls::ClientContext> observer;  // none: no trust store, and no STARTTLS then
    bool over = false;
};

struct Step {
    Step() = default;
    const char* stage = "";
    std::string line;
};

void note_reply(RecipientAttempt& attempt, const smtp::Reply& reply) {
    attempt.code = reply.code;
    attempt.evidence.detail = base::printable(reply.one_line(), 400);
    if (reply.positive()) return;
    const Explanation found = explain_record(reply.one_line(), speaker_of_host(attempt.host));
    if (found.known()) attempt.explained = found.meaning + ' ' + found.fix;
}

// False when the dialogue has ended there.
asio::awaitable<bool> take_step(Dialogue& dialogue, Step step, RecipientAttempt& attempt) {
    attempt.stage = step.stage;
    const auto reply = co_await dialogue.command(step.line);
    if (!reply.has_value()) {
        attempt.code = 0;
        attempt.evidence.detail = reply.error().message;
        co_return false;
    }
    note_reply(attempt, *reply);
    const bool ehlo = attempt.stage == "ehlo";
    if (ehlo) attempt.evidence.ehlo.clear();
    for (const std::string_view line : base::split(reply->text, '\n')) {
        if (ehlo) attempt.evidence.ehlo.push_back(base::printable(line, 200));
    }
    co_return reply->positive();
}

// Encrypts where the server offers it, as delivery would; whether the certificate is good is told,
// not asked for: mail servers take unverified ones (RFC 7435).
asio::awaitable<bool> encrypt(RecipientRun& run, tls::Stream& stream, Dialogue& dialogue,
                              RecipientAttempt& attempt) {
    const auto& lines = attempt.evidence.ehlo;
    const bool offered = std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
        return base::equals_ignoring_case(line, "STARTTLS");
    });
    if (!offered || !run.observer) co_return true;
    Step step;
    step.stage = "starttls";
    step.line = "STARTTLS";
    const bool ready = co_await take_step(dialogue, step, attempt);
    if (!ready) co_return true;  // it goes on in clear, as an opportunistic sender would
    dialogue.forget_unread();
    const tls::Peer peer{attempt.host, run.ask.port};
    const auto shaken = co_await stream.handshake_client(*run.observer, peer);
    attempt.evidence.certificate = certificate_view(shaken).text();
    attempt.code = 0;
    if (!shaken.has_value()) attempt.evidence.detail = shaken.error().message;
    co_return shaken.has_value();
}

asio::awaitable<void> converse(RecipientRun& run, tls::Stream& stream, RecipientAttempt& attempt) {
    const RecipientAsk& ask = run.ask;
    Dialogue dialogue{stream};
    attempt.stage = "greeting";
    const auto greeting = co_await dialogue.read();
    if (!greeting.has_value()) {
        attempt.evidence.detail = greeting.error().message;
        co_return;
    }
    attempt.evidence.banner = base::printable(greeting->one_line(), 200);
    note_reply(attempt, *greeting);
    if (!greeting->positive()) co_return;
    std::vector<Step> steps(3);
    steps[0].stage = "ehlo";
    steps[0].line = "EHLO " + (ask.hostname.empty() ? std::string("localhost") : ask.hostname);
    steps[1].stage = "mail";
    steps[1].line = "MAIL FROM:<" + ask.sender + ">";
    steps[2].stage = "rcpt";
    steps[2].line = "RCPT TO:<" + ask.address + ">";
    for (const Step& step : steps) {
        const bool goes_on = co_await take_step(dialogue, step, attempt);
        if (!goes_on) break;
        attempt.accepted = attempt.stage == "rcpt";
        const bool greeted = attempt.stage == "ehlo";
        if (!greeted) continue;
        const bool secure = co_await encrypt(run, stream, dialogue, attempt);
        if (!secure) co_return;
    }
    const bool transaction = attempt.stage == "rcpt";
    if (transaction) {
        const auto reset = co_await dialogue.command("RSET");
        (void)reset;
    }
    co_await dialogue.quit();
}

asio::awaitable<void> try_address(std::shared_ptr<RecipientRun> run, std::size_t index,
                                  asio::ip::address address) {
    const RecipientAsk& ask = run->ask;
    const auto began = std::chrono::steady_clock::now();
    RecipientAttempt attempt = run->attempts[index];
    ConnectAsk connect{address, ask.port, ask.timeout / 3};
    ConnectOutcome connected = co_await connect_once(run->executor, connect);
    attempt.connect = connected.result;
    attempt.own_address = connected.own_address;
    attempt.evidence.result = std::string(connect_result_name(connected.result));
    attempt.evidence.error_number = connected.error_number;
    attempt.evidence.icmp = connected.icmp;
    if (connected.stream) {
        const auto left = std::chrono::duration_cast<base::Duration>(
            run->deadline - std::chrono::steady_clock::now());
        connected.stream->expires_after(std::max(left, base::Duration{1}));
        co_await converse(*run, *connected.stream, attempt);
        attempt.timed_out = connected.stream->close_reason() == tls::CloseReason::timeout;
    }
    attempt.evidence.took =
        std::chrono::duration_cast<base::Duration>(std::chrono::steady_clock::now() - began);
    if (!run->over) run->attempts[index] = std::move(attempt);
}

std::vector<asio::awaitable<void>> plan(const std::shared_ptr<RecipientRun>& run,
                                        const MxJudgement& judgement) {
    std::vector<asio::awaitable<void>> tasks;
    std::vector<asio::ip::address> addresses;
    for (const MxHost& host : judgement.usable) {
        for (const asio::ip::address& address : host.addresses) {
            const bool wanted = address.is_v4() ? run->ask.ipv4 : run->ask.ipv6;
            if (!wanted || addresses.size() >= most_attempts) continue;
            RecipientAttempt attempt;
            attempt.host = host.name;
            attempt.stage = "connect";
            attempt.connect = ConnectResult::dropped;
            attempt.evidence = record_evidence(host.name, "dropped", "");
            attempt.evidence.address = address.to_string();
            attempt.evidence.port = run->ask.port;
            attempt.evidence.family = address.is_v4() ? net::Family::ipv4 : net::Family::ipv6;
            run->attempts.push_back(std::move(attempt));
            addresses.push_back(address);
        }
    }
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        tasks.push_back(try_address(run, i, addresses[i]));
    }
    return tasks;
}

// How an attempt ended.
std::string_view ending(const RecipientAttempt& attempt) {
    if (attempt.accepted) return "accepted";
    if (attempt.own_address) return "stopped on this host";
    switch (attempt.connect) {
        case ConnectResult::open:
            return attempt.code >= 400 ? "refused" : "ended early";
        case ConnectResult::dropped:
            return "silent";
        case ConnectResult::no_route:
            return "without a route from here";
        case ConnectResult::denied:
            return "stopped on this host";
        default:
            return "rejected";
    }
}

// "4 addresses: 2 accepted, 2 silent."
std::string count_words(const std::vector<RecipientAttempt>& attempts) {
    std::vector<std::pair<std::string_view, std::size_t>> counts;
    for (const RecipientAttempt& attempt : attempts) {
        const std::string_view how = ending(attempt);
        const auto known = std::find_if(counts.begin(), counts.end(),
                                        [&](const auto& count) { return count.first == how; });
        if (known == counts.end()) {
            counts.emplace_back(how, 1);
        } else {
            ++known->second;
        }
    }
    if (counts.empty()) return "No address was tried.";
    std::vector<std::string> words;
    for (const auto& [how, count] : counts) {
        words.push_back(counts.size() == 1 ? std::string{how} : fmt::format("{} {}", count, how));
    }
    return fmt::format("{} {}: {}.", attempts.size(),
                       attempts.size() == 1 ? "address" : "addresses", base::join(words, ", "));
}

Check delivery_check(const std::vector<RecipientAttempt>& attempts, const Verdict& verdict) {
    Check check;
    check.id = check_name::delivery.id;
    check.title = check_name::delivery.title;
    check.summary = count_words(attempts);
    std::size_t accepted = 0, without_route = 0;
    for (const RecipientAttempt& attempt : attempts) {
        Evidence row = attempt.evidence;
        if (attempt.accepted) ++accepted;
        if (attempt.connect == ConnectResult::no_route) ++without_route;
        check.took = std::max(check.took, row.took.value_or(base::Duration{}));
        if (attempt.connect == ConnectResult::open) {
            row.result = attempt.accepted ? "accepted" : "refused at " + attempt.stage;
        }
        check.evidence.push_back(std::move(row));
    }
    const bool unclear = verdict.code == VerdictCode::inconclusive;
    // Of a family that this host has not, nobody waits for an answer.
    const bool all = accepted + without_route == attempts.size();
    check.status = accepted > 0 ? (all ? CheckStatus::ok : CheckStatus::warn)
                   : unclear    ? CheckStatus::skip
                                : CheckStatus::fail;
    return check;
}

Check mx_row(const MxJudgement& judgement, base::Duration took) {
    CheckOutcome mx = outcome(check_name::mx);
    conclude(mx, judgement.status, judgement.summary);
    mx.check.evidence = judgement.evidence;
    mx.check.took = took;
    return mx.check;
}

void add_advice(const std::vector<RecipientAttempt>& attempts, Report& report) {
    std::vector<std::string> told;
    for (const RecipientAttempt& attempt : attempts) {
        const bool known = attempt.explained.empty() ||
                           std::find(told.begin(), told.end(), attempt.explained) != told.end();
        if (known) continue;
        told.push_back(attempt.explained);
        report.fixes.push_back(
            make_fix(fmt::format("{} said: {}", attempt.host, attempt.evidence.detail),
                     {attempt.explained}));
    }
}

asio::awaitable<void> beside_task(std::shared_ptr<RecipientRun> run) {
    OutboundAsk ask = *run->ask.beside;
    ask.progress = run->ask.progress;
    Report here = co_await diagnose_outbound(run->executor, run->resolver, std::move(ask));
    if (!run->over) run->here = std::move(here);
}

// An address that is given for any name is nobody's.
asio::awaitable<void> distrust_search_page(net::Resolver& resolver, MxFacts& facts) {
    if (facts.hosts.empty() || !facts.hosts.front().implicit) co_return;
    const auto& addresses = facts.hosts.front().addresses;
    if (addresses.empty()) co_return;
    const std::string page = co_await find_search_page(resolver);
    const auto is_page = [&](const auto& address) { return address.to_string() == page; };
    if (!std::all_of(addresses.begin(), addresses.end(), is_page)) co_return;
    facts.hosts.clear();
    facts.status = net::DnsStatus::no_such_name;
    facts.problem =
        "the name servers give " + page + ", a search page, for names that do not exist";
}

asio::awaitable<void> delivery_task(std::shared_ptr<RecipientRun> run) {
    const std::string& address = run->ask.address;
    const Progress& progress = run->ask.progress;
    if (progress.began) progress.began(std::string{check_name::mx.title});
    const auto began = std::chrono::steady_clock::now();
    const std::string domain = address.substr(address.rfind('@') + 1);
    std::optional<MxJudgement> literal = judge_literal(domain);
    MxFacts facts;
    facts.domain = domain;
    if (!literal) {
        facts = co_await look_up_mx(run->resolver, domain);
        co_await distrust_search_page(run->resolver, facts);
    }
    if (run->over) co_return;
    run->looked_up =
        std::chrono::duration_cast<base::Duration>(std::chrono::steady_clock::now() - began);
    run->facts = std::move(facts);
    run->judgement = literal ? std::move(literal) : judge_mx(run->facts);
    if (progress.ended) progress.ended(mx_row(*run->judgement, run->looked_up));
    if (run->judgement->usable.empty()) co_return;
    if (progress.began) progress.began(std::string{check_name::delivery.title});
    std::vector<asio::awaitable<void>> tasks = plan(run, *run->judgement);
    co_await run_together(run->executor, std::move(tasks), run->ask.timeout);
    if (run->over || !progress.ended) co_return;
    progress.ended(delivery_check(run->attempts, judge_attempts(run->attempts, address)));
}

// From what was seen to the report.
Report conclude_recipient(const RecipientRun& run) {
    Report report;
    report.recipient = run.ask.address;
    report.cause.name = run.facts.domain;
    report.host.hostname = run.ask.hostname;
    if (!run.judgement) {
        report.verdict.code = VerdictCode::dns_broken;
        report.verdict.confidence = Confidence::likely;
        report.verdict.summary = "The recipient's mail servers could not be looked up in time.";
    } else if (run.judgement->usable.empty()) {
        const bool failed = run.judgement->status == CheckStatus::fail;
        report.checks.push_back(mx_row(*run.judgement, run.looked_up));
        report.verdict.code = failed ? VerdictCode::recipient_mx : VerdictCode::dns_broken;
        report.verdict.confidence = failed ? Confidence::certain : Confidence::likely;
        report.verdict.summary = run.judgement->summary;
    } else {
        report.checks.push_back(mx_row(*run.judgement, run.looked_up));
        report.verdict = judge_attempts(run.attempts, run.ask.address);
        report.checks.push_back(delivery_check(run.attempts, report.verdict));
        add_advice(run.attempts, report);
    }
    if (run.judgement) {
        Fix fix = mx_fix(run.facts, *run.judgement);
        if (!fix.steps.empty()) report.fixes.push_back(std::move(fix));
    }
    report.good = report.verdict.code == VerdictCode::ok_direct;
    const Report* const here = run.here ? &*run.here : nullptr;
    judge_families(here, run.attempts, report);
    find_recipient_cause(here, run.attempts, report);
    take_smarthosts(here, report);
    offer_smarthosts(run.ask.smarthosts, report);
    report.mail_leaves = report.good;
    report.via = report.good ? "direct" : "";
    report.direct.code = report.verdict.code;
    report.direct.summary = report.verdict.summary;
    if (!run.ask.direct_path) tell_of_broken_smarthosts(here, report);
    return report;
}

}  // namespace

asio::awaitable<Report> diagnose_recipient(asio::any_io_executor executor, net::Resolver& resolver,
                                           RecipientAsk ask) {
    const auto started = std::chrono::system_clock::now();
    const base::Duration limit = ask.timeout;
    auto run = std::make_shared<RecipientRun>(executor, resolver, std::move(ask));
    tls::ClientOptions observing;
    observing.observe = true;
    base::Result<tls::ClientContext> observer = tls::ClientContext::load(observing);
    if (observer.has_value()) run->observer = *observer;
    std::vector<asio::awaitable<void>> tasks;
    tasks.push_back(delivery_task(run));
    if (run->ask.beside) tasks.push_back(beside_task(run));
    co_await run_together(executor, std::move(tasks), limit);
    run->over = true;
    Report report = conclude_recipient(*run);
    report.started = std::chrono::time_point_cast<base::Duration>(started);
    report.took =
        std::chrono::duration_cast<base::Duration>(std::chrono::system_clock::now() - started);
    co_return report;
}

}  // namespace diagnose
