#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.hpp"
#include "config/settings.hpp"

namespace config {

// Gathers all that is to be said about one file while its sections are read.
class Report {
 public:
    Report(std::string file, std::string_view text, std::filesystem::path folder);

    // section as in "smarthost[2]"; "" for what concerns the file as a whole.
    void fault(Place place, std::string message, std::string_view section = {});
    // A secret that cannot be had here.
    void missing_secret(Place place, std::string message, std::string_view section);
    void warn(Place place, std::string message);
    void show(std::string key, std::string value, std::string source, Place place);
    void know(const std::string& section, std::string_view key);
    void know_section(std::string_view section);
    // Judged at the end, when the keys of all sections are known.
    void unknown(const std::string& section, std::string_view key, Place place);
    void unknown_section(std::string_view name, Place place, const std::vector<std::string>& known);

    [[nodiscard]] std::string source(Place place) const;  // "relay.toml:3"
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
    [[nodiscard]] bool readable_by_others() const { return readable_by_others_; }
    void set_readable_by_others(bool value) { readable_by_others_ = value; }
    [[nodiscard]] const std::string& file() const { return file_; }
    [[nodiscard]] bool looks_around() const { return reading_ == Reading::everything; }
    void set_reading(Reading value) { reading_ = value; }

    // Sorts, quotes the lines and hands everything over.
    void finish(LoadResult& result);

 private:
    struct SectionKeys {
        std::string section;
        std::vector<std::string> keys;
    };
    struct Unknown {
        std::string section, key;
        Place place;
    };
    [[nodiscard]] std::vector<std::string>& keys_of(std::string_view section);
    [[nodiscard]] std::string unknown_message(const Unknown& unknown);
    [[nodiscard]] std::string other_home(const std::string& section, const std::string& key) const;
    void complete(std::vector<Problem>& problems) const;

    std::string file_;
    std::string text_;
    std::filesystem::path folder_;
    bool readable_by_others_ = false;
    Reading reading_ = Reading::everything;
    std::vector<SectionKeys> known_;  // in the order of the documentation
    std::vector<Unknown> unknown_;
    std::vector<Problem> problems_, warnings_;
    std::vector<SettingLine> effective_;
};

}  // namespace config
