#include "diagnose/host_catalogue.hpp"

#include <toml++/toml.h>
#include <deque>

#include "base/text.hpp"
#include "config/data/data.hpp"
#include "diagnose/data_file.hpp"

namespace diagnose {
namespace {

CloudPolicy read_policy(const toml::table& table) {
    CloudPolicy policy;
    policy.id = text_of(table["id"]);
    policy.name = text_of(table["name"]);
    policy.kind = text_of(table["kind"]);
    policy.blocked = ports_of(table["blocked"]);
    policy.blocked_scope = text_of(table["blocked_scope"]);
    policy.lift = text_of(table["lift"]);
    policy.lift_how = text_of(table["lift_how"]);
    policy.lift_url = text_of(table["lift_url"]);
    policy.native_relay = text_of(table["native_relay"]);
    policy.rdns = text_of(table["rdns"]);
    policy.note = text_of(table["note"]);
    policy.relay_ports = ports_of(table["relay_ports"]);
    policy.open = ports_of(table["open"]);
    policy.documented = text_of(table["confidence"]) == "documented";
    policy.checked = table["checked"].value_or(false);
    return policy;
}

MetadataService read_metadata(const DataView& table) {
    MetadataService service;
    service.put_first = text_of(table["put_first"]);
    service.put_header = text_of(table["put_header"]);
    service.url = text_of(table["url"]);
    service.header = text_of(table["header"]);
    service.answer_header = text_of(table["answer_header"]);
    service.answer_prefix = text_of(table["answer_prefix"]);
    service.public_ip = text_of(table["public_ip"]);
    return service;
}

CloudMarks read_marks(const DataView& detect, const CloudPolicy* policy) {
    CloudMarks marks;
    marks.policy = policy;
    if (const toml::array* tables = detect["dmi_any"].as_array()) {
        for (const toml::node& node : *tables) {
            std::map<std::string, std::string> fields;
            for (const auto& [key, value] : *node.as_table()) {
                fields[std::string{key.str()}] = value.value_or(std::string{});
            }
            marks.dmi_any.push_back(std::move(fields));
        }
    }
    marks.env = texts_of(detect["env"]);
    marks.ptr_suffixes = texts_of(detect["ptr_suffix"]);
    marks.file = text_of(detect["file"]);
    marks.kernel_cmdline = text_of(detect["kernel_cmdline"]);
    marks.metadata = read_metadata(detect["metadata"]);
    marks.weak = detect["weak"].value_or(false);
    return marks;
}

IspPolicy read_isp(const toml::table& table) {
    IspPolicy policy;
    policy.id = text_of(table["id"]);
    policy.name = text_of(table["name"]);
    policy.policy = text_of(table["policy"]);
    policy.scope = text_of(table["scope"]);
    policy.lift = text_of(table["lift"]);
    policy.note = text_of(table["note"]);
    policy.smarthosts = texts_of(table["smarthost"]);
    policy.ports = ports_of(table["ports"]);
    policy.documented = text_of(table["confidence"]) == "documented";
    policy.checked = table["checked"].value_or(false);
    return policy;
}

void read_clouds(HostCatalogue& catalogue, std::deque<CloudPolicy>& policies) {
    const toml::table document = toml::parse(config::data::clouds_toml());
    for (const toml::node& node : *document["cloud"].as_array()) {
        const toml::table& table = *node.as_table();
        policies.push_back(read_policy(table));
        catalogue.clouds.push_back(read_marks(table["detect"], &policies.back()));
    }
    for (const toml::node& node : *document["environment"].as_array()) {
        const toml::table& table = *node.as_table();
        catalogue.environments[text_of(table["id"])] = text_of(table["meaning"]);
    }
}

void read_isps(HostCatalogue& catalogue, std::deque<IspPolicy>& policies,
               const std::deque<CloudPolicy>& clouds) {
    const toml::table document = toml::parse(config::data::isps_toml());
    for (const toml::node& node : *document["isp"].as_array()) {
        const toml::table& table = *node.as_table();
        policies.push_back(read_isp(table));
        catalogue.isps.push_back({&policies.back(), texts_of(table["ptr"])});
    }
    for (const toml::node& node : *document["ptr_token"].as_array()) {
        const toml::table& table = *node.as_table();
        catalogue.tokens.push_back({texts_of(table["tokens"]), table["negative"].value_or(false)});
    }
    for (const toml::node& node : *document["cloud_ptr"].as_array()) {
        const toml::table& table = *node.as_table();
        for (const CloudPolicy& cloud : clouds) {
            if (cloud.id != text_of(table["cloud"])) continue;
            catalogue.cloud_ptr.emplace_back(text_of(table["suffix"]), &cloud);
        }
    }
}

}  // namespace

const HostCatalogue& host_catalogue() {
    // Deques, so that the policies stay where they are.
    static std::deque<CloudPolicy> clouds;
    static std::deque<IspPolicy> isps;
    static const HostCatalogue catalogue = [] {
        HostCatalogue made;
        read_clouds(made, clouds);
        read_isps(made, isps, clouds);
        return made;
    }();
    return catalogue;
}

}  // namespace diagnose
