#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "diagnose/firewall_model.hpp"

// The match expressions of nftables' JSON, for firewall_nft.cpp alone.
namespace diagnose {

using NftSets = std::map<std::string, boost::json::array>;  // a table's sets and maps, by name

// A "match" statement. What it cannot judge becomes a condition that is maybe.
[[nodiscard]] Condition nft_condition(const boost::json::value& match, const NftSets& sets);
// Of a statement that is no match and no verdict: what it leaves open whether the next statement is
// met, as a limit, a quota or a count of connections does, also inside of "add @set { ... }". None
// where it lets every packet on.
[[nodiscard]] std::optional<Condition> nft_doubt(std::string_view kind,
                                                 const boost::json::value& value);

struct NftVerdictCase {
    Condition condition;
    boost::json::object verdict;  // {"drop": null}
};
// The entries of a "vmap" statement, in its order.
[[nodiscard]] std::vector<NftVerdictCase> nft_verdict_cases(const boost::json::object& vmap,
                                                            const NftSets& sets);

}  // namespace diagnose
