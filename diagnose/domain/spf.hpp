#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/resolver.hpp"

// RFC 7208 in two steps: the record with all that it refers to is fetched, then judged by pure
// functions, for as many senders as needed.
namespace diagnose {

enum class SpfResult : std::uint8_t { none, neutral, pass, fail, softfail, temperror, permerror };

[[nodiscard]] std::string_view spf_result_name(SpfResult result);

struct SpfTerm {
    char qualifier = '+';
    std::string mechanism;  // "ip4", "include", "redirect" ..., lower case
    std::string value;      // domain or network; "" where it may be left out
    unsigned prefix4 = 32, prefix6 = 128;
    bool macro = false;                               // holds a macro: not followed
    std::vector<boost::asio::ip::address> addresses;  // ip4, ip6, a, mx; filled by expand_spf
    int record = -1;                                  // include, redirect: index in the tree
};

// The terms of one record; the error names the term that is wrong.
[[nodiscard]] base::Result<std::vector<SpfTerm>> parse_spf(std::string_view text);

struct SpfRecord {
    SpfRecord() = default;
    std::string domain, text;
    std::vector<SpfTerm> terms;
    SpfResult state = SpfResult::pass;  // none, permerror or temperror: it cannot be used
    std::string problem;
};

struct SpfTree {
    SpfTree() = default;
    std::vector<SpfRecord> records;  // the first is the domain's own
    unsigned lookups = 0;            // if every term is looked at; more than 10 are a permerror
    unsigned voids = 0;              // look-ups without an answer; more than 2 are a permerror
    bool macros = false;
};

constexpr unsigned spf_lookup_limit = 10, spf_void_limit = 2;  // RFC 7208 section 4.6.4

// Fetches the record and everything it refers to; ends for any records, loops included.
[[nodiscard]] boost::asio::awaitable<SpfTree> expand_spf(net::Resolver& resolver,
                                                         std::string domain);

// What a receiver finds for mail from this address.
[[nodiscard]] SpfResult check_spf(const SpfTree& tree, const boost::asio::ip::address& sender);

// Whether the record refers to this domain, or allows every network that it names.
[[nodiscard]] bool spf_names(const SpfTree& tree, std::string_view include);
[[nodiscard]] bool spf_covers(const SpfTree& tree, const SpfTree& included);

// The qualifier of "all", directly or through redirect; '?' when there is none.
[[nodiscard]] char spf_all(const SpfTree& tree);

// The record with include:DOMAIN put in before its last "all"; a new record for an empty text.
[[nodiscard]] std::string spf_with_include(std::string_view text, std::string_view include);

}  // namespace diagnose
