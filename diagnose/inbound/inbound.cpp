#include "diagnose/inbound/inbound.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <map>
#include <memory>

#include "base/text.hpp"
#include "diagnose/connect.hpp"
#include "diagnose/domain/mx.hpp"
#include "diagnose/firewall_listing.hpp"
#include "diagnose/inbound/facts.hpp"
#include "net/address_scope.hpp"
#include "smtp/proxy_header.hpp"

namespace diagnose {
namespace {

using net::AddressScope;
using net::scope_of;

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;
using Facts = std::shared_ptr<InboundFacts>;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

asio::awaitable<void> find_addresses(net::Resolver& resolver, Facts facts, std::size_t index) {
    MxHost host;
    host.name = facts->exchangers[index].host;
    // As the world sees it: /etc/hosts is not asked.
    co_await look_up_mx_host(resolver, host);
    MailExchanger& exchanger = facts->exchangers[index];
    exchanger.status = host.status;
    exchanger.problem = base::printable(host.problem, 300);
    if (!host.aliases.empty()) exchanger.alias_of = base::printable(host.aliases.back(), 255);
    for (const asio::ip::address& address : host.addresses) {
        exchanger.addresses.push_back(address.to_string());
    }
}

asio::awaitable<void> test_names(net::Resolver& resolver, Facts facts) {
    facts->names = co_await test_name_servers(resolver);
}

asio::awaitable<void> find_exchangers(net::Resolver& resolver, Facts facts) {
    constexpr std::size_t most_exchangers = 10;
    if (facts->domain.empty()) co_return;
    auto answer = co_await resolver.mx(facts->domain);
    facts->mx_status = answer.status;
    facts->mx_problem = base::printable(answer.problem, 300);
    auto& records = answer.records;
    facts->null_mx = records.size() == 1 && (records[0].host == "." || records[0].host.empty());
    if (facts->null_mx) co_return;
    std::stable_sort(records.begin(), records.end(),
                     [](const auto& a, const auto& b) { return a.preference < b.preference; });
    if (records.size() > most_exchangers) records.resize(most_exchangers);
    for (const net::MxRecord& record : records) {
        MailExchanger exchanger;
        exchanger.preference = record.preference;
        exchanger.host = base::printable(record.host, 255);
        facts->exchangers.push_back(std::move(exchanger));
    }
    if (answer.status == net::DnsStatus::no_data) {
        // RFC 5321 section 5.1: without MX the domain's own addresses take its mail.
        MailExchanger itself;
        itself.host = facts->domain;
        facts->exchangers.push_back(std::move(itself));
    }
    for (std::size_t i = 0; i < facts->exchangers.size(); ++i) {
        co_await find_addresses(resolver, facts, i);
    }
    if (answer.status != net::DnsStatus::no_data) co_return;
    facts->implicit_mx = !facts->exchangers.front().addresses.empty();
    facts->mx_status = facts->exchangers.front().status;
    if (!facts->implicit_mx) facts->exchangers.clear();
}

// An address by which this host reaches its own port 25.
std::string own_address(const InboundFacts& facts) {
    for (const TcpListener& listener : facts.listeners) {
        if (!listener.any_address()) return listener.address;
    }
    if (facts.listeners.empty()) return {};
    return facts.listeners.front().v6 ? "::1" : "127.0.0.1";
}

// The first line that the server says, after what is sent first.
asio::awaitable<void> hear_greeting(asio::any_io_executor executor, asio::ip::address address,
                                    std::string first_words, OwnGreeting& greeting) {
    const ConnectAsk ask{address, 25, std::chrono::seconds{2}};
    ConnectOutcome outcome = co_await connect_once(executor, ask);
    greeting.open = outcome.stream.has_value();
    greeting.banner.clear();
    if (!greeting.open) co_return;
    tls::Stream& stream = *outcome.stream;
    stream.expires_after(std::chrono::seconds{4});
    if (!first_words.empty()) {
        const base::Result<> written = co_await stream.write(first_words);
        static_cast<void>(written);
    }
    std::array<char, 512> buffer{};
    std::string text;
    while (text.find('\n') == text.npos && text.size() < buffer.size()) {
        const base::Result<std::size_t> count = co_await stream.read_some(buffer);
        if (!count.has_value()) break;
        text.append(buffer.data(), *count);
    }
    greeting.banner = base::printable(base::trim(text.substr(0, text.find('\n'))), 512);
    const base::Result<> written = co_await stream.write("QUIT\r\n");
    static_cast<void>(written);
    stream.close();
}

asio::awaitable<void> greet_self(asio::any_io_executor executor, Facts facts) {
    OwnGreeting greeting;
    greeting.address = own_address(*facts);
    boost::system::error_code no_address;
    const asio::ip::address address = asio::ip::make_address(greeting.address, no_address);
    if (no_address) co_return;
    co_await hear_greeting(executor, address, "", greeting);
    // What waits for a load balancer's header says nothing to anybody else, or that it is missing.
    if (greeting.open && !greeting.banner.starts_with("220")) {
        OwnGreeting behind = greeting;
        co_await hear_greeting(executor, address, smtp::proxy_line(greeting.address), behind);
        behind.after_proxy = behind.banner.starts_with("220");
        if (behind.after_proxy) greeting = std::move(behind);
    }
    facts->greeting = std::move(greeting);
}

void take_rules(const FirewallReading& reading, InboundFacts& facts) {
    facts.rules_readable = reading.readable;
    facts.rules_note = reading.readable ? reading.tools : reading.why_not;
    if (facts.rules_readable && facts.rules_note.empty()) facts.rules_note = "there are none";
    for (const net::Family family : {net::Family::ipv4, net::Family::ipv6}) {
        RuleQuestion question;
        question.inbound = true;
        question.family = family;
        question.interface = default_interface(family);
        RuleAnswer answer = find_rule(reading.rules, question);
        (family == net::Family::ipv4 ? facts.stops4 : facts.stops6) = std::move(answer.stops);
        for (RuleMatch& rule : answer.possible) {
            const std::string text = rule_text(rule);
            const auto same = [&](const RuleMatch& known) { return rule_text(known) == text; };
            auto& known = facts.possible_rules;
            if (std::none_of(known.begin(), known.end(), same)) known.push_back(std::move(rule));
        }
    }
}

asio::awaitable<void> read_rules(Facts facts) {
    const FirewallReading reading = co_await read_firewall();
    take_rules(reading, *facts);
}

asio::awaitable<void> ask_outside(asio::any_io_executor executor, net::Resolver& resolver,
                                  Facts facts, VantageAsk ask) {
    facts->vantage = co_await ask_vantage(executor, resolver, std::move(ask));
}

// Runs what it is given side by side; knows when all are through, and tells of each check as it
// ends.
class Gathering {
 public:
    Gathering(asio::any_io_executor executor, Facts facts, Progress progress)
        : executor_(executor), state_(std::make_shared<State>(executor)) {
        state_->facts = std::move(facts);
        state_->progress = std::move(progress);
        if (!state_->progress.began) return;
        for (const Check& check : inbound_checks(*state_->facts)) {
            state_->progress.began(check.title);
        }
    }

