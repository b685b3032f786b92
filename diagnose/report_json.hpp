#pragma once

#include <boost/json/object.hpp>

#include "diagnose/report.hpp"

namespace diagnose {

// The report to the letter of the contract (schema 1). Evidence carries "icmp", "ehlo",
// "certificate" and "detail" besides the contract's fields where there is such evidence.
[[nodiscard]] boost::json::object report_json(const Report& report);

}  // namespace diagnose
