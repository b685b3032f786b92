#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "base/text.hpp"
#include "diagnose/host_catalogue.hpp"
#include "diagnose/ptr_name.hpp"

namespace diagnose {
namespace {

bool field_fits(const HostMarks& marks, std::string key, const std::string& wanted) {
    const bool prefix = key.ends_with("_prefix");
    const bool contains = key.ends_with("_contains");
    if (prefix || contains) key.resize(key.rfind('_'));
    const auto found = marks.dmi.find(key);
    if (found == marks.dmi.end()) return false;
    if (prefix) return found->second.starts_with(wanted);
    if (contains) return found->second.find(wanted) != std::string::npos;
    return found->second == wanted;
}

std::string fitting_dmi(const CloudMarks& cloud, const HostMarks& marks) {
    for (const auto& fields : cloud.dmi_any) {
        const bool all = std::all_of(fields.begin(), fields.end(), [&](const auto& field) {
            return field_fits(marks, field.first, field.second);
        });
        if (!all || fields.empty()) continue;
        return fmt::format("DMI {} is \"{}\"", fields.begin()->first, fields.begin()->second);
    }
    return {};
}

// How these marks speak of the cloud, "" when they do not.
std::string fitting_mark(const CloudMarks& cloud, const HostMarks& marks) {
    for (const std::string& name : cloud.env) {
        if (marks.env.contains(name)) return "environment variable " + name;
    }
    const std::string dmi = fitting_dmi(cloud, marks);
    if (!dmi.empty()) return dmi;
    const auto& files = marks.files;
    if (!cloud.file.empty() && std::find(files.begin(), files.end(), cloud.file) != files.end()) {
        return "file " + cloud.file;
    }
    const std::string& word = cloud.kernel_cmdline;
    if (!word.empty() && marks.kernel_cmdline.find(word) != std::string::npos) {
        return fmt::format("kernel command line has \"{}\"", word);
    }
    return {};
}

// An environment variable tells of the narrower platform: a function runs on its cloud's machines.
int weight(const CloudMarks& cloud, const std::string& how) {
    if (cloud.weak) return 1;
    return how.starts_with("environment") ? 3 : 2;
}

void match_container(const HostMarks& marks, HostIdentity& identity) {
    const auto has_file = [&](std::string_view name) {
        return std::find(marks.files.begin(), marks.files.end(), name) != marks.files.end();
    };
    const auto in_cgroup = [&](std::string_view word) {
        return marks.cgroup.find(word) != std::string::npos;
    };
    std::string id;
    if (marks.env.contains("KUBERNETES_SERVICE_HOST") || in_cgroup("kubepods")) {
        identity.container = "Kubernetes pod";
        id = "kubernetes";
    } else if (has_file("/.dockerenv") || in_cgroup("/docker/") || marks.container == "docker") {
        identity.container = "Docker container";
        id = "docker";
    } else if (has_file("/run/.containerenv") || marks.container == "podman") {
        identity.container = "Podman container";
        id = "docker";
    } else if (!marks.container.empty() || in_cgroup("/lxc")) {
        identity.container = (marks.container.empty() ? "lxc" : marks.container) + " container";
        id = "docker";
    }
    const auto& environments = host_catalogue().environments;
    const auto found = environments.find(id);
    if (found != environments.end()) identity.container_meaning = found->second;
}

bool under(const std::string& name, const std::string& suffix) {
    return name == suffix || name.ends_with("." + suffix);
}

const CloudPolicy* cloud_of_ptr(const std::string& ptr) {
    for (const auto& [suffix, cloud] : host_catalogue().cloud_ptr) {
        if (under(ptr, suffix)) return cloud;
    }
    for (const CloudMarks& cloud : host_catalogue().clouds) {
        for (const std::string& suffix : cloud.ptr_suffixes) {
            if (under(ptr, suffix)) return cloud.policy;
        }
    }
    return nullptr;
}

}  // namespace

void match_marks(const HostMarks& marks, HostIdentity& identity) {
    int best = 0;
    for (const CloudMarks& cloud : host_catalogue().clouds) {
        const std::string how = fitting_mark(cloud, marks);
        if (how.empty() || weight(cloud, how) <= best) continue;
        best = weight(cloud, how);
        identity.cloud = cloud.policy;
        identity.cloud_certain = !cloud.weak;
        identity.cloud_how = how;
    }
    match_container(marks, identity);
}

void match_ptr(const std::string& ptr, const std::string& address, HostIdentity& identity) {
    if (identity.ptr.empty()) identity.ptr = ptr;
    const CloudPolicy* cloud = cloud_of_ptr(ptr);
    if (cloud != nullptr) {
        if (identity.cloud == nullptr) {
            identity.cloud = cloud;
            identity.cloud_how = "the address's PTR is " + ptr;
        }
        return;
    }
    for (const IspMarks& isp : host_catalogue().isps) {
        const bool fits = std::any_of(isp.ptr.begin(), isp.ptr.end(), [&](const auto& shape) {
            return base::glob_match(shape, ptr);
        });
        if (!fits) continue;
        identity.isp = isp.policy;
        identity.residential = true;
        return;
    }
    if (identity.cloud != nullptr) return;
    boost::system::error_code failure;
    const auto parsed = boost::asio::ip::make_address(address, failure);
    const bool end_user = !failure && generic_ptr(ptr, parsed);
    identity.residential = identity.residential || end_user;
}

}  // namespace diagnose
