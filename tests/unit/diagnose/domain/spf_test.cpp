#include "diagnose/domain/spf.hpp"

#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/domain/fake_zone.hpp"

using namespace diagnose;
using diagnose_test::FakeZone;

namespace {

boost::asio::ip::address at(const char* text) { return boost::asio::ip::make_address(text); }

SpfTree expand(FakeZone& zone, const char* domain) {
    boost::asio::io_context loop;
    return diagnose_test::run(loop, expand_spf(zone, domain));
}

}  // namespace

TEST_CASE("terms of SPF records", "[domain]") {
    for (const char* good : {"v=spf1", "V=SPF1 a mx/24 a:b.example/24//64 ip4:192.0.2.0/24 -all",
                             "v=spf1 ip6:2001:db8::/32 exists:%{i}.x.example redirect=y.example",
                             "v=spf1 unknown=modifier ?all"}) {
        CAPTURE(good);
        CHECK(parse_spf(good).has_value());
    }
    for (const char* bad :
         {"spf1 a", "v=spf1 ipv4:192.0.2.1", "v=spf1 ip4:192.0.2", "v=spf1 include",
          "v=spf1 ip4:192.0.2.0/33", "v=spf1 ip6:192.0.2.1", "v=spf1 include: -all"}) {
        CAPTURE(bad);
        CHECK(parse_spf(bad).has_error());
    }
}

TEST_CASE("SPF is evaluated for a sender", "[domain]") {
    FakeZone zone;
    zone.text("d.example", "v=spf1 ip4:192.0.2.0/24 a:h.example mx include:i.example -all");
    zone.text("d.example", "google-site-verification=x");
    zone.address("h.example", "198.51.100.1");
    zone.address("h.example", "2001:db8::1");
    zone.exchanger("d.example", 10, "mx.d.example");
    zone.address("mx.d.example", "198.51.100.2");
    zone.text("i.example", "v=spf1 ip4:203.0.113.0/24 -all");
    const SpfTree tree = expand(zone, "d.example");
    CHECK(tree.lookups == 3);
    CHECK(tree.voids == 0);
    CHECK(check_spf(tree, at("192.0.2.200")) == SpfResult::pass);
    CHECK(check_spf(tree, at("198.51.100.1")) == SpfResult::pass);
    CHECK(check_spf(tree, at("2001:db8::1")) == SpfResult::pass);
    CHECK(check_spf(tree, at("198.51.100.2")) == SpfResult::pass);
    CHECK(check_spf(tree, at("203.0.113.9")) == SpfResult::pass);
    CHECK(check_spf(tree, at("203.0.114.9")) == SpfResult::fail);
    CHECK(spf_names(tree, "I.example"));
    CHECK_FALSE(spf_names(tree, "j.example"));
    CHECK(spf_all(tree) == '-');
    zone.text("flat.example", "v=spf1 ip4:203.0.113.0/24 ~all");
    CHECK(spf_covers(expand(zone, "flat.example"), expand(zone, "i.example")));
    CHECK_FALSE(spf_covers(expand(zone, "i.example"), expand(zone, "d.example")));
}

TEST_CASE("SPF records that are broken or missing", "[domain]") {
    FakeZone zone;
    zone.text("two.example", "v=spf1 -all");
    zone.text("two.example", "v=spf1 +all");
    zone.text("bad.example", "v=spf1 ipv4:192.0.2.1 -all");
    zone.text("lost.example", "v=spf1 include:nowhere.example -all");
    zone.text("loop.example", "v=spf1 include:loop.example -all");
    zone.text("redirect.example", "v=spf1 redirect=two.example");
    zone.text("soft.example", "v=spf1 redirect=target.example");
    zone.text("target.example", "v=spf1 ~all");
    zone.text("open.example", "v=spf1");
    zone.failing["dead.example"] = net::DnsStatus::timeout;
    const auto result = [&](const char* domain) {
        return check_spf(expand(zone, domain), at("192.0.2.1"));
    };
    CHECK(result("none.example") == SpfResult::none);
    CHECK(result("two.example") == SpfResult::permerror);
    CHECK(result("bad.example") == SpfResult::permerror);
    CHECK(result("lost.example") == SpfResult::permerror);
    CHECK(result("loop.example") == SpfResult::permerror);
    CHECK(result("redirect.example") == SpfResult::permerror);
    CHECK(result("soft.example") == SpfResult::softfail);
    CHECK(result("open.example") == SpfResult::neutral);
    CHECK(result("dead.example") == SpfResult::temperror);
}

TEST_CASE("SPF's limits are counted", "[domain]") {
    FakeZone zone;
    std::string text = "v=spf1";
    for (int i = 0; i < 11; ++i) {
        const std::string host = "h" + std::to_string(i) + ".example";
        zone.address(host, "192.0.2.1");
        text += " a:" + host;
    }
    zone.text("many.example", text + " -all");
    zone.text("void.example", "v=spf1 a:x.example a:y.example a:z.example -all");
    CHECK(expand(zone, "many.example").lookups == 11);
    CHECK(check_spf(expand(zone, "many.example"), at("198.51.100.1")) == SpfResult::permerror);
    CHECK(expand(zone, "void.example").voids == 3);
    CHECK(check_spf(expand(zone, "void.example"), at("198.51.100.1")) == SpfResult::permerror);
}

TEST_CASE("an include is put where it counts", "[domain]") {
    CHECK(spf_with_include("", "s.example") == "v=spf1 include:s.example ~all");
    CHECK(spf_with_include("v=spf1 mx -all", "s.example") == "v=spf1 mx include:s.example -all");
    CHECK(spf_with_include("v=spf1 redirect=x.example", "s.example") ==
          "v=spf1 include:s.example redirect=x.example");
}
