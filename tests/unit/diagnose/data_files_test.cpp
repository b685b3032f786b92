#include <toml++/toml.h>
#include <functional>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "config/data/data.hpp"
#include "tests/support/catch.hpp"

// Every built-in data file against the fields that its header comment promises.

namespace {

enum class Kind { text, texts, integer, boolean, ports, table, tables, boolean_or_text };

struct Field {
    std::string_view name;
    Kind kind;
    bool required;
    std::vector<std::string_view> values;  // empty: any
};

using Schema = std::vector<Field>;

bool in_range(const toml::node& node) {
    const auto port = node.value<std::int64_t>();
    return port && *port >= 1 && *port <= 65535;
}

bool all_of(const toml::node& node, const std::function<bool(const toml::node&)>& holds) {
    const toml::array* array = node.as_array();
    return array != nullptr && std::all_of(array->begin(), array->end(), holds);
}

bool has_kind(const toml::node& node, Kind kind) {
    switch (kind) {
        case Kind::text:
            return node.is_string();
        case Kind::texts:
            return all_of(node, [](const auto& item) { return item.is_string(); });
        case Kind::integer:
            return node.is_integer();
        case Kind::boolean:
            return node.is_boolean();
        case Kind::ports:
            return all_of(node, in_range);
        case Kind::table:
            return node.is_table();
        case Kind::tables:
            return all_of(node, [](const auto& item) { return item.is_table(); });
        case Kind::boolean_or_text:
            return node.is_boolean() || node.is_string();
    }
    return false;
}

void check_entry(const toml::table& entry, const Schema& schema) {
    for (const Field& field : schema) {
        CAPTURE(field.name);
        const toml::node* node = entry.get(field.name);
        CHECK((node != nullptr || !field.required));
        if (node == nullptr) continue;
        CHECK(has_kind(*node, field.kind));
        if (field.values.empty()) continue;
        const std::string value = node->value_or(std::string{});
        CAPTURE(value);
        CHECK(std::count(field.values.begin(), field.values.end(), value) == 1);
    }
    for (const auto& [key, node] : entry) {
        const std::string_view name = key.str();
        CAPTURE(name, node.source().begin.line);  // a key that the schema does not know
        CHECK(std::any_of(schema.begin(), schema.end(),
                          [&](const Field& field) { return field.name == name; }));
    }
}

Schema with_origin(Schema schema) {
    schema.push_back({"source", Kind::text, true, {}});
    schema.push_back({"confidence", Kind::text, true, {"documented", "reported"}});
    schema.push_back({"checked", Kind::boolean, true, {}});
    return schema;
}

toml::table load(std::string_view text) {
    toml::table document = toml::parse(text);
    CHECK(document["schema"].value_or(0) == 1);
    CHECK(document["gathered"].is_string());
    return document;
}

// Checks each table of one list; ids are unique within it. Returns them.
std::set<std::string> check_list(const toml::table& document, std::string_view list,
                                 const Schema& schema) {
    std::set<std::string> ids;
    CAPTURE(list);
    const toml::array* entries = document[list].as_array();
    REQUIRE(entries != nullptr);
    CHECK_FALSE(entries->empty());
    for (const toml::node& node : *entries) {
        REQUIRE(node.is_table());
        const toml::table& entry = *node.as_table();
        const std::string id = entry["id"].value_or(std::string{});
        CAPTURE(id, node.source().begin.line);
        check_entry(entry, schema);
        if (entry.contains("source")) CHECK_FALSE(entry["source"].value_or(std::string{}).empty());
        if (!entry.contains("id")) continue;
        CHECK_FALSE(id.empty());
        CHECK(ids.insert(id).second);
    }
    return ids;
}

void for_each_entry(const toml::table& document, std::string_view list,
                    const std::function<void(const toml::table&)>& visit) {
    for (const toml::node& node : *document[list].as_array()) visit(*node.as_table());
}

// A link for people or programs. Plain http is for metadata services and portal checks alone.
void check_url(const toml::table& entry, std::string_view key) {
    const std::string url = entry[key].value_or(std::string{});
    CAPTURE(key, url);
    if (entry.contains(key)) CHECK(url.starts_with("https://"));
}

void check_host(const std::string& host) {
    CAPTURE(host);
    CHECK(host.find('.') != std::string::npos);
    CHECK(host == base::to_lower(host));
    CHECK(host.find_first_of(" /:") == std::string::npos);
}

void check_hosts(const toml::table& entry, std::string_view key) {
    if (const toml::array* hosts = entry[key].as_array()) {
        for (const toml::node& host : *hosts) check_host(host.value_or(std::string{}));
    }
}

const std::set<std::string>& smarthost_ids() {
    static const std::set<std::string> ids = [] {
        std::set<std::string> result;
        for_each_entry(toml::parse(config::data::smarthosts_toml()), "smarthost",
                       [&](const auto& entry) { result.insert(entry["id"].value_or("")); });
        return result;
    }();
    return ids;
}

}  // namespace

