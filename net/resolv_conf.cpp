#include "net/resolv_conf.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/text.hpp"

namespace net {
namespace {

void take_options(std::istringstream& words, ResolvConf& conf) {
    for (std::string word; words >> word;) {
        if (word == "use-vc" || word == "usevc") conf.use_vc = true;
        if (word == "rotate") conf.rotate = true;
    }
}

}  // namespace

ResolvConf parse_resolv_conf(std::string_view text, std::string_view more) {
    ResolvConf conf;
    for (const std::string_view line : base::split(text, '\n')) {
        std::istringstream words{std::string{line}};
        std::string keyword, value;
        if (!(words >> keyword)) continue;
        if (keyword == "options") take_options(words, conf);
        if (keyword == "nameserver" && words >> value) conf.servers.push_back(value);
    }
    std::istringstream words{std::string{more}};
    take_options(words, conf);
    return conf;
}

ResolvConf read_resolv_conf(const std::string& path) {
    std::ifstream file{path};
    std::stringstream text;
    text << file.rdbuf();
    const char* more = std::getenv("RES_OPTIONS");
    return parse_resolv_conf(text.str(), more == nullptr ? "" : more);
}

}  // namespace net
