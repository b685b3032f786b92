#include "config/table_reader.hpp"

#include <fmt/format.h>

namespace config {
namespace {

const Member* member(const Table* table, std::string_view key) {
    if (table == nullptr) return nullptr;
    const auto found = std::find_if(table->begin(), table->end(),
                                    [&](const Member& item) { return item.key == key; });
    return found == table->end() ? nullptr : &*found;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

std::string not_available(std::string_view instead) {
    if (instead.empty()) return "not available in this version; remove it";
    return fmt::format("not available in this version; {}", instead);
}

}  // namespace

TableReader::TableReader(Report& report, std::string section, const Table* table, Place place)
    : report_(&report), section_(std::move(section)), table_(table), place_(place) {}

const Value* TableReader::find(std::string_view key) {
    if (!contains(known_, key)) {
        known_.emplace_back(key);
        report_->know(section_, key);
    }
    const Member* found = member(table_, key);
    return found == nullptr ? nullptr : &found->value;
}

bool TableReader::given(std::string_view key) const { return member(table_, key) != nullptr; }

bool TableReader::sound(std::string_view key) const { return !contains(faulty_, key); }

Place TableReader::place(std::string_view key) const {
    const Member* found = member(table_, key);
    return found == nullptr ? place_ : found->value.place;
}

Place TableReader::place(std::string_view key, std::size_t index) const {
    const Member* found = member(table_, key);
    const auto* list = found == nullptr ? nullptr : std::get_if<List>(&found->value.data);
    return list != nullptr && index < list->size() ? (*list)[index].place : place(key);
}

std::string TableReader::source(std::string_view key) const {
    return given(key) ? report_->source(place(key)) : "default";
}

std::string TableReader::name(std::string_view key) const {
    return section_.empty() ? std::string{key} : fmt::format("{}.{}", section_, key);
}

void TableReader::fault_at(Place where, std::string_view key, std::string message) {
    faulty_.emplace_back(key);
    report_->fault(where, fmt::format("{}: {}", name(key), message), section_);
}

void TableReader::fault(std::string_view key, std::string message) {
    fault_at(place(key), key, std::move(message));
}

void TableReader::missing_secret(std::string_view key, std::string message) {
    faulty_.emplace_back(key);
    report_->missing_secret(place(key), fmt::format("{}: {}", name(key), message), section_);
}

void TableReader::warn(std::string_view key, std::string message) {
    report_->warn(place(key), fmt::format("{}: {}", name(key), message));
}

void TableReader::refuse(std::string_view key, std::string_view instead) {
    fault(key, not_available(instead));
}

void TableReader::refuse_section(std::string_view instead) {
    report_->fault(place_, fmt::format("{}: {}", section_, not_available(instead)), section_);
}

void TableReader::show(std::string_view key, std::string value) {
    show(key, std::move(value), source(key));
}

void TableReader::show(std::string_view key, std::string value, std::string source) {
    const Place where = given(key) ? place(key) : Place{};
    report_->show(name(key), std::move(value), std::move(source), where);
}

std::string TableReader::missing(std::string_view example) {
    return fmt::format("missing; write it as {}", example);
}

void TableReader::finish() {
    if (table_ == nullptr) return;
    for (const Member& item : *table_) {
        if (!contains(known_, item.key)) report_->unknown(section_, item.key, item.place);
    }
}

}  // namespace config