TEST_CASE("the file of clouds keeps its schema", "[data]") {
    const toml::table document = load(config::data::clouds_toml());
    const std::set<std::string> ids =
        check_list(document, "cloud",
                   with_origin({{"id", Kind::text, true, {}},
                                {"name", Kind::text, true, {}},
                                {"kind", Kind::text, true, {"iaas", "serverless", "paas"}},
                                {"blocked", Kind::ports, true, {}},
                                {"blocked_scope", Kind::text, true, {}},
                                {"open", Kind::ports, true, {}},
                                {"lift",
                                 Kind::text,
                                 true,
                                 {"form", "ticket", "self-service", "plan", "subscription", "never",
                                  "none-documented", "unknown"}},
                                {"lift_how", Kind::text, true, {}},
                                {"lift_url", Kind::text, false, {}},
                                {"relay_ports", Kind::ports, true, {}},
                                {"native_relay", Kind::text, false, {}},
                                {"rdns", Kind::text, false, {}},
                                {"note", Kind::text, false, {}},
                                {"detect", Kind::table, false, {}}}));
    CHECK(ids.count("aws-ec2") == 1);
    for_each_entry(document, "cloud", [](const toml::table& cloud) {
        CAPTURE(cloud["id"].value_or(std::string{}));
        check_url(cloud, "lift_url");
        if (cloud.contains("native_relay")) {
            CHECK(smarthost_ids().count(cloud["native_relay"].value_or("")) == 1);
        }
        if (const toml::table* detect = cloud["detect"].as_table()) {
            check_entry(*detect, {{"dmi", Kind::table, false, {}},
                                  {"dmi_any", Kind::tables, false, {}},
                                  {"uuid_rule", Kind::text, false, {}},
                                  {"metadata", Kind::table, false, {}},
                                  {"env", Kind::texts, false, {}},
                                  {"file", Kind::text, false, {}},
                                  {"kernel_cmdline", Kind::text, false, {}},
                                  {"ptr_suffix", Kind::texts, false, {}},
                                  {"weak", Kind::boolean, false, {}},
                                  {"detect_source", Kind::text, true, {}}});
        }
    });
    check_list(document, "environment",
               with_origin({{"id", Kind::text, true, {}},
                            {"env", Kind::texts, false, {}},
                            {"file", Kind::text, false, {}},
                            {"meaning", Kind::text, true, {}}}));
}

