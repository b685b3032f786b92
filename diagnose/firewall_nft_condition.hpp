#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <vector>

#include "diagnose/firewall_model.hpp"

// The match expressions of nftables' JSON, for firewall_nft.cpp alone.
namespace diagnose {

using NftSets = std::map<std::string, boost::json::array>;  // a table's sets and maps, by name

// A "match" statement. What it cannot judge becomes a condition that is maybe.
[[nodiscard]] Condition nft_condition(const boost::json::value& match, const NftSets& sets);
[[nodiscard]] Condition nft_limit(const boost::json::value& limit);

struct NftVerdictCase {
    Condition condition;
    boost::json::object verdict;  // {"drop": null}
};
// The entries of a "vmap" statement, in its order.
[[nodiscard]] std::vector<NftVerdictCase> nft_verdict_cases(const boost::json::object& vmap,
                                                            const NftSets& sets);

}  // namespace diagnose
