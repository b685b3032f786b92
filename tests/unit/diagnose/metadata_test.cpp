#include "diagnose/metadata.hpp"

#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/seen.hpp"

using namespace diagnose;

TEST_CASE("metadata services are asked only where one may be", "[diagnose]") {
    struct Case {
        std::string_view name;
        std::map<std::string, std::string> dmi;
        std::string_view known;
        bool any;
        std::size_t count;  // unless any
    };
    const Case c = GENERATE(values<Case>({
        {"a laptop", {{"sys_vendor", "LENOVO"}, {"product_name", "20XW"}}, "", false, 0},
        {"a server of one's own", {{"sys_vendor", "Dell Inc."}}, "", false, 0},
        {"a desktop's virtual machine", {{"sys_vendor", "innotek GmbH"}}, "", false, 0},
        {"a virtual machine of anybody's", {{"sys_vendor", "QEMU"}}, "", true, 0},
        {"one that only its product tells", {{"product_name", "KVM"}}, "", true, 0},
        {"DMI cannot be read", {}, "", true, 0},
        {"a known cloud's own, for the address",
         {{"sys_vendor", "Hetzner"}},
         "hetzner-cloud",
         false,
         1},
        {"a known cloud that tells no address", {{"sys_vendor", "UpCloud"}}, "upcloud", false, 0},
    }));
    CAPTURE(c.name);
    HostMarks marks;
    marks.dmi = c.dmi;
    const auto worth = worth_asking(marks, seen::cloud(c.known));
    if (c.any) {
        CHECK(worth.size() > 10);
    } else {
        CHECK(worth.size() == c.count);
    }
    for (const CloudMarks* cloud : worth) CHECK_FALSE(cloud->metadata.url.empty());
}
