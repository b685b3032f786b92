#pragma once

#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "config/table_reader.hpp"

// One function per section of the file: it reads the keys in the order in which they are
// documented and checks what belongs together.
namespace config {

// The reader of [name]; of an empty table when the file has none.
[[nodiscard]] TableReader open_section(Report& report, const Table& root, std::string_view name);
// The readers of [name] or of each [[name]].
[[nodiscard]] std::vector<TableReader> open_sections(Report& report, const Table& root,
                                                     std::string_view name);

void read_server(Report& report, const Table& root, Settings& settings);
void read_smarthosts(Report& report, const Table& root, Settings& settings);  // after read_server
void read_routes(Report& report, const Table& root);
void read_delivery(Report& report, const Table& root, Settings& settings);
void read_spool(Report& report, const Table& root, Settings& settings);
void read_rewrite(Report& report, const Table& root, Settings& settings);
void read_policy(Report& report, const Table& root);
void read_probe(Report& report, const Table& root, Settings& settings);
void read_admin(Report& report, const Table& root, Settings& settings);
void read_log(Report& report, const Table& root, Settings& settings);

}  // namespace config
