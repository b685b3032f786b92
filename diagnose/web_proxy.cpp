#include "diagnose/web_proxy.hpp"

#include <cstdlib>
#include <string_view>

#include "base/text.hpp"

namespace diagnose {

std::string web_proxy() {
    for (const char* name :
         {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy"}) {
        const char* value = std::getenv(name);
        if (value == nullptr || *value == '\0') continue;
        std::string_view url{value};
        if (const auto scheme = url.find("://"); scheme != url.npos) url.remove_prefix(scheme + 3);
        url = url.substr(0, url.find('/'));
        if (const auto user = url.rfind('@'); user != url.npos) url.remove_prefix(user + 1);
        return base::printable(url, 100);
    }
    return {};
}

}  // namespace diagnose
