#include "smtp/received.hpp"

#include <algorithm>
#include <string_view>

namespace smtp {
namespace {

constexpr std::size_t longest_name = 255;

bool belongs_in_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{".-_:[]"}.find(c) != std::string_view::npos;
}

// A client may say anything in EHLO. Parentheses, semicolons or blanks would change what the
// field means to whoever traces the message.
void append_name(std::string& field, std::string_view name) {
    if (name.empty()) name = "unknown";
    for (const char c : name.substr(0, longest_name)) field += belongs_in_name(c) ? c : '?';
}

void append_address(std::string& field, std::string_view address) {
    if (address.empty()) {
        field += " (local socket)";
        return;
    }
    const bool six = address.find(':') != std::string_view::npos;
    field.append(six ? " ([IPv6:" : " ([");
    append_name(field, address);
    field += "])";
}

// Addresses were parsed, but a recipient may also come from a rewriting rule.
bool fits_a_field(std::string_view address) {
    return std::none_of(address.begin(), address.end(), [](char c) {
        return static_cast<unsigned char>(c) < ' ' || c == 0x7f || c == '<' || c == '>';
    });
}

}  // namespace

std::string received_field(const ReceivedTrace& trace) {
    std::string field;
    field.reserve(256 + trace.recipient.size());
    field += "Received: from ";
    append_name(field, trace.client_name);
    append_address(field, trace.client_address);
    field += "\r\n\tby ";
    append_name(field, trace.hostname);
    field.append(" with ").append(trace.protocol).append(" id ").append(trace.id);
    if (!trace.recipient.empty() && fits_a_field(trace.recipient)) {
        field.append("\r\n\tfor <").append(trace.recipient).append(">");
    }
    field.append(";\r\n\t").append(trace.date).append("\r\n");
    return field;
}

}  // namespace smtp
