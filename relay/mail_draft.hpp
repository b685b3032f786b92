#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace relay {

struct Attachment {
    std::string name;     // without folders
    std::string content;  // any bytes
};

// A message to be written by `relay send`.
struct MailDraft {
    std::string from, to, subject, body;
    std::string message_id;  // without angle brackets
    base::Time date{};
    std::vector<Attachment> attachments;
};

// RFC 5322 and MIME, CRLF lines of at most 998 bytes and, but for addresses that are not ASCII
// themselves, seven bits only: it passes every hop as it is. A body that does not fit is sent as
// base64, subject and file names as RFC 2047 and RFC 2231 have it.
[[nodiscard]] std::string write_mail(const MailDraft& draft);

// By the name's ending (RFC 6838); application/octet-stream when it is not known.
[[nodiscard]] std::string_view media_type(std::string_view file_name);

}  // namespace relay
