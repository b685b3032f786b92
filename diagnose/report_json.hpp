#pragma once

#include <boost/json/object.hpp>

#include "diagnose/report.hpp"

namespace diagnose {

// The report for programs, schema 1: no field may change its name or meaning. Evidence carries
// "icmp", "ehlo", "certificate" and "detail" only where there is such evidence.
[[nodiscard]] boost::json::object report_json(const Report& report);

}  // namespace diagnose
