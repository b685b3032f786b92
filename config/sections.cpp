#include "config/sections.hpp"

#include <fmt/format.h>

namespace config {
namespace {

const Member* find_member(const Table& root, std::string_view name) {
    for (const Member& item : root) {
        if (item.key == name) return &item;
    }
    return nullptr;
}

}  // namespace

TableReader open_section(Report& report, const Table& root, std::string_view name) {
    report.know_section(name);
    const Member* found = find_member(root, name);
    if (found == nullptr) return {report, std::string{name}, nullptr, {}};
    const auto* table = std::get_if<Table>(&found->value.data);
    if (table == nullptr) {
        const bool list = std::holds_alternative<List>(found->value.data);
        report.fault(
            found->place,
            list ? fmt::format("there is one [{}] only: write it once, in single brackets", name)
                 : fmt::format("{} is a section: write [{}] and its keys below", name, name),
            name);
    }
    return {report, std::string{name}, table, found->value.place};
}

std::vector<TableReader> open_sections(Report& report, const Table& root, std::string_view name) {
    report.know_section(name);
    std::vector<TableReader> readers;
    const Member* found = find_member(root, name);
    if (found == nullptr) return readers;
    if (const auto* table = std::get_if<Table>(&found->value.data)) {
        readers.emplace_back(report, std::string{name}, table, found->value.place);
        return readers;
    }
    const auto* list = std::get_if<List>(&found->value.data);
    if (list == nullptr) {
        report.fault(found->place,
                     fmt::format("{} is a section: write [{}] and its keys below", name, name),
                     name);
        return readers;
    }
    for (const Value& item : *list) {
        const auto* table = std::get_if<Table>(&item.data);
        if (table == nullptr) {
            report.fault(
                item.place,
                fmt::format("{} is a section: write [[{}]] and its keys below", name, name), name);
            continue;
        }
        std::string section =
            list->size() == 1 ? std::string{name} : fmt::format("{}[{}]", name, readers.size() + 1);
        readers.emplace_back(report, std::move(section), table, item.place);
    }
    return readers;
}

}  // namespace config