    void add(std::string check, asio::awaitable<void> work) {
        ++state_->left;
        const auto began = SteadyClock::now();
        asio::co_spawn(executor_, std::move(work),
                       [state = state_, check, began](std::exception_ptr) {
                           const auto spent = SteadyClock::now() - began;
                           state->lasted[check] = std::chrono::duration_cast<base::Duration>(spent);
                           state->tell(check);
                           if (--state->left == 0) state->timer.cancel();
                       });
    }
    // Those that need no waiting.
    void known(std::string_view check) { state_->tell(check); }

    asio::awaitable<void> wait(base::Duration limit) {
        state_->timer.expires_after(limit);
        if (state_->left > 0) co_await state_->timer.async_wait(as_result);
        state_->over = true;
    }

    // What is known at once took no time.
    void note_durations(Report& report) const {
        for (Check& check : report.checks) {
            const auto lasted = state_->lasted.find(check.id);
            if (lasted != state_->lasted.end()) check.took = lasted->second;
        }
    }

 private:
    struct State {
        explicit State(asio::any_io_executor executor) : timer(executor) {}
        void tell(std::string_view id) const {
            if (over || !progress.ended) return;
            for (const Check& check : inbound_checks(*facts)) {
                if (check.id == id) progress.ended(check);
            }
        }
        std::size_t left = 0;
        std::map<std::string, base::Duration> lasted;
        bool over = false;
        asio::steady_timer timer;
        Facts facts;
        Progress progress;
    };
    asio::any_io_executor executor_;
    std::shared_ptr<State> state_;
};

}  // namespace

std::string domain_of_host(std::string_view hostname) {
    while (hostname.ends_with('.')) hostname.remove_suffix(1);
    const std::size_t first = hostname.find('.');
    if (first == hostname.npos || scope_of(hostname) != AddressScope::none) return {};
    if (hostname == "localhost.localdomain") return {};
    const bool more = hostname.find('.', first + 1) != hostname.npos;
    return std::string{more ? hostname.substr(first + 1) : hostname};
}

asio::awaitable<Report> diagnose_inbound(asio::any_io_executor executor, net::Resolver& resolver,
                                         InboundAsk ask) {
    const SteadyClock::time_point began = SteadyClock::now();
    const base::Time started = base::SystemClock{}.now();
    const auto facts = std::make_shared<InboundFacts>();
    facts->domain = ask.domain.empty() ? domain_of_host(ask.hostname) : ask.domain;
    while (facts->domain.ends_with('.')) facts->domain.pop_back();
    facts->hostname = ask.hostname;
    facts->host = ask.host;
    facts->listeners = listeners_on(25);
    facts->addresses = host_addresses();
    facts->rules_note = "This host's firewall could not be listed in time.";
    facts->vantage_asked = ask.vantage.has_value();
    if (!facts->domain.empty()) {
        facts->mx_status = net::DnsStatus::timeout;  // until it is known
        facts->mx_problem = "DNS gave no answer in time.";
    }
    Gathering gathering{executor, facts, ask.progress};
    gathering.known("listening");
    gathering.known("addresses");
    gathering.add("mx", find_exchangers(resolver, facts));
    if (!facts->domain.empty()) gathering.add("names", test_names(resolver, facts));
    gathering.add("greeting", greet_self(executor, facts));
    gathering.add("firewall", read_rules(facts));
    if (ask.vantage) {
        gathering.add("outside", ask_outside(executor, resolver, facts, *ask.vantage));
    } else {
        gathering.known("outside");
    }
    co_await gathering.wait(ask.timeout);

    const InboundFacts seen = *facts;  // late answers change nothing any more
    Report report = report_inbound(seen);
    report.started = started;
    gathering.note_durations(report);
    report.took = std::chrono::duration_cast<base::Duration>(SteadyClock::now() - began);
    co_return report;
}

}  // namespace diagnose
