#include "relay/mail_draft.hpp"

#include <algorithm>

#include "admin/target.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"

namespace relay {

namespace {

constexpr std::size_t longest_line = 998;  // RFC 5322 section 2.1.1

struct MediaType {
    std::string_view ending, type;
};

constexpr MediaType media_types[] = {
    {".csv", "text/csv"},    {".gif", "image/gif"},       {".gz", "application/gzip"},
    {".htm", "text/html"},   {".html", "text/html"},      {".ics", "text/calendar"},
    {".jpeg", "image/jpeg"}, {".jpg", "image/jpeg"},      {".json", "application/json"},
    {".log", "text/plain"},  {".md", "text/markdown"},    {".pdf", "application/pdf"},
    {".png", "image/png"},   {".svg", "image/svg+xml"},   {".txt", "text/plain"},
    {".webp", "image/webp"}, {".xml", "application/xml"}, {".zip", "application/zip"},
};

// Every line end as CRLF, also at the end.
std::string crlf_lines(std::string_view text) {
    std::string lines;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
        lines +=
            (text[i] == '\n' || text[i] == '\r') ? std::string_view{"\r\n"} : text.substr(i, 1);
    }
    if (!lines.ends_with("\r\n")) lines += "\r\n";
    return lines;
}

bool fits_seven_bit(std::string_view crlf_text) {
    if (!base::is_ascii(crlf_text) || crlf_text.find('\0') != std::string_view::npos) return false;
    const auto lines = base::split(crlf_text, '\n');
    return std::all_of(lines.begin(), lines.end(),
                       [](std::string_view line) { return line.size() <= longest_line; });
}

// RFC 2045 section 6.8: lines of 76.
std::string base64_lines(std::string_view bytes) {
    std::string lines;
    for (; !bytes.empty(); bytes.remove_prefix(std::min<std::size_t>(57, bytes.size()))) {
        lines += base::base64_encode(bytes.substr(0, 57)) + "\r\n";
    }
    return lines;
}

// The length of the longest piece that ends between two characters.
std::size_t whole_characters(std::string_view text, std::size_t limit) {
    if (text.size() <= limit) return text.size();
    while (limit > 1 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U) --limit;
    return limit;
}

// A header value that can hold no line end: one would begin a header of the caller's making.
std::string one_line(std::string_view text) {
    std::string line{text};
    std::replace_if(
        line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
    return line;
}

// RFC 2047 section 2: encoded words of at most 75 characters, one a line.
std::string encoded_text(std::string_view text) {
    const std::string line = one_line(text);
    if (base::is_ascii(line) && line.size() < 900) return line;
    std::string words;
    for (std::string_view rest = line; !rest.empty();) {
        const std::size_t length = whole_characters(rest, 42);
        if (!words.empty()) words += "\r\n ";
        words += "=?UTF-8?B?" + base::base64_encode(rest.substr(0, length)) + "?=";
        rest.remove_prefix(length);
    }
    return words;
}

std::string file_name_parameter(std::string_view name) {
    const std::string line = one_line(name);
    if (!base::is_ascii(line)) return "filename*=UTF-8''" + admin::percent_encode(line);
    std::string quoted;
    for (const char c : line) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return "filename=\"" + quoted + "\"";
}

std::string text_part(std::string_view body) {
    const std::string lines = crlf_lines(body);
    if (fits_seven_bit(lines)) {
        return "Content-Type: text/plain; charset=us-ascii\r\n"
               "Content-Transfer-Encoding: 7bit\r\n\r\n" +
               lines;
    }
    return "Content-Type: text/plain; charset=utf-8\r\n"
           "Content-Transfer-Encoding: base64\r\n\r\n" +
           base64_lines(lines);
}

std::string attachment_part(const Attachment& attachment) {
    return "Content-Type: " + std::string(media_type(attachment.name)) +
           "\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n " +
           file_name_parameter(attachment.name) + "\r\n\r\n" + base64_lines(attachment.content);
}

// No line of base64 or of a text that was looked at can begin with it (RFC 2046 section 5.1.1).
std::string unused_boundary(const MailDraft& draft) {
    std::string boundary = "=_relay_" + draft.message_id.substr(0, 40);
    std::erase_if(boundary, [](char c) { return c == '"' || c == '\\' || c == '<' || c == '>'; });
    while (draft.body.find(boundary) != std::string::npos) boundary += '_';
    return boundary;
}

}  // namespace

std::string_view media_type(std::string_view file_name) {
    const std::string name = base::to_lower(file_name);
    for (const MediaType& row : media_types) {
        if (name.ends_with(row.ending)) return row.type;
    }
    return "application/octet-stream";
}

std::string write_mail(const MailDraft& draft) {
    std::string mail = "Date: " + base::format_rfc5322(draft.date) + "\r\n" +
                       "From: " + one_line(draft.from) + "\r\n" + "To: " + one_line(draft.to) +
                       "\r\n" + "Subject: " + encoded_text(draft.subject) + "\r\n" +
                       "Message-ID: <" + draft.message_id + ">\r\n" + "MIME-Version: 1.0\r\n";
    if (draft.attachments.empty()) return mail + text_part(draft.body);
    const std::string boundary = unused_boundary(draft);
    mail += "Content-Type: multipart/mixed;\r\n boundary=\"" + boundary + "\"\r\n\r\n";
    mail += "--" + boundary + "\r\n" + text_part(draft.body);
    for (const Attachment& attachment : draft.attachments) {
        mail += "\r\n--" + boundary + "\r\n" + attachment_part(attachment);
    }
    return mail + "\r\n--" + boundary + "--\r\n";
}

}  // namespace relay
