#include "smtp/downgrade.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "smtp/client_session.hpp"
#include "smtp/encoded_word.hpp"
#include "smtp/envelope.hpp"
#include "smtp/header_downgrade.hpp"
#include "smtp/line_limit.hpp"
#include "smtp/mime_entity.hpp"
#include "smtp/mime_scanner.hpp"
#include "smtp/part_facts.hpp"
#include "smtp/transfer_encoding.hpp"

namespace smtp {
namespace {

constexpr int max_depth = 32;  // of parts inside parts; deeper ones are left as they are

bool has_long_line(std::string_view text) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const bool cr = end > 0 && text[end - 1] == '\r';
        if (end - (cr ? 1 : 0) > longest_text_line) return true;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return false;
}

bool has_eight_bit_boundary(const HeaderField& field) {
    if (!base::equals_ignoring_case(field.name, "Content-Type")) return false;
    const ParameterizedValue type = split_parameters(field.value);
    return std::ranges::any_of(type.parameters, [](const auto& parameter) {
        return base::equals_ignoring_case(parameter.first, "boundary") &&
               !base::is_ascii(parameter.second);
    });
}

// What the header of an entity says of its body.
struct Described {
    std::string type, encoding;  // in lower case
    MimeScanner::Shape shape;
};

// A fold or a new line break spoils a signature; a line that is too long mostly does not matter to
// the far side.
Described describe(const MimeEntity& entity, const MimeScanner::Place& place) {
    const HeaderField* const type_field = find_field(entity, "Content-Type");
    const HeaderField* const encoding_field = find_field(entity, "Content-Transfer-Encoding");
    const ParameterizedValue type =
        split_parameters(type_field == nullptr ? "" : type_field->value);
    Described result;
    result.type = base::to_lower(type.value);
    result.encoding =
        base::to_lower(encoding_field == nullptr ? "" : base::trim(encoding_field->value));
    result.shape.in_signed =
        place.in_signed || (place.index == 0 && find_field(entity, "DKIM-Signature") != nullptr);
    if (place.depth >= max_depth) return result;
    const bool identity = result.encoding != "base64" && result.encoding != "quoted-printable";
    if (identity && (result.type == "message/rfc822" || result.type == "message/global")) {
        result.shape.kind = MimeScanner::Kind::message;
    } else if (result.type.starts_with("multipart/")) {
        const auto boundary = std::ranges::find_if(type.parameters, [](const auto& parameter) {
            return base::equals_ignoring_case(parameter.first, "boundary");
        });
        if (boundary == type.parameters.end()) return result;
        result.shape.kind = MimeScanner::Kind::multipart;
        result.shape.boundary = boundary->second;
    }
    return result;
}

// The first pass: the facts of each part's content.
class Study : public MimeScanner::Visitor {
 public:
    std::vector<PartFacts> facts;

    MimeScanner::Shape header(const MimeEntity& entity, const MimeScanner::Place& place) override {
        facts.emplace_back();
        survey_ = {};
        Described described = describe(entity, place);
        // For its parts alone: until one comes it may be a leaf.
        if (described.type == "multipart/signed") described.shape.in_signed = true;
        return std::move(described.shape);
    }
    void body(std::string_view piece) override { survey_.write(piece, facts.back()); }
    void body_ended() override { survey_.finish(facts.back()); }
    // Of a multipart none of whose parts comes it is the body.
    void preamble(std::string_view piece) override { survey_.write(piece, facts.back()); }
    void has_parts(std::size_t index) override { facts[index].has_parts = true; }
    void epilogue(std::string_view) override {}
    void delimiter(std::string_view) override {}

 private:
    PartSurvey survey_;
};

// The second pass.
class Rewriter : public MimeScanner::Visitor {
 public:
    Rewriter(const Downgrade& plan, const std::vector<PartFacts>& facts)
        : plan_(plan), facts_(facts) {}
    std::string out;

    MimeScanner::Shape header(const MimeEntity& entity, const MimeScanner::Place& place) override;
    void body(std::string_view piece) override;
    void body_ended() override;
    void preamble(std::string_view piece) override { write_loose_text(piece); }
    void epilogue(std::string_view piece) override { write_loose_text(piece); }
    void has_parts(std::size_t) override {}
    void delimiter(std::string_view text) override { write_loose_text(text); }

 private:
    void write_header(const MimeEntity& entity, std::string_view new_encoding, bool in_signed);
    void write_field(const HeaderField& field, bool in_signed);
    void write_loose_text(std::string_view text);
    [[nodiscard]] std::optional<Recoding> recoding_for(const Described& described) const;

