#include "diagnose/firewall_nft_condition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <limits>
#include <optional>

namespace diagnose {
namespace {

namespace json = boost::json;
using About = Condition::About;

std::string word(const json::value& value) {
    return value.is_string() ? std::string{value.get_string()} : json::serialize(value);
}

std::string member(const json::value& value, std::string_view key) {
    const json::object* object = value.if_object();
    const json::value* found = object ? object->if_contains(key) : nullptr;
    return found ? word(*found) : std::string{};
}

const json::value* inside(const json::value& value, std::string_view key) {
    const json::object* object = value.if_object();
    return object ? object->if_contains(key) : nullptr;
}

std::optional<std::uint64_t> number_of(const json::value& value) {
    if (value.is_int64() && value.get_int64() >= 0) {
        return static_cast<std::uint64_t>(value.get_int64());
    }
    if (value.is_uint64()) return value.get_uint64();
    const std::string text = word(value);
    std::uint64_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// An element of a set may carry a comment, a counter or a timeout.
const json::value& plain_element(const json::value& element) {
    const json::value* wrapped = inside(element, "elem");
    const json::value* value = wrapped ? inside(*wrapped, "val") : nullptr;
    return value ? *value : element;
}

// What the right side of a match stands for: one value, a set, or a named set.
json::array values_of(const json::value& right, const NftSets& sets) {
    if (right.is_array()) return right.get_array();
    if (const json::value* set = inside(right, "set")) {
        return set->is_array() ? set->get_array() : json::array{*set};
    }
    const std::string name = right.is_string() ? word(right) : "";
    if (!name.starts_with('@')) return json::array{right};
    const auto found = sets.find(name.substr(1));
    return found == sets.end() ? json::array{} : found->second;
}

// What a match is about, in terms of the question; `fixed` with a truth when it is settled here.
struct Subject {
    About about = About::fixed;
    std::string what;  // "tcp dport"
    enum class Values : std::uint8_t {
        none,  // nothing to compare: `truth` stands
        numbers,
        addresses,
        names,
        words  // compared with `expected`
    } values = Values::none;
    std::vector<std::string> expected;
    bool alone = false;  // an expected word counts only by itself
    std::optional<Truth> truth;
    std::string header;
};

// The transport whose header a field is read from; "" for any.
std::string header_of(const std::string& protocol) {
    const bool transport = protocol == "tcp" || protocol == "udp";
    return transport ? protocol : std::string{};
}

Subject payload_subject(const std::string& protocol, const std::string& field) {
    using Values = Subject::Values;
    Subject subject;
    subject.what = protocol + ' ' + field;
    subject.header = header_of(protocol);
    const bool ports = protocol == "tcp" || protocol == "udp" || protocol == "th";
    if (ports && (field == "dport" || field == "sport")) {
        subject.about = field == "dport" ? About::destination_port : About::source_port;
        subject.values = Values::numbers;
    } else if ((protocol == "ip" || protocol == "ip6") && (field == "saddr" || field == "daddr")) {
        subject.about = field == "saddr" ? About::source : About::destination;
        subject.values = Values::addresses;
    } else if ((protocol == "ip" && field == "protocol") ||
               (protocol == "ip6" && field == "nexthdr")) {
        subject.about = About::transport;
        subject.values = Values::names;
    } else if (protocol == "icmp" || protocol == "icmpv6" || protocol == "sctp" ||
               protocol == "dccp" || protocol == "udplite" || protocol == "igmp" ||
               protocol == "ah" || protocol == "esp") {
        subject.truth = Truth::no;  // another protocol's header
    }
    return subject;
}

Subject meta_subject(const std::string& key) {
    using Values = Subject::Values;
    Subject subject;
    subject.what = "meta " + key;
    if (key == "iif" || key == "iifname") {
        subject.about = About::interface_in;
        subject.values = Values::names;
    } else if (key == "oif" || key == "oifname") {
        subject.about = About::interface_out;
        subject.values = Values::names;
    } else if (key == "skuid") {
        subject.about = About::user;
        subject.values = Values::numbers;
    } else if (key == "mark") {
        subject.about = About::mark;
        subject.values = Values::numbers;
    } else if (key == "l4proto") {
        subject.about = About::transport;
        subject.values = Values::names;
    } else if (key == "skgid" || key == "cgroup") {
        subject.about = About::program;
    } else if (key == "nfproto" || key == "protocol") {
        subject.about = About::ip_version;
        subject.values = Values::names;
    }
    return subject;
}

// A first packet has SYN and nothing else of fin, rst, ack.
Subject flags_subject(const json::value& left) {
    Subject subject;
    subject.what = "tcp flags";
    subject.header = "tcp";
    const json::value* masked = inside(left, "&");
    if (masked && masked->is_array() && masked->get_array().size() == 2 &&
        word(masked->get_array()[1]).find("syn") == std::string::npos) {
        subject.truth = Truth::no;  // only flags that a first packet lacks
        return subject;
    }
    subject.values = Subject::Values::words;
    subject.expected = {"syn"};
    subject.alone = masked != nullptr;
    return subject;
}

Subject subject_of(const json::value& left) {
    const json::value* payload = inside(left, "payload");
    const json::value* masked = inside(left, "&");
    if (masked && masked->is_array() && !masked->get_array().empty()) {
        const json::value* inner = inside(masked->get_array()[0], "payload");
        if (inner && member(*inner, "field") == "flags") return flags_subject(left);
        Subject masked_subject;  // what the masked field is compared with is not followed
        if (inner) masked_subject.header = header_of(member(*inner, "protocol"));
        return masked_subject;
    }
    if (payload && member(*payload, "protocol") == "tcp" && member(*payload, "field") == "flags") {
        return flags_subject(left);
    }
    if (payload) return payload_subject(member(*payload, "protocol"), member(*payload, "field"));
    if (const json::value* meta = inside(left, "meta")) return meta_subject(member(*meta, "key"));
    Subject subject;
    if (const json::value* option = inside(left, "tcp option")) {
        subject.what = "tcp option " + member(*option, "name") + ' ' + member(*option, "field");
        subject.header = "tcp";
    }
    if (const json::value* socket = inside(left, "socket")) {
        subject.about = About::program;
        subject.what = "socket " + member(*socket, "key");
    }
    if (const json::value* ct = inside(left, "ct")) {
        subject.what = "ct " + member(*ct, "key");
        if (member(*ct, "key") == "state") {
            subject.values = Subject::Values::words;
            subject.expected = {"new"};
        }
        // A packet whose destination was changed is followed no further than that.
        if (member(*ct, "key") == "status") subject.values = Subject::Values::words;
    }
    if (const json::value* fib = inside(left, "fib")) {
        subject.what = "fib " + member(*fib, "flags") + ' ' + member(*fib, "result");
        if (member(*fib, "result") == "type") subject.about = About::local_destination;
    }
    return subject;
}

void add_number(const json::value& value, Condition& condition) {
    const json::value* range = inside(value, "range");
    if (range && range->is_array() && range->get_array().size() == 2) {
        const auto low = number_of(range->get_array()[0]), high = number_of(range->get_array()[1]);
        if (low && high) condition.numbers.push_back({*low, *high});
    } else if (const auto number = number_of(value)) {
        condition.numbers.push_back({*number, *number});
    }
}

void add_address(const json::value& value, Condition& condition) {
    std::string text = word(value);
    if (const json::value* prefix = inside(value, "prefix")) {
        text = member(*prefix, "addr") + '/' + member(*prefix, "len");
    }
    const json::value* range = inside(value, "range");
    if (range && range->is_array() && range->get_array().size() == 2) {
        text = word(range->get_array()[0]) + '-' + word(range->get_array()[1]);
    }
    if (const auto interval = parse_address_interval(text)) {
        condition.addresses.push_back(*interval);
    }
}

void add_name(const json::value& value, Condition& condition) {
    const std::string name = word(value);
    if (condition.about != About::ip_version) {
        condition.names.push_back(name);
    } else if (name == "ipv4" || name == "ip") {
        condition.numbers.push_back({4, 4});
    } else if (name == "ipv6" || name == "ip6") {
        condition.numbers.push_back({6, 6});
    }
}

// Comparisons with < and > speak of numbers.
void apply_comparison(const std::string& operation, Condition& condition) {
    if (condition.numbers.size() != 1) return;
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    const std::uint64_t value = condition.numbers[0].low;
    Interval& interval = condition.numbers[0];
    if (operation == ">=") interval = {value, most};
    if (operation == ">") interval = {value == most ? most : value + 1, most};
    if (operation == "<=") interval = {0, value};
    if (operation == "<") interval = value == 0 ? Interval{1, 0} : Interval{0, value - 1};
}

Truth words_truth(const Subject& subject, const json::array& values) {
    if (subject.alone && values.size() != 1) return Truth::no;
    for (const json::value& value : values) {
        const std::string text = word(plain_element(value));
        if (std::find(subject.expected.begin(), subject.expected.end(), text) !=
            subject.expected.end()) {
            return Truth::yes;
        }
    }
    return Truth::no;
}

std::string element_text(const json::value& value) {
    if (const json::value* prefix = inside(value, "prefix")) {
        return member(*prefix, "addr") + '/' + member(*prefix, "len");
    }
    const json::value* range = inside(value, "range");
    if (range && range->is_array() && range->get_array().size() == 2) {
        return word(range->get_array()[0]) + '-' + word(range->get_array()[1]);
    }
    return word(value);
}

// "192.0.2.1, 192.0.2.2 and 17 more"
std::string values_text(const json::value& right, const json::array& values) {
    if (right.is_string() && word(right).starts_with('@')) return word(right);
    constexpr std::size_t most = 4;
    std::string text;
    for (std::size_t i = 0; i < values.size() && i < most; ++i) {
        text += (i == 0 ? "" : ", ") + element_text(plain_element(values[i]));
    }
    if (values.size() > most) text += fmt::format(" and {} more", values.size() - most);
    return text;
}

Condition compare(const json::value& left, const std::string& operation, const json::value& right,
                  const NftSets& sets);

// "ip saddr . tcp dport { 192.0.2.1 . 25 }": a row for each element.
Condition compare_rows(const json::array& lefts, const json::array& values, const NftSets& sets) {
    Condition condition;
    condition.about = About::alternatives;
    for (const json::value& value : values) {
        const json::value* parts = inside(plain_element(value), "concat");
        if (!parts || !parts->is_array() || parts->get_array().size() != lefts.size()) continue;
        std::vector<Condition> row;
        for (std::size_t i = 0; i < lefts.size(); ++i) {
            row.push_back(compare(lefts[i], "==", parts->get_array()[i], sets));
        }
        condition.rows.push_back(std::move(row));
    }
    return condition;
}

Condition compare(const json::value& left, const std::string& operation, const json::value& right,
                  const NftSets& sets) {
    const json::array values = values_of(right, sets);
    const json::value* parts = inside(left, "concat");
    if (parts && parts->is_array()) {
        Condition condition = compare_rows(parts->get_array(), values, sets);
        condition.negated = operation == "!=";
        condition.text = values_text(right, values);
        return condition;
    }
    const Subject subject = subject_of(left);
    Condition condition;
    condition.about = subject.about;
    condition.header = subject.header;
    condition.negated = operation == "!=";
    const std::string what = subject.what.empty() ? json::serialize(left) : subject.what;
    const bool spelt = operation != "==" && operation != "in";
    condition.text =
        fmt::format("{}{} {}", what, spelt ? " " + operation : "", values_text(right, values));
    if (subject.truth) {
        condition.truth = *subject.truth;
        condition.negated = false;  // the header is missing either way
        return condition;
    }
    using Values = Subject::Values;
    if (condition.about == About::local_destination && word(right) != "local") {
        condition.about = About::fixed;
        condition.truth = Truth::no;  // broadcast, multicast ...
    }
    if (subject.values == Values::words) condition.truth = words_truth(subject, values);
    for (const json::value& value : values) {
        const json::value& element = plain_element(value);
        if (subject.values == Values::numbers) add_number(element, condition);
        if (subject.values == Values::addresses) add_address(element, condition);
        if (subject.values == Values::names) add_name(element, condition);
    }
    if (subject.values == Values::numbers) apply_comparison(operation, condition);
    return condition;
}

// "limit rate over 10/minute", "ct count over 20"; what is not known by its kind.
Condition unknown_condition(std::string_view kind, const json::value& value) {
    Condition condition;
    const std::string over = member(value, "inv") == "true" ? "over " : "";
    if (value.is_string()) {
        condition.text = fmt::format("{} {}", kind, word(value));
    } else if (kind == "limit") {
        condition.text =
            fmt::format("limit rate {}{}/{}", over, member(value, "rate"), member(value, "per"));
    } else if (kind == "ct count") {
        condition.text = fmt::format("ct count {}{}", over, member(value, "val"));
    } else if (kind == "quota") {
        condition.text =
            fmt::format("quota {}{} {}", over, member(value, "val"), member(value, "val_unit"));
    } else {
        condition.text = kind;
    }
    return condition;
}

}  // namespace

Condition nft_condition(const json::value& match, const NftSets& sets) {
    const json::value* left = inside(match, "left");
    const json::value* right = inside(match, "right");
    if (left == nullptr || right == nullptr) return {};
    return compare(*left, member(match, "op"), *right, sets);
}

std::optional<Condition> nft_doubt(std::string_view kind, const json::value& value) {
    static constexpr std::array no_doubt{
        "counter", "log",  "notrack", "mangle",     "continue",  "last",       "flow",
        "dup",     "snat", "secmark", "masquerade", "ct helper", "ct timeout", "ct expectation"};
    if (std::find(no_doubt.begin(), no_doubt.end(), kind) != no_doubt.end()) return std::nullopt;
    if (kind != "set" && kind != "map" && kind != "meter") return unknown_condition(kind, value);
    const json::value* statements = inside(value, "stmt");
    if (statements == nullptr) return std::nullopt;
    const json::array list =
        statements->is_array() ? statements->get_array() : json::array{*statements};
    for (const json::value& statement : list) {
        const json::object* item = statement.if_object();
        if (item == nullptr || item->empty()) continue;
        auto doubt = nft_doubt(item->begin()->key(), item->begin()->value());
        if (!doubt) continue;
        const std::string where = kind == "meter" ? member(value, "name") : member(value, kind);
        doubt->text = fmt::format("{} of {}", doubt->text, where);
        return doubt;
    }
    return std::nullopt;
}

std::vector<NftVerdictCase> nft_verdict_cases(const json::object& vmap, const NftSets& sets) {
    std::vector<NftVerdictCase> cases;
    const json::value* key = vmap.if_contains("key");
    const json::value* data = vmap.if_contains("data");
    if (key == nullptr || data == nullptr) return cases;
    for (const json::value& entry : values_of(*data, sets)) {
        const json::array* pair = entry.if_array();
        if (!pair || pair->size() != 2 || !(*pair)[1].is_object()) continue;
        const json::object& verdict = (*pair)[1].get_object();
        if (verdict.empty()) continue;
        const json::value& wanted = plain_element((*pair)[0]);
        const json::value* parts = inside(*key, "concat");
        NftVerdictCase made;
        made.condition = parts ? compare(*key, "==", json::array{wanted}, sets)
                               : compare(*key, "==", wanted, sets);
        made.verdict = verdict;
        cases.push_back(std::move(made));
    }
    return cases;
}

}  // namespace diagnose