TEST_CASE("the file of smarthosts keeps its schema", "[data]") {
    const toml::table document = load(config::data::smarthosts_toml());
    const std::set<std::string> ids = check_list(
        document, "smarthost",
        with_origin(
            {{"id", Kind::text, true, {}},
             {"name", Kind::text, true, {}},
             {"kind",
              Kind::text,
              true,
              {"mailbox", "transactional", "workspace-relay", "cloud-native", "isp", "hosting"}},
             {"hosts", Kind::texts, true, {}},
             {"ports", Kind::tables, true, {}},
             {"auth", Kind::texts, true, {}},
             {"username", Kind::text, true, {}},
             {"username_literal", Kind::text, false, {}},
             {"password", Kind::text, true, {}},
             {"sign_in", Kind::text, false, {}},
             {"from_rule", Kind::text, false, {}},
             {"limits", Kind::text, false, {}},
             {"size_mb", Kind::integer, false, {}},
             {"spf_include", Kind::text, false, {}},
             {"envelope", Kind::text, false, {"kept", "own"}},
             {"dkim_selectors", Kind::texts, false, {}},
             {"free_domains", Kind::texts, false, {}},
             {"setup_url", Kind::text, false, {}},
             {"note", Kind::text, false, {}},
             {"oauth2", Kind::table, false, {}}}));
    CHECK(ids.count("gmail") == 1);
    for_each_entry(document, "smarthost", [](const toml::table& smarthost) {
        CAPTURE(smarthost["id"].value_or(std::string{}));
        check_url(smarthost, "setup_url");
        CHECK_FALSE(smarthost["hosts"].as_array()->empty());
        CHECK_FALSE(smarthost["ports"].as_array()->empty());
        for (const toml::node& port : *smarthost["ports"].as_array()) {
            check_entry(*port.as_table(), {{"port", Kind::integer, true, {}},
                                           {"security", Kind::text, true, {"starttls", "implicit"}},
                                           {"alt", Kind::boolean, false, {}}});
            CHECK(in_range(*port.as_table()->get("port")));
        }
        if (const toml::table* oauth2 = smarthost["oauth2"].as_table()) {
            check_entry(*oauth2,
                        {{"token", Kind::text, true, {}}, {"scope", Kind::text, true, {}}});
            check_url(*oauth2, "token");
        }
        if (smarthost.contains("note"))
            CHECK(smarthost["note"].value_or(std::string{}).back() == '.');
    });
}

TEST_CASE("the file of access networks keeps its schema", "[data]") {
    const toml::table document = load(config::data::isps_toml());
    check_list(document, "isp",
               with_origin({{"id", Kind::text, true, {}},
                            {"name", Kind::text, true, {}},
                            {"country", Kind::text, true, {}},
                            {"policy",
                             Kind::text,
                             true,
                             {"block", "block-on-abuse", "allow-own-only", "router-whitelist",
                              "transparent-proxy", "starttls-strip"}},
                            {"scope", Kind::text, true, {}},
                            {"smarthost", Kind::texts, false, {}},
                            {"ports", Kind::ports, true, {}},
                            {"lift", Kind::text, false, {}},
                            {"ptr", Kind::texts, false, {}},
                            {"ptr_checked", Kind::boolean, false, {}},
                            {"note", Kind::text, false, {}}}));
    for_each_entry(document, "isp", [](const toml::table& isp) {
        CAPTURE(isp["id"].value_or(std::string{}));
        check_hosts(isp, "smarthost");
        CHECK(isp.contains("ptr") == isp.contains("ptr_checked"));
    });
    check_list(document, "ptr_token",
               with_origin({{"tokens", Kind::texts, true, {}},
                            {"place", Kind::text, true, {}},
                            {"negative", Kind::boolean, false, {}}}));
    check_list(document, "cloud_ptr",
               with_origin({{"suffix", Kind::text, true, {}},
                            {"cloud", Kind::text, true, {}},
                            {"shape", Kind::text, false, {}}}));
    std::set<std::string> clouds;
    for_each_entry(toml::parse(config::data::clouds_toml()), "cloud",
                   [&](const auto& cloud) { clouds.insert(cloud["id"].value_or("")); });
    for_each_entry(document, "cloud_ptr", [&](const toml::table& row) {
        CAPTURE(row["suffix"].value_or(std::string{}));
        CHECK(clouds.count(row["cloud"].value_or("")) == 1);
    });
}

