#include "relay/descriptors.hpp"

#include "tests/support/catch.hpp"

using relay::DescriptorPlan;
using relay::plan_descriptors;

TEST_CASE("clients get what the configuration says when the limit allows it", "[relay]") {
    const DescriptorPlan plan = plan_descriptors(65536, 10000, 10);
    CHECK(plan.clients == 10000);
    CHECK(plan.admin == 64);
    CHECK(plan.wanted <= 65536);
}

TEST_CASE("clients never get what delivery, spool and control socket need", "[relay]") {
    for (const std::uint64_t limit : {256u, 512u, 1024u, 4096u}) {
        const DescriptorPlan plan = plan_descriptors(limit, 10000, 10);
        CAPTURE(limit, plan.clients, plan.admin);
        CHECK(plan.clients >= limit / 4);
        CHECK(plan.clients + plan.clients / 8 + 2 * plan.admin + 2 * 10 + 90 <= limit);
        CHECK(plan.wanted > limit);
    }
}

TEST_CASE("the limit that is said to be needed is enough", "[relay]") {
    for (const std::uint32_t clients : {100u, 777u, 10000u, 50000u}) {
        const std::uint64_t wanted = plan_descriptors(256, clients, 25).wanted;
        CAPTURE(clients, wanted);
        CHECK(plan_descriptors(wanted, clients, 25).clients == clients);
    }
}

TEST_CASE("a tiny limit still lets some clients in", "[relay]") {
    CHECK(plan_descriptors(64, 10000, 500).clients == 16);
    CHECK(plan_descriptors(64, 5, 500).clients == 5);
}
