#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "diagnose/host.hpp"

namespace diagnose {

// A link-local service that tells an instance about itself.
struct MetadataService {
    std::string put_first, put_header;  // a token is fetched by PUT first
    std::string url, header;            // with the token, where there is one, as the header's value
    std::string answer_header, answer_prefix, public_ip;
};

// The marks of one platform: any of them is enough.
struct CloudMarks {
    const CloudPolicy* policy = nullptr;
    std::vector<std::map<std::string, std::string>> dmi_any;  // field[_prefix|_contains] -> value
    std::vector<std::string> env, ptr_suffixes;
    std::string file, kernel_cmdline;
    MetadataService metadata;
    bool weak = false;
};

struct IspMarks {
    const IspPolicy* policy = nullptr;
    std::vector<std::string> ptr;  // globs
};

struct PtrToken {
    std::vector<std::string> words;
    bool negative = false;  // speaks for a fixed address
};

struct HostCatalogue {
    std::vector<CloudMarks> clouds;
    std::vector<IspMarks> isps;
    std::vector<std::pair<std::string, const CloudPolicy*>> cloud_ptr;  // suffix
    std::vector<PtrToken> tokens;
    std::map<std::string, std::string> environments;  // id -> what it means
};

// config/data/clouds.toml and isps.toml; static storage.
[[nodiscard]] const HostCatalogue& host_catalogue();

// What this host shows of itself without being asked over the network.
struct HostMarks {
    HostMarks() = default;
    std::map<std::string, std::string> dmi;  // by file name
    std::map<std::string, std::string> env;
    std::vector<std::string> files;  // that exist, of those the catalogue names
    std::string kernel_cmdline;
    std::string cgroup;     // /proc/1/cgroup
    std::string container;  // $container of process 1
};

// The platform these marks speak of, strong marks before weak ones. Pure.
void match_marks(const HostMarks& marks, HostIdentity& identity);

// What a PTR name tells: ISP, cloud (only when nothing better is known), end user. Pure.
void match_ptr(const std::string& ptr, const std::string& address, HostIdentity& identity);

}  // namespace diagnose
