#pragma once

#include <string_view>

namespace smtp {

// Signs that a web browser speaks to a port for mail: a page can make it send what it likes behind
// the request line and the header fields, and those are what it cannot choose freely. Case is
// ignored, for a page chooses that of the method.

// Whether a line begins a request, as far as its first bytes tell: "POST /", "GET http:".
[[nodiscard]] bool begins_http_request(std::string_view start_of_line);
// Whether a whole line is a request line, whatever its method: "FOO / HTTP/1.1".
[[nodiscard]] bool is_http_request_line(std::string_view line);
// Whether a line is a field that no request goes without. The header of a message has some of them
// too: only where no message can be meant they tell of a browser.
[[nodiscard]] bool is_http_request_field(std::string_view line);

}  // namespace smtp
