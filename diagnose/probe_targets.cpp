#include "diagnose/probe_targets.hpp"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <charconv>
#include <optional>

#include "base/text.hpp"
#include "config/data/data.hpp"
#include "diagnose/data_file.hpp"

namespace diagnose {
namespace {

constexpr std::size_t quorum_size = 5;  // more would add load on others, not certainty

HostPorts read_host_ports(const toml::table& table) {
    return {text_of(table["host"]), ports_of(table["ports"])};
}

ProbeTarget read_target(const toml::table& table) {
    ProbeTarget target;
    target.operator_name = table["operator"].value_or(std::string{});
    target.mx_domain = table["mx_domain"].value_or(std::string{});
    target.hosts = texts_of(table["mx_hosts"]);
    target.banner = table["banner"].value_or(std::string{});
    target.starttls = table["starttls"].value_or(true);
    target.control_echo = table["control_echo"].value_or(false);
    if (const toml::array* controls = table["control"].as_array()) {
        for (const toml::node& control : *controls) {
            target.controls.push_back(read_host_ports(*control.as_table()));
        }
    }
    return target;
}

// The file is checked by its schema test; here it is taken as it should be.
TargetCatalogue read_catalogue() {
    const toml::table document = toml::parse(config::data::targets_toml());
    TargetCatalogue catalogue;
    for (const toml::node& node : *document["target"].as_array()) {
        const toml::table& table = *node.as_table();
        catalogue.all.push_back(read_target(table));
        const bool regional = table.contains("regional");
        if (!regional && catalogue.quorum.size() < quorum_size) {
            catalogue.quorum.push_back(catalogue.all.back());
        }
    }
    for (const toml::node& node : *document["alt_target"].as_array()) {
        catalogue.alternates.push_back(read_host_ports(*node.as_table()));
    }
    for (const toml::node& node : *document["plain_address"].as_array()) {
        catalogue.addresses.push_back(read_host_ports(*node.as_table()));
    }
    for (const toml::node& node : *document["plain_control"].as_array()) {
        const toml::table& table = *node.as_table();
        TargetCatalogue::PlainControl control;
        control.url = table["url"].value_or(std::string{});
        control.status = table["status"].value_or(200U);
        control.body = table["body"].value_or(std::string{});
        catalogue.plain_controls.push_back(std::move(control));
    }
    return catalogue;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (failure != std::errc{} || end != text.data() + text.size() || port == 0)
        return std::nullopt;
    return port;
}

base::Result<ProbeTarget> parse_host_port(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    std::string_view host = text.substr(0, colon);
    const std::optional<std::uint16_t> port = parse_port(text.substr(colon + 1));
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    if (!port || host.empty() || (!bracketed && host.find(':') != host.npos)) {
        return base::error(fmt::format(
            "probe target \"{}\": expected a mail domain or \"host:port\", such as \"gmail.com\", "
            "\"192.0.2.1:25\" or \"[2001:db8::1]:25\"",
            base::printable(text)));
    }
    ProbeTarget target;
    target.operator_name = text;
    target.hosts.emplace_back(host);
    target.port = *port;
    return target;
}

}  // namespace

const TargetCatalogue& built_in_targets() {
    static const TargetCatalogue catalogue = read_catalogue();
    return catalogue;
}

base::Result<ProbeTarget> parse_probe_target(std::string_view text) {
    if (text.find(':') != text.npos) return parse_host_port(text);
    const std::vector<ProbeTarget>& known = built_in_targets().all;
    const auto found = std::find_if(known.begin(), known.end(), [&](const ProbeTarget& target) {
        return base::equals_ignoring_case(target.mx_domain, text);
    });
    if (found != known.end()) return *found;
    if (text.find('.') == text.npos || text.find_first_of(" /@\t") != text.npos) {
        return base::error(fmt::format(
            "probe target \"{}\" is no mail domain: expected a name such as \"gmail.com\", or "
            "\"host:port\"",
            base::printable(text)));
    }
    ProbeTarget target;
    target.operator_name = text;
    target.mx_domain = text;
    return target;
}

}  // namespace diagnose
