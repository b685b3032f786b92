#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/resolver.hpp"

namespace diagnose_test {

namespace asio = boost::asio;
using net::DnsAnswer;
using net::DnsStatus;
using net::RecordType;

// The DNS of a small world. Names that it does not hold do not exist; a name held by another type
// has no data.
class FakeZone final : public net::Resolver {
 public:
    // A domain that everybody knows, by which name servers are tested.
    FakeZone() { exchanger("gmail.com", 10, "gmail-smtp-in.example"); }
    void address(const std::string& name, const std::string& literal) {
        const auto value = asio::ip::make_address(literal);
        records_[key(name, value.is_v4() ? RecordType::a : RecordType::aaaa)].addresses.push_back(
            value);
    }
    void text(const std::string& name, std::string value) {
        texts_[name].push_back(std::move(value));
    }
    void exchanger(const std::string& name, unsigned preference, const std::string& host) {
        net::MxRecord record;
        record.preference = static_cast<std::uint16_t>(preference);
        record.host = host;
        exchangers_[name].push_back(record);
    }
    void alias(const std::string& name, const std::string& target) {
        records_[key(name, RecordType::a)].aliases.push_back(target);
    }
    void pointer(const std::string& literal, const std::string& name) {
        pointers_[literal].push_back(name);
    }
    void tlsa(const std::string& name, const net::TlsaRecord& record, bool authentic) {
        records_[key(name, RecordType::tlsa)].tlsa.push_back(record);
        records_[key(name, RecordType::tlsa)].authentic = authentic;
    }
    std::map<std::string, DnsStatus> failing;  // by name
    bool local = false;

    asio::awaitable<DnsAnswer<std::vector<asio::ip::address>>> addresses(std::string,
                                                                         net::Family) override {
        DnsAnswer<std::vector<asio::ip::address>> answer;
        answer.status = DnsStatus::no_such_name;
        answer.problem = "no such name";
        co_return answer;
    }
    asio::awaitable<DnsAnswer<std::vector<net::MxRecord>>> mx(std::string name) override {
        DnsAnswer<std::vector<net::MxRecord>> answer;
        answer.records = find(exchangers_, name);
        settle(answer, name, answer.records.empty());
        co_return answer;
    }
    asio::awaitable<DnsAnswer<std::vector<std::string>>> txt(std::string name) override {
        DnsAnswer<std::vector<std::string>> answer;
        answer.records = find(texts_, name);
        settle(answer, name, answer.records.empty());
        co_return answer;
    }
    asio::awaitable<DnsAnswer<std::vector<std::string>>> ptr(asio::ip::address address) override {
        DnsAnswer<std::vector<std::string>> answer;
        answer.records = find(pointers_, address.to_string());
        settle(answer, address.to_string(), answer.records.empty());
        co_return answer;
    }
    asio::awaitable<DnsAnswer<net::DnsRecords>> query(std::string name, RecordType type) override {
        DnsAnswer<net::DnsRecords> answer;
        answer.records = find(records_, key(name, type));
        const bool empty = answer.records.addresses.empty() && answer.records.tlsa.empty();
        settle(answer, name, empty);
        co_return answer;
    }
    [[nodiscard]] bool local_servers() const override { return local; }

 private:
    static std::string key(const std::string& name, RecordType type) {
        return name + ' ' + std::to_string(static_cast<unsigned>(type));
    }
    template <class Map>
    static typename Map::mapped_type find(const Map& map, const std::string& name) {
        const auto found = map.find(name);
        return found == map.end() ? typename Map::mapped_type{} : found->second;
    }
    [[nodiscard]] bool exists(const std::string& name) const {
        const auto record = records_.lower_bound(name + ' ');
        const bool held = record != records_.end() && record->first.starts_with(name + ' ');
        return held || texts_.count(name) != 0 || exchangers_.count(name) != 0;
    }
    template <class Records>
    void settle(DnsAnswer<Records>& answer, const std::string& name, bool empty) const {
        if (const auto failure = failing.find(name); failure != failing.end()) {
            answer.records = {};
            answer.status = failure->second;
            answer.problem = "no answer for " + name;
        } else if (empty) {
            answer.status = exists(name) ? DnsStatus::no_data : DnsStatus::no_such_name;
            answer.problem = name + " has none";
        }
    }

    std::map<std::string, net::DnsRecords> records_;
    std::map<std::string, std::vector<std::string>> texts_, pointers_;
    std::map<std::string, std::vector<net::MxRecord>> exchangers_;
};

// Runs a coroutine to its end.
template <class T>
T run(asio::io_context& loop, asio::awaitable<T> task) {
    std::optional<T> result;
    asio::co_spawn(loop, std::move(task), [&](std::exception_ptr failed, T value) {
        if (failed) std::rethrow_exception(failed);
        result = std::move(value);
    });
    loop.restart();
    loop.run();
    return std::move(result.value());
}

}  // namespace diagnose_test
