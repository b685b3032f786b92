#include "net/dns_message.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <optional>

namespace net {
namespace {

constexpr std::size_t longest_name = 255;  // RFC 1035 section 3.1

// Takes numbers and names from a message and remembers the first step beyond its end.
class Reader {
 public:
    explicit Reader(std::string_view message) : message_(message) {}

    [[nodiscard]] bool good() const { return good_; }
    [[nodiscard]] std::size_t position() const { return position_; }

    std::uint8_t byte() {
        if (position_ >= message_.size()) good_ = false;
        return good_ ? static_cast<std::uint8_t>(message_[position_++]) : std::uint8_t{0};
    }

    std::uint16_t number() {
        const unsigned high = byte();
        return static_cast<std::uint16_t>(high << 8 | byte());
    }

    std::string_view bytes(std::size_t count) {
        if (count > message_.size() - position_) good_ = false;
        if (!good_) return {};
        position_ += count;
        return message_.substr(position_ - count, count);
    }

    // RFC 1035 section 4.1.4. A pointer must lead backwards, which rules out loops.
    std::string name() {
        std::string text;
        std::size_t lowest = position_;
        std::optional<std::size_t> after;
        for (std::uint8_t length = byte(); good_ && length != 0; length = byte()) {
            if (length >= 0xc0) {
                const std::size_t target = (length & 0x3fU) << 8 | byte();
                if (!after) after = position_;
                if (target >= lowest) good_ = false;
                lowest = position_ = std::min(target, message_.size());
                continue;
            }
            if (length > 63) good_ = false;  // 01 and 10 are reserved
            append_label(text, bytes(length));
            if (text.size() > 4 * longest_name) good_ = false;
        }
        if (after) position_ = *after;
        return text.empty() ? "." : text;
    }

 private:
    // As in a zone file (RFC 1035 section 5.1), so that a label can not pose as two.
    static void append_label(std::string& text, std::string_view label) {
        if (!text.empty()) text += '.';
        for (const char c : label) {
            const auto value = static_cast<unsigned char>(c);
            if (value <= ' ' || value >= 127) {
                text += fmt::format("\\{:03}", value);
            } else {
                if (c == '.' || c == '\\') text += '\\';
                text += c;
            }
        }
    }

    std::string_view message_;
    std::size_t position_ = 0;
    bool good_ = true;
};

std::string read_text(Reader& reader, std::size_t end) {
    std::string text;
    while (reader.good() && reader.position() < end) text += reader.bytes(reader.byte());
    return text;
}

boost::asio::ip::address read_address(Reader& reader, std::size_t size) {
    const std::string_view octets = reader.bytes(size);
    if (!reader.good()) return {};
    if (size == 4) {
        boost::asio::ip::address_v4::bytes_type bytes;
        std::copy_n(octets.begin(), bytes.size(), bytes.begin());
        return boost::asio::ip::address_v4{bytes};
    }
    boost::asio::ip::address_v6::bytes_type bytes;
    std::copy_n(octets.begin(), bytes.size(), bytes.begin());
    return boost::asio::ip::address_v6{bytes};
}

TlsaRecord read_tlsa(Reader& reader, std::size_t end) {
    TlsaRecord record;
    record.usage = reader.byte();
    record.selector = reader.byte();
    record.matching = reader.byte();
    if (end >= reader.position()) record.data = reader.bytes(end - reader.position());
    return record;
}

// RFC 1035 section 8: the first label is the local part.
std::string mailbox_of(std::string name) {
    for (std::size_t at = 0; at < name.size(); ++at) {
        if (name[at] == '\\') {
            name.erase(at, 1);
        } else if (name[at] == '.') {
            name[at] = '@';
            break;
        }
    }
    return name;
}

SoaRecord read_soa(Reader& reader, std::string owner) {
    SoaRecord record;
    record.zone = std::move(owner);
    reader.name();  // the primary server
    record.contact = mailbox_of(reader.name());
    reader.bytes(20);  // serial and times
    return record;
}

void read_record(Reader& reader, RecordType type, std::string owner, std::size_t end,
                 DnsMessage& message) {
    switch (type) {
        case RecordType::a:
            message.records.addresses.push_back(read_address(reader, 4));
            return;
        case RecordType::aaaa:
            message.records.addresses.push_back(read_address(reader, 16));
            return;
        case RecordType::cname:
            message.records.aliases.push_back(reader.name());
            return;
        case RecordType::soa:
            message.records.soa = read_soa(reader, std::move(owner));
            return;
        case RecordType::tlsa:
            message.records.tlsa.push_back(read_tlsa(reader, end));
            return;
        case RecordType::mx: {
            MxRecord record;
            record.preference = reader.number();
            record.host = reader.name();
            message.mx.push_back(std::move(record));
            return;
        }
        case RecordType::txt:
            message.txt.push_back(read_text(reader, end));
            return;
        case RecordType::ptr:
            message.ptr.push_back(reader.name());
            return;
    }
}

// One record, if it is of a wanted type; false when it does not fit its own length.
bool read_answer(Reader& reader, std::initializer_list<RecordType> wanted, DnsMessage& message) {
    std::string owner = reader.name();
    const std::uint16_t record_type = reader.number();
    const std::uint16_t record_class = reader.number();
    reader.bytes(4);  // time to live
    const std::uint16_t length = reader.number();
    const std::size_t end = reader.position() + length;
    constexpr std::uint16_t internet = 1;
    const auto type = static_cast<RecordType>(record_type);
    const bool fits = std::find(wanted.begin(), wanted.end(), type) != wanted.end();
    if (!fits || record_class != internet) {
        reader.bytes(length);
        return reader.good();
    }
    read_record(reader, type, std::move(owner), end, message);
    return reader.good() && reader.position() == end;
}

}  // namespace

base::Result<DnsMessage> parse_dns_message(std::string_view bytes, RecordType type) {
    Reader reader{bytes};
    DnsMessage message;
    reader.number();  // id: the transport has matched it
    const std::uint16_t flags = reader.number();
    const std::uint16_t questions = reader.number();
    const std::uint16_t answers = reader.number();
    const std::uint16_t authorities = reader.number();
    reader.bytes(2);  // count of the last section
    if (!reader.good()) return base::error("a DNS message shorter than its header");
    message.response_code = flags & 0x0fU;
    message.records.authentic = (flags & 0x20U) != 0;  // RFC 4035 section 3.2.3
    for (unsigned i = 0; i < questions && reader.good(); ++i) {
        reader.name();
        reader.bytes(4);
    }
    for (unsigned i = 0; i < answers && reader.good(); ++i) {
        if (!read_answer(reader, {type, RecordType::cname}, message)) {
            return base::error(fmt::format("a DNS message that is broken in answer {}", i + 1));
        }
    }
    if (!reader.good()) return base::error("a DNS message that ends too early");
    for (unsigned i = 0; i < authorities && reader.good(); ++i) {
        if (!read_answer(reader, {RecordType::soa}, message)) break;  // nothing depends on it
    }
    std::stable_sort(message.mx.begin(), message.mx.end(),
                     [](const auto& a, const auto& b) { return a.preference < b.preference; });
    return message;
}

}  // namespace net