TEST_CASE("the file of probe targets keeps its schema", "[data]") {
    const toml::table document = load(config::data::targets_toml());
    check_list(document, "target",
               with_origin({{"id", Kind::text, true, {}},
                            {"operator", Kind::text, true, {}},
                            {"mx_domain", Kind::text, true, {}},
                            {"mx_hosts", Kind::texts, true, {}},
                            {"control", Kind::tables, true, {}},
                            {"control_echo", Kind::boolean, false, {}},
                            {"echo", Kind::text, true, {"", "ehlo", "reject-url"}},
                            {"echo_shape", Kind::text, false, {}},
                            {"banner", Kind::text, false, {}},
                            {"ipv6", Kind::boolean_or_text, true, {}},
                            {"starttls", Kind::boolean, false, {}},
                            {"picky", Kind::boolean, true, {}},
                            {"regional", Kind::text, false, {}}}));
    std::set<std::string> operators;
    for_each_entry(document, "target", [&](const toml::table& target) {
        CAPTURE(target["id"].value_or(std::string{}));
        CHECK(operators.insert(target["operator"].value_or("")).second);  // unrelated to each other
        check_host(target["mx_domain"].value_or(std::string{}));
        check_hosts(target, "mx_hosts");
        CHECK_FALSE(target["mx_hosts"].as_array()->empty());
        CHECK_FALSE(target["control"].as_array()->empty());
        for (const toml::node& control : *target["control"].as_array()) {
            check_entry(*control.as_table(),
                        {{"host", Kind::text, true, {}}, {"ports", Kind::ports, true, {}}});
            check_host((*control.as_table())["host"].value_or(std::string{}));
        }
    });
    CHECK(operators.size() >= 5);
    check_list(document, "alt_target",
               with_origin({{"host", Kind::text, true, {}}, {"ports", Kind::ports, true, {}}}));
    check_list(document, "plain_address",
               with_origin({{"host", Kind::text, true, {}}, {"ports", Kind::ports, true, {}}}));
    check_list(document, "plain_control",
               with_origin({{"purpose", Kind::text, true, {}},
                            {"url", Kind::text, true, {}},
                            {"status", Kind::integer, true, {}},
                            {"body", Kind::text, true, {}}}));
}

TEST_CASE("the file of replies keeps its schema", "[data]") {
    const toml::table document = load(config::data::replies_toml());
    check_list(
        document, "reply",
        with_origin(
            {{"id", Kind::text, true, {}},
             {"provider", Kind::text, true, {}},
             {"stage", Kind::text, true, {"connect", "ehlo", "auth", "mail", "rcpt", "data"}},
             {"code", Kind::text, true, {}},
             {"enhanced", Kind::text, true, {}},
             {"contains", Kind::texts, true, {}},
             {"bare_code", Kind::boolean, false, {}},
             {"any_enhanced", Kind::boolean, false, {}},
             {"bare_enhanced", Kind::boolean, false, {}},
             {"at_stage", Kind::boolean, false, {}},
             {"ordinary", Kind::boolean, false, {}},
             {"vague", Kind::boolean, false, {}},
             {"verdict", Kind::text, true, {}},
             {"who_fixes",
              Kind::text,
              true,
              {"user", "admin", "provider", "recipient", "program", "nobody"}},
             {"retry", Kind::text, true, {"no", "later", "tomorrow", "after-fix"}},
             {"meaning", Kind::text, true, {}},
             {"fix", Kind::text, true, {}}}));
    for_each_entry(document, "reply", [](const toml::table& reply) {
        const std::string code = reply["code"].value_or(std::string{});
        const std::string enhanced = reply["enhanced"].value_or(std::string{});
        CAPTURE(reply["id"].value_or(std::string{}), code, enhanced);
        CHECK((code.empty() || (code.size() == 3 && code >= "200" && code < "600")));
        CHECK((enhanced.empty() || base::split(enhanced, '.').size() == 3));
        CHECK((code.empty() || enhanced.empty() || code[0] == enhanced[0]));
        const toml::array& contains = *reply["contains"].as_array();
        // An entry without any criterion would fit every reply.
        CHECK_FALSE((code.empty() && enhanced.empty() && contains.empty()));
        for (const toml::node& part : contains) {
            const std::string text = part.value_or(std::string{});
            CAPTURE(text);
            CHECK(text == base::to_lower(text));
            CHECK(text.size() >= 3);
        }
        for (const std::string_view key : {"meaning", "fix"}) {
            const std::string sentence = reply[key].value_or(std::string{});
            CAPTURE(sentence);
            CHECK(sentence.ends_with('.'));
            CHECK(base::to_lower(sentence).find("as above") == std::string::npos);
        }
    });
}

