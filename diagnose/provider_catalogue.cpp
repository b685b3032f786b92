#include "diagnose/provider_catalogue.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>
#include <algorithm>

#include "base/text.hpp"
#include "config/data/data.hpp"
#include "diagnose/data_file.hpp"

namespace diagnose {
namespace {

// "email-smtp.{region}.amazonaws.com" as a glob.
std::string host_glob(std::string_view host) {
    std::string glob;
    for (bool inside = false; const char c : host) {
        if (c == '{') glob += '*';
        inside = c == '{' || (inside && c != '}');
        if (!inside && c != '}') glob += c;
    }
    return glob;
}

// Of its mechanisms none is for passwords.
bool takes_tokens_only(const std::vector<std::string>& mechanisms) {
    return !mechanisms.empty() &&
           std::all_of(mechanisms.begin(), mechanisms.end(), [](const std::string& name) {
               return name == "XOAUTH2" || name == "OAUTHBEARER";
           });
}

ProviderFacts read_provider(const toml::table& table) {
    const auto text = [&](std::string_view key) { return table[key].value_or(std::string{}); };
    ProviderFacts facts;
    facts.id = text("id");
    facts.name = text("name");
    for (std::string& host : texts_of(table["hosts"])) facts.hosts.push_back(host_glob(host));
    if (const toml::array* ports = table["ports"].as_array()) {
        for (const toml::node& port : *ports) {
            facts.ports.push_back((*port.as_table())["port"].value_or(std::uint16_t{0}));
        }
    }
    facts.spf_include = text("spf_include");
    // Behind a blank stands a remark for people.
    facts.spf_include = facts.spf_include.substr(0, facts.spf_include.find(' '));
    facts.envelope = text("envelope");
    facts.dkim_selectors = texts_of(table["dkim_selectors"]);
    facts.free_domains = texts_of(table["free_domains"]);
    facts.setup_url = text("setup_url");
    const std::string literal = text("username_literal");
    facts.username = literal.empty() ? text("username") : fmt::format("\"{}\"", literal);
    facts.password = text("password");
    facts.sign_in = text("sign_in");
    facts.note = text("note");
    facts.token_url = table["oauth2"]["token"].value_or(std::string{});
    facts.scope = table["oauth2"]["scope"].value_or(std::string{});
    facts.oauth2_only = takes_tokens_only(texts_of(table["auth"]));
    facts.from_rule = text("from_rule");
    facts.limits = text("limits");
    facts.size_mb = table["size_mb"].value_or(0);
    return facts;
}

struct Speaker {
    std::string provider;
    std::vector<std::string> hosts;
};

template <class Row, class Read>
std::vector<Row> read_list(std::string_view file, std::string_view list, Read read) {
    std::vector<Row> rows;
    const toml::table document = toml::parse(file);
    if (const toml::array* entries = document[list].as_array()) {
        for (const toml::node& node : *entries) rows.push_back(read(*node.as_table()));
    }
    return rows;
}

const std::vector<ProviderFacts>& providers() {
    static const auto rows =
        read_list<ProviderFacts>(config::data::smarthosts_toml(), "smarthost", read_provider);
    return rows;
}

const std::vector<Speaker>& exchangers() {
    static const auto rows =
        read_list<Speaker>(config::data::replies_toml(), "speaker", [](const toml::table& table) {
            return Speaker{table["provider"].value_or(std::string{}), texts_of(table["hosts"])};
        });
    return rows;
}

bool any_matches(const std::vector<std::string>& globs, std::string_view host) {
    return std::any_of(globs.begin(), globs.end(),
                       [&](const std::string& glob) { return base::glob_match(glob, host); });
}

template <class Rows, class Fits>
auto find_row(const Rows& rows, Fits fits) -> decltype(&rows.front()) {
    const auto found = std::find_if(rows.begin(), rows.end(), fits);
    return found == rows.end() ? nullptr : &*found;
}

}  // namespace

const ProviderFacts* find_provider(std::string_view id) {
    return find_row(providers(), [&](const ProviderFacts& row) { return row.id == id; });
}

const ProviderFacts* provider_of_smarthost(std::string_view host) {
    return find_row(providers(),
                    [&](const ProviderFacts& row) { return any_matches(row.hosts, host); });
}

std::vector<std::string_view> providers_on_port(std::uint16_t port) {
    std::vector<std::string_view> names;
    for (const ProviderFacts& row : providers()) {
        if (std::ranges::find(row.ports, port) != row.ports.end()) names.emplace_back(row.name);
    }
    return names;
}

const ProviderFacts* provider_of_free_domain(std::string_view domain) {
    return find_row(providers(), [&](const ProviderFacts& row) {
        return any_matches(row.free_domains, domain);
    });
}

std::string speaker_of_host(std::string_view host) {
    const auto at_host = [&](const Speaker& row) { return any_matches(row.hosts, host); };
    if (const ProviderFacts* provider = provider_of_smarthost(host)) {
        // Regions of one service answer alike, and the catalogue of replies knows it by one name.
        return base::starts_with_ignoring_case(provider->id, "mailgun") ? "mailgun" : provider->id;
    }
    const Speaker* speaker = find_row(exchangers(), at_host);
    return speaker == nullptr ? "" : speaker->provider;
}

}  // namespace diagnose
