#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "config/codecs.hpp"
#include "config/report.hpp"

namespace config {

// Reads one table key by key: each call names a key, where its value goes and the codec that
// checks and shows it. Faults are gathered, nothing stops the reading; finish() reports the keys
// that nobody asked for.
class TableReader {
 public:
    // table may be null: then every key has its default. place is that of the section's header.
    TableReader(Report& report, std::string section, const Table* table, Place place);

    template <class Codec, class Target>
    void optional(std::string_view key, Target& target, const Codec& codec) {
        read(key, target, codec);
        show(key, codec.show(target));
    }

    // For a key without a default; unset says in words what holds then.
    template <class Codec, class Target>
    void optional(std::string_view key, Target& target, const Codec& codec,
                  std::string_view unset) {
        typename Codec::Type value{};
        const bool set = read(key, value, codec);
        if (set) target = value;
        show(key, set ? codec.show(value) : std::string{unset});
    }

    template <class Codec, class Target>
    void required(std::string_view key, Target& target, const Codec& codec,
                  std::string_view example) {
        const bool set = read(key, target, codec);
        if (!given(key)) fault(key, missing(example));
        if (set) show(key, codec.show(target));
    }

    // For a key whose value is only checked.
    template <class Codec, class Target>
    void check(std::string_view key, Target& target, const Codec& codec) {
        read(key, target, codec);
    }

    // For a key whose feature is not in this version: its value is checked, then refused, unless it
    // is the one that asks for nothing. instead says what to do, "" when there is nothing.
    template <class Codec>
    void unavailable(std::string_view key, const Codec& codec, std::string_view instead = {}) {
        typename Codec::Type value{};
        if (read(key, value, codec)) refuse(key, instead);
    }
    template <class Codec>
    void only(std::string_view key, typename Codec::Type accepted, const Codec& codec,
              std::string_view instead = {}) {
        typename Codec::Type value = accepted;
        if (read(key, value, codec) && value != accepted) refuse(key, instead);
        show(key, codec.show(accepted));
    }

    [[nodiscard]] const Value* find(std::string_view key);  // marks the key as known
    [[nodiscard]] bool given(std::string_view key) const;   // also when faulty
    [[nodiscard]] bool sound(std::string_view key) const;   // no fault so far
    [[nodiscard]] Place place(std::string_view key) const;  // the section's when not given
    // Of one value of a list.
    [[nodiscard]] Place place(std::string_view key, std::size_t index) const;
    [[nodiscard]] std::string source(std::string_view key) const;  // "relay.toml:3", "default"
    [[nodiscard]] std::string name(std::string_view key) const;    // "smarthost.host"

    // A fault or remark about a key that was read; the key's name is put in front.
    void fault(std::string_view key, std::string message);
    void fault_at(Place where, std::string_view key, std::string message);
    void missing_secret(std::string_view key, std::string message);
    void warn(std::string_view key, std::string message);
    void refuse(std::string_view key, std::string_view instead);
    void refuse_section(std::string_view instead);
    void show(std::string_view key, std::string value);
    void show(std::string_view key, std::string value, std::string source);

    [[nodiscard]] Report& report() { return *report_; }
    void finish();

 private:
    template <class Codec, class Target>
    bool read(std::string_view key, Target& target, const Codec& codec) {
        const Value* found = find(key);
        if (found == nullptr) return false;
        const FaultSink sink = [&](Place where, std::string message) {
            fault_at(where, key, std::move(message));
        };
        auto value = codec.read(*found, sink);
        if (!value) return false;
        target = std::move(*value);
        return true;
    }
    [[nodiscard]] static std::string missing(std::string_view example);

    Report* report_;
    std::string section_;
    const Table* table_;
    Place place_;
    std::vector<std::string> known_, faulty_;
};

}  // namespace config
