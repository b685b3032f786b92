// The formats are those of https://www.sqlite.org/fileformat2.html#walformat and
// https://www.sqlite.org/walformat.html.
#include "spool/log_check.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace spool {
namespace {

using Bytes = std::span<const char>;

constexpr std::size_t log_header_size = 32;
constexpr std::size_t frame_header_size = 24;
constexpr std::size_t index_header_size = 48;
constexpr std::uint32_t log_version = 3007000;

std::uint32_t swapped(std::uint32_t value) { return __builtin_bswap32(value); }

std::uint32_t native_word(Bytes bytes, std::size_t at) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

std::uint32_t big_endian_word(Bytes bytes, std::size_t at) {
    const std::uint32_t value = native_word(bytes, at);
    return std::endian::native == std::endian::little ? swapped(value) : value;
}

// The running checksum of the log, over words whose byte order its header chooses.
struct Checksum {
    bool swap = false;
    std::uint32_t first = 0, second = 0;

    void add(Bytes bytes) {
        for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
            first += word(bytes, at) + second;
            second += word(bytes, at + 4) + first;
        }
    }
    [[nodiscard]] std::uint32_t word(Bytes bytes, std::size_t at) const {
        const std::uint32_t value = native_word(bytes, at);
        return swap ? swapped(value) : value;
    }
    [[nodiscard]] bool matches(Bytes bytes, std::size_t at) const {
        return big_endian_word(bytes, at) == first && big_endian_word(bytes, at + 4) == second;
    }
};

struct LogHeader {
    std::array<char, log_header_size> bytes{};
    std::uint32_t page_size = 0;
    Checksum checksum;

    [[nodiscard]] std::string_view salts() const { return {bytes.data() + 16, 8}; }
    [[nodiscard]] bool read(std::ifstream& file) {
        if (!file.read(bytes.data(), bytes.size())) return false;
        const std::uint32_t magic = big_endian_word(bytes, 0);
        page_size = big_endian_word(bytes, 8);
        if ((magic & ~1U) != 0x377f0682 || page_size < 512 || page_size > 65536) return false;
        const bool big_endian = (magic & 1U) != 0;
        checksum.swap = big_endian != (std::endian::native == std::endian::big);
        checksum.add(Bytes{bytes}.first(24));
        return checksum.matches(bytes, 24);
    }
};

void examine_frames(std::ifstream& file, LogHeader& header, LogFindings& findings) {
    std::vector<char> frame(frame_header_size + header.page_size);
    bool whole = true;
    for (std::uint32_t number = 1;
         file.read(frame.data(), static_cast<std::streamsize>(frame.size())); ++number) {
        const Bytes bytes{frame};
        const bool current = std::string_view{frame.data() + 8, 8} == header.salts();
        const bool commits = big_endian_word(bytes, 4) != 0;
        if (whole) {
            header.checksum.add(bytes.first(8));
            header.checksum.add(bytes.subspan(frame_header_size));
            whole = current && header.checksum.matches(bytes, 16);
        }
        if (!current || !commits) continue;
        if (whole) {
            findings.readable = number;
        } else {
            ++findings.beyond;
        }
    }
}

struct IndexHeader {
    std::array<char, index_header_size> bytes{};

    [[nodiscard]] std::string_view salts() const { return {bytes.data() + 32, 8}; }
    [[nodiscard]] std::uint32_t committed() const { return native_word(Bytes{bytes}, 16); }
    [[nodiscard]] bool read(const std::string& name) {
        if (!std::ifstream{name, std::ios::binary}.read(bytes.data(), bytes.size())) return false;
        Checksum checksum;
        checksum.add(Bytes{bytes}.first(40));
        return native_word(bytes, 0) == log_version && native_word(bytes, 40) == checksum.first &&
               native_word(bytes, 44) == checksum.second;
    }
};

}  // namespace

LogFindings examine_log(const std::filesystem::path& database) {
    LogFindings findings;
    std::ifstream file{database.string() + "-wal", std::ios::binary};
    findings.present = file.is_open();
    LogHeader header;
    const bool has_header = header.read(file);
    if (has_header) examine_frames(file, header, findings);
    IndexHeader index;
    if (!index.read(database.string() + "-shm")) return findings;
    findings.committed = index.committed();
    // A log of another generation than the one that was committed to.
    if (!has_header || index.salts() != header.salts()) findings.readable = 0;
    return findings;
}

}  // namespace spool