TEST_CASE("the exchangers that speak are those of the replies", "[data]") {
    const toml::table document = load(config::data::replies_toml());
    std::set<std::string> providers;
    for_each_entry(document, "reply",
                   [&](const auto& reply) { providers.insert(reply["provider"].value_or("")); });
    check_list(document, "speaker",
               {{"provider", Kind::text, true, {}}, {"hosts", Kind::texts, true, {}}});
    for_each_entry(document, "speaker", [&](const toml::table& speaker) {
        const std::string provider = speaker["provider"].value_or(std::string{});
        CAPTURE(provider);
        CHECK(providers.count(provider) == 1);
    });
}

TEST_CASE("the file of errors keeps its schema", "[data]") {
    const toml::table document = load(config::data::errors_toml());
    const Field who{"who_fixes",
                    Kind::text,
                    true,
                    {"user", "admin", "provider", "recipient", "program", "nobody"}};
    const Field retry{"retry", Kind::text, true, {"no", "later", "tomorrow", "after-fix"}};
    const Field meaning{"meaning", Kind::text, true, {}}, fix{"fix", Kind::text, true, {}};
    check_list(document, "error",
               with_origin({{"id", Kind::text, true, {}},
                            {"programs", Kind::texts, true, {}},
                            {"contains", Kind::texts, true, {}},
                            {"with", Kind::texts, false, {}},
                            {"ports", Kind::ports, false, {}},
                            {"local", Kind::boolean, false, {}},
                            {"vague", Kind::boolean, false, {}},
                            {"firm", Kind::boolean, false, {}},
                            {"stage",
                             Kind::text,
                             true,
                             {"dns", "connect", "tls", "ehlo", "auth", "mail", "rcpt", "data"}},
                            {"verdict", Kind::text, true, {}},
                            who,
                            retry,
                            meaning,
                            fix}));
    check_list(document, "standard",
               {{"code", Kind::text, false, {}},
                {"enhanced", Kind::text, false, {}},
                who,
                retry,
                meaning,
                fix});
    std::set<std::string> codes;
    for_each_entry(document, "standard", [&](const toml::table& row) {
        const std::string code = row["code"].value_or(std::string{});
        const std::string enhanced = row["enhanced"].value_or(std::string{});
        CAPTURE(code, enhanced);
        CHECK(code.empty() != enhanced.empty());
        CHECK((code.empty() || (code.size() == 3 && code >= "200" && code < "600")));
        CHECK((enhanced.empty() || enhanced.starts_with("x.")));
        CHECK(codes.insert(code + enhanced).second);
    });
    for (const std::string_view list : {"error", "standard"}) {
        for_each_entry(document, list, [](const toml::table& entry) {
            for (const std::string_view key : {"meaning", "fix"}) {
                const std::string sentence = entry[key].value_or(std::string{});
                CAPTURE(sentence);
                CHECK(sentence.ends_with('.'));
            }
        });
    }
    for_each_entry(document, "error", [](const toml::table& entry) {
        CHECK_FALSE(entry["contains"].as_array()->empty());
        for (const std::string_view key : {"contains", "with"}) {
            if (const toml::array* parts = entry[key].as_array()) {
                for (const toml::node& part : *parts) {
                    const std::string text = part.value_or(std::string{});
                    CAPTURE(text);
                    CHECK((text.size() >= 2 && text == base::to_lower(text)));
                }
            }
        }
    });
}
