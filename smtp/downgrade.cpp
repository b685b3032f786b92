#include "smtp/downgrade.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/text.hpp"
#include "smtp/client_session.hpp"
#include "smtp/encoded_word.hpp"
#include "smtp/envelope.hpp"
#include "smtp/mime_entity.hpp"
#include "smtp/transfer_encoding.hpp"

namespace smtp {
namespace {

constexpr std::size_t max_line = 998;  // RFC 5321 section 4.5.3.1.6, without CRLF
constexpr int max_depth = 32;          // of parts inside parts; deeper ones are left as they are

bool has_long_line(std::string_view text) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const bool cr = end > 0 && text[end - 1] == '\r';
        if (end - (cr ? 1 : 0) > max_line) return true;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return false;
}

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

std::string ascii_only(std::string_view text) {
    std::string out{text};
    for (char& c : out) {
        if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
    return out;
}

std::string encode_field(const HeaderField& field) {
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

// What a leaf part's content becomes. encoding: its new Content-Transfer-Encoding, "" as it was.
struct Recoded {
    std::string_view encoding;
    std::string content;
};

class Downgrader {
 public:
    explicit Downgrader(const Downgrade& plan) : plan_(plan) {}
    std::string out;

    void message(std::string_view text) {
        const MimeEntity entity = split_entity(text);
        // A fold or a new line break spoils a signature; a line that is too long mostly does not
        // matter to the far side.
        signed_ = signed_ || find_field(entity, "DKIM-Signature") != nullptr;
        write_entity(entity, 0, true);
    }

 private:
    void write_entity(const MimeEntity& entity, int depth, bool top);
    void write_header(const MimeEntity& entity, std::string_view new_encoding, bool top);
    void write_field(const HeaderField& field);
    void write_multipart(const MultipartBody& body, int depth);
    void write_loose_text(std::string_view text);
    void write_leaf(const MimeEntity& entity, const std::string& type, std::string_view encoding,
                    bool top);
    [[nodiscard]] Recoded recode(std::string_view body, const std::string& type,
                                 std::string_view encoding, bool top) const;
    [[nodiscard]] bool too_long(std::string_view text) const {
        return plan_.fold_long_lines && !signed_ && has_long_line(text);
    }

    Downgrade plan_;
    bool signed_ = false;
};

void Downgrader::write_entity(const MimeEntity& entity, int depth, bool top) {
    const HeaderField* type_field = find_field(entity, "Content-Type");
    const HeaderField* encoding_field = find_field(entity, "Content-Transfer-Encoding");
    const ParameterizedValue type =
        split_parameters(type_field == nullptr ? "" : type_field->value);
    const std::string name = base::to_lower(type.value);
    const std::string encoding =
        base::to_lower(encoding_field == nullptr ? "" : base::trim(encoding_field->value));
    const std::string_view seven_bit =
        plan_.quoted_printable && (encoding == "8bit" || encoding == "binary") ? "7bit" : "";
    const bool identity = encoding != "base64" && encoding != "quoted-printable";
    if (depth < max_depth && name.starts_with("multipart/")) {
        const auto boundary = std::ranges::find_if(type.parameters, [](const auto& parameter) {
            return base::equals_ignoring_case(parameter.first, "boundary");
        });
        const std::optional<MultipartBody> body =
            boundary == type.parameters.end() ? std::nullopt
                                              : split_multipart(entity.body, boundary->second);
        if (body) {
            const bool outer = signed_;
            signed_ = signed_ || name == "multipart/signed";
            write_header(entity, seven_bit, top);
            write_multipart(*body, depth);
            signed_ = outer;
            return;
        }
    }
    if (depth < max_depth && identity && (name == "message/rfc822" || name == "message/global")) {
        write_header(entity, seven_bit, top);
        write_entity(split_entity(entity.body), depth + 1, false);
        return;
    }
    write_leaf(entity, name, encoding, top);
}

void Downgrader::write_multipart(const MultipartBody& body, int depth) {
    write_loose_text(body.preamble);
    for (const MultipartBody::Part& part : body.parts) {
        out += part.delimiter;
        // The line end before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1).
        std::string_view content = part.content, line_end;
        if (content.ends_with("\r\n")) {
            line_end = content.substr(content.size() - 2);
            content.remove_suffix(2);
        }
        write_entity(split_entity(content), depth + 1, false);
        out += line_end;
    }
    out += body.close;
    write_loose_text(body.epilogue);
}

// Preamble and epilogue are shown to nobody.
void Downgrader::write_loose_text(std::string_view text) {
    if (plan_.quoted_printable && !base::is_ascii(text)) {
        out += ascii_only(text);
    } else {
        out += text;
    }
}

void Downgrader::write_leaf(const MimeEntity& entity, const std::string& type,
                            std::string_view encoding, bool top) {
    const Recoded recoded = recode(entity.body, type, encoding, top);
    write_header(entity, recoded.encoding, top);
    if (recoded.content.empty()) {
        out += entity.body;
    } else {
        out += recoded.content;
    }
}

// The content is empty when it can stay as it is.
Recoded Downgrader::recode(std::string_view body, const std::string& type,
                           std::string_view encoding, bool top) const {
    const bool nul = body.find('\0') != std::string_view::npos;
    const bool unfit = plan_.quoted_printable && (nul || !base::is_ascii(body));
    if (!unfit && !too_long(body)) return {};
    Recoded recoded;
    if (encoding == "quoted-printable") {
        recoded.content = repair_quoted_printable(body);
    } else if (encoding == "base64") {
        if (unfit) return {};  // not base64 at all: nobody could read it, whatever is done to it
        recoded.content = rewrap_base64(body);
    } else if (encoding.empty() || encoding == "7bit" || encoding == "8bit" ||
               encoding == "binary") {
        const bool text = type.empty() || type.starts_with("text/") || type.starts_with("message/");
        recoded.encoding = nul || !text ? "base64" : "quoted-printable";
        recoded.content = nul || !text ? base64_lines(body) : quoted_printable(body);
    } else {
        return {};  // an encoding nobody registered, such as x-uuencode
    }
    // Inside a multipart the last line end is the delimiter's and is written by its owner.
    const bool added_line_end = recoded.content.ends_with("\r\n") && !body.ends_with("\r\n");
    if (!top && added_line_end) recoded.content.resize(recoded.content.size() - 2);
    return recoded;
}

void Downgrader::write_header(const MimeEntity& entity, std::string_view new_encoding, bool top) {
    bool placed = new_encoding.empty();
    for (const HeaderField& field : entity.fields) {
        if (!new_encoding.empty() &&
            base::equals_ignoring_case(field.name, "Content-Transfer-Encoding")) {
            if (!placed) out += fmt::format("{}: {}\r\n", field.name, new_encoding);
            placed = true;
            continue;
        }
        write_field(field);
    }
    if (!placed) {
        // RFC 2045 section 4: without MIME-Version nobody need look at the encoding.
        if (top && find_field(entity, "MIME-Version") == nullptr) out += "MIME-Version: 1.0\r\n";
        if (find_field(entity, "Content-Type") == nullptr) {
            const bool utf8 = base::is_valid_utf8(entity.body);
            out += fmt::format("Content-Type: text/plain; charset={}\r\n",
                               utf8 ? "utf-8" : "unknown-8bit");
        }
        out += fmt::format("Content-Transfer-Encoding: {}\r\n", new_encoding);
    }
    out += entity.separator.empty() && !placed ? std::string_view{"\r\n"} : entity.separator;
}

void Downgrader::write_field(const HeaderField& field) {
    const bool encode = plan_.encode_headers || plan_.quoted_printable;
    if (encode && !base::is_ascii(field.raw)) {
        out += encode_field(field);
    } else if (!field.name.empty() && too_long(field.raw)) {
        out += fold_field(field.name, unfold(field.value));
    } else {
        out += field.raw;
    }
}

bool needs_smtputf8(const Envelope& envelope) {
    return !base::is_ascii(envelope.reverse_path) ||
           std::ranges::any_of(envelope.recipients, [](const Recipient& recipient) {
               return !base::is_ascii(recipient.address);
           });
}

}  // namespace

void ContentSurvey::write(std::string_view chunk) {
    while (!chunk.empty()) {
        const void* const found = std::memchr(chunk.data(), '\n', chunk.size());
        const bool ended = found != nullptr;
        const std::size_t length =
            ended ? static_cast<std::size_t>(static_cast<const char*>(found) - chunk.data())
                  : chunk.size();
        const std::string_view text = chunk.substr(0, length);
        if (!base::is_ascii(text)) (in_header_ ? eight_bit_header_ : eight_bit_body_) = true;
        if (text.find('\0') != std::string_view::npos) nul_bytes_ = true;
        line_ += length;
        if (text.ends_with('\r')) --line_;  // of CRLF; a lone CR is gone before this is asked
        longest_ = std::max(longest_, line_);
        if (ended) {
            if (line_ == 0) in_header_ = false;
            line_ = 0;
        }
        chunk.remove_prefix(ended ? length + 1 : length);
    }
}

std::optional<Downgrade> plan_downgrade(const ContentSurvey& content, const Envelope& envelope,
                                        const Extensions& server) {
    if (needs_smtputf8(envelope) && !server.smtputf8) return std::nullopt;
    const bool binary =
        envelope.body == BodyType::binary_mime && server.binary_mime && server.chunking;
    Downgrade plan;
    plan.encode_headers = content.eight_bit_header() && !server.smtputf8;
    plan.quoted_printable = content.eight_bit_body() && !server.eight_bit_mime && !binary;
    // RFC 5321 section 4.5.2 and RFC 3030 section 3: without BINARYMIME there is no NUL in mail.
    if (content.nul_bytes() && !binary) plan.quoted_printable = true;
    plan.fold_long_lines = content.long_lines() && !binary;
    return plan;
}

std::string apply_downgrade(std::string_view message, const Downgrade& plan) {
    if (!plan.needed()) return std::string{message};
    Downgrader downgrader{plan};
    downgrader.out.reserve(message.size() + message.size() / 2);
    downgrader.message(message);
    return std::move(downgrader.out);
}

}  // namespace smtp
