#include "relay/sink_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace relay {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_enhanced_code(std::string_view word) {
    const std::vector<std::string_view> parts = base::split(word, '.');
    return parts.size() == 3 && std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
               return !part.empty() && part.size() <= 3 &&
                      std::all_of(part.begin(), part.end(), is_digit);
           });
}

bool is_hidden(std::string_view line, const SinkFaults& faults) {
    if (!line.starts_with("250-") && !line.starts_with("250 ")) return false;
    const std::string_view keyword = line.substr(4, line.find_first_of(" \r", 4) - 4);
    return std::any_of(faults.hidden.begin(), faults.hidden.end(), [&](const std::string& name) {
        return base::equals_ignoring_case(name, keyword);
    });
}

}  // namespace

base::Result<smtp::Reply> parse_fault_reply(std::string_view text) {
    const std::string_view code = text.substr(0, text.find(' '));
    const bool valid = code.size() == 3 && std::all_of(code.begin(), code.end(), is_digit) &&
                       code[0] >= '2' && code[0] <= '5';
    if (!valid) {
        return base::error(fmt::format(
            "\"{}\" is no SMTP reply: expected a code and a text, such as \"451 4.3.0 Try later\"",
            base::printable(text)));
    }
    smtp::Reply reply;
    reply.code = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
    std::string_view rest = base::trim(text.substr(3));
    const std::string_view word = rest.substr(0, rest.find(' '));
    if (is_enhanced_code(word)) {
        reply.enhanced = word;
        rest = base::trim(rest.substr(word.size()));
    }
    reply.text = rest.empty() ? "As told" : std::string{rest};
    return reply;
}

base::Result<smtp::Reply> parse_refusing_reply(std::string_view text) {
    base::Result<smtp::Reply> reply = parse_fault_reply(text);
    if (!reply || reply->code >= 400) return reply;
    return base::error(
        fmt::format("\"{}\" refuses nothing: the code must be from 400 to 599, as in \"451 4.3.0 "
                    "Try later\"",
                    base::printable(text)));
}

base::Result<SinkRefusal> parse_refusal(std::string_view text, const smtp::Reply& usual) {
    SinkRefusal refusal;
    refusal.reply = usual;
    const std::size_t equals = text.find('=');
    refusal.pattern = base::trim(text.substr(0, equals));
    if (refusal.pattern.empty()) {
        return base::error("a refusal needs an address pattern, such as \"*@example.com\"");
    }
    if (equals == text.npos) return refusal;
    base::Result<smtp::Reply> reply = parse_refusing_reply(base::trim(text.substr(equals + 1)));
    if (reply.has_error()) return reply.error();
    refusal.reply = std::move(*reply);
    return refusal;
}

base::Result<smtp::Stage> parse_drop_stage(std::string_view text) {
    using smtp::Stage;
    constexpr std::array stages{Stage::connect, Stage::greeting, Stage::ehlo, Stage::mail,
                                Stage::rcpt,    Stage::data,     Stage::body, Stage::final_dot};
    std::vector<std::string> names;
    for (const Stage stage : stages) {
        if (smtp::stage_name(stage) == text) return stage;
        names.emplace_back(smtp::stage_name(stage));
    }
    return base::error(fmt::format("\"{}\" is no stage to drop at: expected one of {}",
                                   base::printable(text), base::join(names, ", ")));
}

base::Result<std::string> parse_extension(std::string_view text) {
    static const std::vector<std::string> known{
        "8BITMIME",   "AUTH", "CHUNKING", "DSN",     "ENHANCEDSTATUSCODES", "HELP", "LIMITS",
        "PIPELINING", "SIZE", "SMTPUTF8", "STARTTLS"};
    std::string name = base::to_upper(text);
    if (std::find(known.begin(), known.end(), name) != known.end()) return name;
    return base::error(fmt::format("\"{}\" is no extension of the sink: expected one of {}",
                                   base::printable(text), base::join(known, ", ")));
}

std::string apply_faults(std::string output, const SinkFaults& faults) {
    if (faults.hidden.empty() && !faults.auth_reply) return output;
    std::string result;
    std::size_t last_kept = 0;  // where the line before the one in hand begins in result
    for (std::size_t begin = 0; begin < output.size();) {
        const std::size_t end = std::min(output.find('\n', begin), output.size() - 1) + 1;
        const std::string_view line = std::string_view{output}.substr(begin, end - begin);
        begin = end;
        if (is_hidden(line, faults)) {
            // The last line of a reply is marked by a blank behind the code: pass that on.
            if (line[3] == ' ' && result.size() > last_kept + 3) result[last_kept + 3] = ' ';
            continue;
        }
        last_kept = result.size();
        if (faults.auth_reply && line.starts_with("535 ")) {
            faults.auth_reply->append_to(result);
        } else {
            result += line;
        }
    }
    return result;
}

}  // namespace relay
