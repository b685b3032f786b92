#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/domain/checks.hpp"
#include "diagnose/domain/spf.hpp"

// The fetching half of SPF: one question after the other, as a receiver asks them.

namespace diagnose {
namespace {

namespace asio = boost::asio;

constexpr std::size_t most_records = 30;  // far beyond the limit of 10 look-ups

bool is_spf(const std::string& text) {
    const std::string_view words = base::trim(text);
    return base::equals_ignoring_case(words.substr(0, 6), "v=spf1") &&
           (words.size() == 6 || words[6] == ' ');
}

void count_void(SpfTree& tree, net::DnsStatus status) {
    const bool empty = status == net::DnsStatus::no_such_name || status == net::DnsStatus::no_data;
    if (empty) ++tree.voids;
}

asio::awaitable<void> add_addresses(net::Resolver& resolver, SpfTree& tree, std::string host,
                                    SpfTerm& term) {
    bool found = false;
    net::DnsStatus status = net::DnsStatus::ok;
    for (const net::RecordType type : {net::RecordType::a, net::RecordType::aaaa}) {
        const auto answer = co_await resolver.query(host, type);
        status = answer.status;
        found = found || !answer.records.addresses.empty();
        term.addresses.insert(term.addresses.end(), answer.records.addresses.begin(),
                              answer.records.addresses.end());
    }
    if (!found) count_void(tree, status);
}

asio::awaitable<void> add_mx_addresses(net::Resolver& resolver, SpfTree& tree, std::string domain,
                                       SpfTerm& term) {
    const auto answer = co_await resolver.mx(domain);
    if (answer.records.empty()) count_void(tree, answer.status);
    std::size_t count = 0;
    for (const net::MxRecord& record : answer.records) {
        if (++count > spf_lookup_limit) break;
        co_await add_addresses(resolver, tree, record.host, term);
    }
}

asio::awaitable<int> add_record(net::Resolver& resolver, SpfTree& tree, std::string domain);

asio::awaitable<void> expand_term(net::Resolver& resolver, SpfTree& tree, std::size_t record,
                                  std::size_t index) {
    SpfTerm term = tree.records[record].terms[index];  // the tree grows meanwhile
    const std::string target = term.value.empty() ? tree.records[record].domain : term.value;
    const std::string& kind = term.mechanism;
    const bool refers = kind == "include" || kind == "redirect";
    const bool asks = refers || kind == "a" || kind == "mx" || kind == "ptr" || kind == "exists";
    if (!asks) co_return;
    ++tree.lookups;
    if (term.macro || kind == "ptr" || kind == "exists") {
        tree.macros = true;
        co_return;
    }
    if (refers) {
        term.record = co_await add_record(resolver, tree, target);
    } else if (kind == "a") {
        co_await add_addresses(resolver, tree, target, term);
    } else {
        co_await add_mx_addresses(resolver, tree, target, term);
    }
    tree.records[record].terms[index] = std::move(term);
}

void read_record(SpfRecord& record, const net::DnsAnswer<std::vector<std::string>>& answer) {
    std::vector<std::string> found;
    std::copy_if(answer.records.begin(), answer.records.end(), std::back_inserter(found), is_spf);
    if (could_not_ask(answer.status)) {
        record.state = SpfResult::temperror;
        record.problem = answer.problem;
    } else if (found.empty()) {
        record.state = SpfResult::none;
        record.problem = fmt::format("{} has no SPF record", record.domain);
    } else if (found.size() > 1) {
        record.state = SpfResult::permerror;
        record.problem = fmt::format("{} has {} SPF records; there may be only one", record.domain,
                                     found.size());
    }
    if (found.empty()) return;
    record.text = found.front();
    auto terms = parse_spf(base::trim(found.front()));
    if (terms.has_value()) {
        record.terms = std::move(*terms);
    } else if (record.problem.empty()) {
        record.state = SpfResult::permerror;
        record.problem =
            fmt::format("the SPF record of {}: {}", record.domain, terms.error().message);
    }
}

asio::awaitable<int> add_record(net::Resolver& resolver, SpfTree& tree, std::string domain) {
    for (std::size_t i = 0; i < tree.records.size(); ++i) {
        const bool known = base::equals_ignoring_case(tree.records[i].domain, domain);
        if (known) co_return static_cast<int>(i);
    }
    if (tree.records.size() >= most_records) co_return -1;
    const std::size_t index = tree.records.size();
    tree.records.emplace_back();
    tree.records[index].domain = domain;
    const auto answer = co_await resolver.txt(domain);
    if (index > 0 && answer.records.empty()) count_void(tree, answer.status);
    read_record(tree.records[index], answer);
    const std::size_t count = tree.records[index].terms.size();
    for (std::size_t i = 0; i < count; ++i) co_await expand_term(resolver, tree, index, i);
    co_return static_cast<int>(index);
}

}  // namespace

asio::awaitable<SpfTree> expand_spf(net::Resolver& resolver, std::string domain) {
    SpfTree tree;
    co_await add_record(resolver, tree, domain);
    co_return tree;
}

}  // namespace diagnose
