#include "relay/sink_mailbox.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cerrno>
#include <utility>

#include "admin/json.hpp"
#include "base/draft_file.hpp"
#include "base/text.hpp"
#include "base/units.hpp"
#include "smtp/envelope_names.hpp"

namespace relay {
namespace {

namespace json = boost::json;

constexpr std::size_t recipients_shown = 5;

json::object recipient_json(const smtp::Recipient& recipient) {
    json::object object;
    object["address"] = recipient.address;
    object["notify"] = recipient.notify.text();
    object["orcpt"] = recipient.orcpt;
    return object;
}

std::string envelope_json(const SinkMessage& message) {
    json::object object;
    object["id"] = message.id.text();
    object["received"] = base::format_iso8601(message.received);
    object["from"] = message.envelope.reverse_path;
    json::array to, recipients;
    for (const smtp::Recipient& recipient : message.envelope.recipients) {
        to.emplace_back(recipient.address);
        recipients.emplace_back(recipient_json(recipient));
    }
    object["to"] = std::move(to);
    object["recipients"] = std::move(recipients);
    object["size"] = message.size;
    object["body"] = smtp::body_name(message.envelope.body);
    object["smtputf8"] = message.envelope.smtputf8;
    object["ret"] = smtp::ret_name(message.envelope.ret);
    object["envid"] = message.envelope.envid;
    object["client"] = message.client;
    object["helo"] = message.helo;
    object["protocol"] = message.protocol;
    object["user"] = message.user;
    if (message.tls_version.empty()) {
        object["tls"] = nullptr;
    } else {
        json::object tls;
        tls["version"] = message.tls_version;
        tls["cipher"] = message.tls_cipher;
        object["tls"] = std::move(tls);
    }
    return admin::json_line(object);
}

}  // namespace

std::string describe(const SinkMessage& message) {
    std::string to;
    std::size_t shown = 0;
    for (const smtp::Recipient& recipient : message.envelope.recipients) {
        if (shown == recipients_shown) {
            to += fmt::format(" and {} more", message.envelope.recipients.size() - shown);
            break;
        }
        to += fmt::format("{}<{}>", shown++ == 0 ? "" : ", ", recipient.address);
    }
    std::string line =
        fmt::format("accepted {} from <{}> to {}: {}", message.id.text(),
                    message.envelope.reverse_path, to, base::human_size(message.size));
    line += message.tls_version.empty() ? ", no TLS" : ", " + message.tls_version;
    if (!message.user.empty()) line += ", user " + message.user;
    return base::printable(line, 1000);
}

base::Result<> write_whole_file(const std::filesystem::path& path, std::string_view content) {
    base::DraftFile draft{path};
    if (draft.open() && draft.write(content) && draft.place()) return {};
    return base::error(
        fmt::format("{}: cannot be written: {}", path.string(), base::errno_text(errno)));
}

base::Result<> store(const SinkMessage& message, const std::filesystem::path& directory) {
    const std::string stem = message.id.text();
    base::Result<> kept = write_whole_file(directory / (stem + ".eml"), message.content);
    if (kept.has_error()) return kept;
    return write_whole_file(directory / (stem + ".json"), envelope_json(message));
}

}  // namespace relay