    Downgrade plan_;
    const std::vector<PartFacts>& facts_;
    PartFacts part_;    // whose content comes now
    bool top_ = false;  // it is the message's own
    std::optional<ContentEncoder> encoder_;
    bool spoils_ = false;  // 8-bit bytes of the content are lost
    std::string tail_;     // its last two bytes
};

MimeScanner::Shape Rewriter::header(const MimeEntity& entity, const MimeScanner::Place& place) {
    part_ = facts_[place.index];
    top_ = place.index == 0;
    encoder_.reset();
    spoils_ = false;
    tail_.clear();
    Described described = describe(entity, place);
    MimeScanner::Shape& shape = described.shape;
    if (shape.kind == MimeScanner::Kind::multipart && !part_.has_parts) {
        shape.kind = MimeScanner::Kind::leaf;
    }
    if (shape.kind != MimeScanner::Kind::leaf) {
        if (described.type == "multipart/signed") shape.in_signed = true;
        const bool eight_bit = described.encoding == "8bit" || described.encoding == "binary";
        write_header(entity, plan_.quoted_printable && eight_bit ? "7bit" : "", shape.in_signed);
        return std::move(shape);
    }
    // Where base64 was said and is not, no other encoding could be read; what ignores the bytes
    // that are none (RFC 2045 section 6.8) ignores question marks as well.
    spoils_ = plan_.quoted_printable && part_.eight_bit && described.encoding == "base64";
    std::string_view encoding;
    if (const std::optional<Recoding> recoding = recoding_for(described)) {
        encoder_.emplace(*recoding);
        if (*recoding == Recoding::base64) encoding = "base64";
        if (*recoding == Recoding::quoted_printable) encoding = "quoted-printable";
    }
    write_header(entity, encoding, shape.in_signed);
    return std::move(shape);
}

// Nothing when the content can stay as it is.
std::optional<Recoding> Rewriter::recoding_for(const Described& described) const {
    const bool unfit = plan_.quoted_printable && (part_.nul || part_.eight_bit);
    const bool too_long = plan_.fold_long_lines && !described.shape.in_signed && part_.long_line;
    if (!unfit && !too_long) return std::nullopt;
    const std::string& encoding = described.encoding;
    if (encoding == "quoted-printable") return Recoding::repaired_quoted_printable;
    if (encoding == "base64") {
        return too_long ? std::optional{Recoding::rewrapped_base64} : std::nullopt;
    }
    constexpr std::array<std::string_view, 4> identities{"", "7bit", "8bit", "binary"};
    const bool identity = std::ranges::find(identities, encoding) != identities.end();
    // An encoding nobody registered, such as x-uuencode, stays. With 8-bit bytes in it, it mostly
    // is none but a name such as "utf-8" or "8-bit" in the wrong place.
    if (!identity && !unfit) return std::nullopt;
    const std::string& type = described.type;
    const bool text = type.empty() || type.starts_with("text/") || type.starts_with("message/");
    return part_.nul || !text ? Recoding::base64 : Recoding::quoted_printable;
}

void Rewriter::body(std::string_view piece) {
    std::string spoilt;
    if (spoils_) piece = spoilt = ascii_only(piece);
    if (!encoder_) {
        out += piece;
        return;
    }
    encoder_->write(piece, out);
    tail_ += piece.substr(piece.size() - std::min<std::size_t>(piece.size(), 2));
    if (tail_.size() > 2) tail_.erase(0, tail_.size() - 2);
}

// Inside a multipart the last line end is the delimiter's.
void Rewriter::body_ended() {
    if (encoder_) encoder_->finish(top_ || tail_ == "\r\n", out);
    encoder_.reset();
}

// Preamble and epilogue are shown to nobody, and a boundary is named in the same way.
void Rewriter::write_loose_text(std::string_view text) {
    if (plan_.quoted_printable && !base::is_ascii(text)) {
        out += ascii_only(text);
    } else {
        out += text;
    }
}

void Rewriter::write_header(const MimeEntity& entity, std::string_view new_encoding,
                            bool in_signed) {
    bool placed = new_encoding.empty();
    for (const HeaderField& field : entity.fields) {
        if (!new_encoding.empty() &&
            base::equals_ignoring_case(field.name, "Content-Transfer-Encoding")) {
            if (!placed) out += fmt::format("{}: {}\r\n", field.name, new_encoding);
            placed = true;
            continue;
        }
        write_field(field, in_signed);
    }
    if (!placed) {
        // RFC 2045 section 4: without MIME-Version nobody need look at the encoding.
        if (top_ && find_field(entity, "MIME-Version") == nullptr) out += "MIME-Version: 1.0\r\n";
        if (find_field(entity, "Content-Type") == nullptr) {
            out += fmt::format("Content-Type: text/plain; charset={}\r\n",
                               part_.not_utf8 ? "unknown-8bit" : "utf-8");
        }
        out += fmt::format("Content-Transfer-Encoding: {}\r\n", new_encoding);
    }
    out += entity.separator.empty() && !placed ? std::string_view{"\r\n"} : entity.separator;
}

void Rewriter::write_field(const HeaderField& field, bool in_signed) {
    const bool spared = plan_.spare_signed && in_signed;
    const bool encode = (plan_.encode_headers && !spared) || plan_.quoted_printable;
    const bool fold = plan_.fold_long_lines && !in_signed && !field.name.empty();
    if (plan_.quoted_printable && has_eight_bit_boundary(field)) {
        out += ascii_only(field.raw);  // no encoding of it would be found again in the delimiters
    } else if (encode && !base::is_ascii(field.raw)) {
        out += encode_field(field);
    } else if (fold && has_long_line(field.raw)) {
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

struct DowngradeRun::State {
    explicit State(const Downgrade& plan) : rewriter(plan, study.facts) {}
    Study study;
    MimeScanner first{study};
    Rewriter rewriter;
    MimeScanner second{rewriter};
};

DowngradeRun::DowngradeRun(const Downgrade& plan) : state_(std::make_unique<State>(plan)) {}
DowngradeRun::~DowngradeRun() = default;

void DowngradeRun::study(std::string_view piece) { state_->first.write(piece); }

void DowngradeRun::finish_study() { state_->first.finish(); }

std::string DowngradeRun::rewrite(std::string_view piece) {
    state_->second.write(piece);
    return std::exchange(state_->rewriter.out, {});
}

std::string DowngradeRun::finish() {
    state_->second.finish();
    return std::exchange(state_->rewriter.out, {});
}

bool DowngradeRun::gave_up() const { return state_->first.gave_up(); }

}  // namespace smtp
