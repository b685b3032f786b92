#include "smtp/header_downgrade.hpp"

#include <algorithm>
#include <iterator>

#include "base/text.hpp"
#include "smtp/encoded_word.hpp"

namespace smtp {
namespace {

enum class FieldKind { unstructured, addresses, parameters, opaque };

struct FieldRow {
    std::string_view name;
    FieldKind kind;
};

// Where a field has a grammar, encoded words may stand only at some places of it (RFC 2047
// section 5). Opaque ones have no such place.
constexpr FieldRow known_fields[] = {
    {"From", FieldKind::addresses},
    {"Sender", FieldKind::addresses},
    {"Reply-To", FieldKind::addresses},
    {"To", FieldKind::addresses},
    {"Cc", FieldKind::addresses},
    {"Bcc", FieldKind::addresses},
    {"Resent-From", FieldKind::addresses},
    {"Resent-Sender", FieldKind::addresses},
    {"Resent-Reply-To", FieldKind::addresses},
    {"Resent-To", FieldKind::addresses},
    {"Resent-Cc", FieldKind::addresses},
    {"Resent-Bcc", FieldKind::addresses},
    {"Disposition-Notification-To", FieldKind::addresses},
    {"Mail-Followup-To", FieldKind::addresses},
    {"Content-Type", FieldKind::parameters},
    {"Content-Disposition", FieldKind::parameters},
    {"Content-Transfer-Encoding", FieldKind::opaque},
    {"Content-ID", FieldKind::opaque},
    {"MIME-Version", FieldKind::opaque},
    {"Date", FieldKind::opaque},
    {"Resent-Date", FieldKind::opaque},
    {"Message-ID", FieldKind::opaque},
    {"Resent-Message-ID", FieldKind::opaque},
    {"In-Reply-To", FieldKind::opaque},
    {"References", FieldKind::opaque},
    {"Received", FieldKind::opaque},
    {"Return-Path", FieldKind::opaque},
    {"DKIM-Signature", FieldKind::opaque},
    {"Authentication-Results", FieldKind::opaque},
    {"List-Unsubscribe", FieldKind::opaque},
    {"", FieldKind::opaque},  // a line that is no field
};

FieldKind kind_of(std::string_view name) {
    const auto* const row = std::ranges::find_if(known_fields, [&](const FieldRow& known) {
        return base::equals_ignoring_case(known.name, name);
    });
    return row == std::end(known_fields) ? FieldKind::unstructured : row->kind;
}

}  // namespace

std::string ascii_only(std::string_view text) {
    std::string out{text};
    for (char& c : out) {
        if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
    return out;
}

std::string encode_field(const HeaderField& field) {
    if (!base::is_ascii(field.name)) return ascii_only(field.raw);  // nothing encodes a name
    const std::string value = unfold(field.value);
    switch (kind_of(field.name)) {
        case FieldKind::addresses:
            return fold_field(field.name, encode_addresses(value));
        case FieldKind::parameters:
            return fold_field(field.name, encode_parameters(value));
        case FieldKind::unstructured:
            return fold_field(field.name, encode_unstructured(value));
        case FieldKind::opaque:
            break;
    }
    return ascii_only(field.raw);
}

}  // namespace smtp
