#include "base/text.hpp"
#include "diagnose/domain/address_kind.hpp"
#include "diagnose/domain/dkim.hpp"
#include "diagnose/domain/dmarc.hpp"
#include "diagnose/domain/dnsbl.hpp"
#include "diagnose/domain/mta_sts.hpp"
#include "diagnose/domain/tlsa.hpp"
#include "diagnose/ptr_name.hpp"
#include "tests/support/catch.hpp"

// The records of a domain and the answers of block lists, apart from any DNS.

using namespace diagnose;
namespace ip = boost::asio::ip;

TEST_CASE("DKIM keys", "[domain]") {
    const std::string rsa1024 =
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFC"
        "jxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9"
        "tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB";
    const DkimKey good = parse_dkim_key("v=DKIM1; k=rsa; p=" + rsa1024);
    CHECK(good.valid);
    CHECK(good.bits == 1024);
    CHECK(parse_dkim_key("p=" + rsa1024).valid);
    CHECK(parse_dkim_key("v=DKIM1; t=y:s; p=" + rsa1024).testing);
    CHECK(parse_dkim_key("v=DKIM1; p=").revoked);
    CHECK(
        parse_dkim_key("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=").valid);
    for (const std::string& bad :
         {std::string("v=DKIM2; p=") + rsa1024, std::string("v=DKIM1"),
          std::string("k=gost; p=") + rsa1024, "p=" + rsa1024.substr(0, 100), std::string("p=***"),
          std::string("k=ed25519; p=AAAA")}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_dkim_key(bad).valid);
        CHECK_FALSE(parse_dkim_key(bad).problem.empty());
    }
}

TEST_CASE("DMARC records", "[domain]") {
    const DmarcRecord full =
        parse_dmarc("v=DMARC1; p=Reject; sp=none; adkim=s; aspf=r; rua=mailto:a@b.example");
    CHECK(full.valid);
    CHECK(full.policy == "reject");
    CHECK(full.subdomain_policy == "none");
    CHECK(full.strict_dkim);
    CHECK_FALSE(full.strict_spf);
    CHECK(full.reports);
    CHECK_FALSE(parse_dmarc("v=DMARC1").valid);
    CHECK_FALSE(parse_dmarc("p=none").valid);
    CHECK(parse_dmarc("v=DMARC1; p=nope; rua=mailto:a@b.example").policy == "none");
    CHECK_FALSE(parse_dmarc("v=DMARC1; p=nope").valid);
    CHECK(is_dmarc(" v = DMARC1 ; p=none"));
    CHECK_FALSE(is_dmarc("v=spf1 -all"));
}

TEST_CASE("the DMARC walk goes up at most eight names", "[domain]") {
    CHECK(dmarc_walk("a.example.com") ==
          std::vector<std::string>{"a.example.com", "example.com", "com"});
    const auto deep = dmarc_walk("a.b.c.d.e.f.g.h.i.j.example.com");
    CHECK(deep.size() == 8);
    CHECK(deep[0] == "a.b.c.d.e.f.g.h.i.j.example.com");
    CHECK(deep[1] == "f.g.h.i.j.example.com");
    CHECK(deep.back() == "com");
}

TEST_CASE("whose DMARC policy applies", "[domain]") {
    const auto step = [](const char* domain, const char* text) {
        DmarcStep made;
        made.domain = domain;
        made.found = *text != '\0';
        if (made.found) made.record = parse_dmarc(text);
        return made;
    };
    const DmarcFound own =
        judge_dmarc({step("a.example.com", "v=DMARC1; p=none"),
                     step("example.com", "v=DMARC1; p=reject"), step("com", "")});
    CHECK(own.at == "a.example.com");
    CHECK(own.policy == "none");
    CHECK(own.organisation == "example.com");
    const DmarcFound inherited =
        judge_dmarc({step("a.example.com", ""),
                     step("example.com", "v=DMARC1; p=reject; sp=quarantine"), step("com", "")});
    CHECK(inherited.at == "example.com");
    CHECK(inherited.policy == "quarantine");
    const DmarcFound suffix =
        judge_dmarc({step("a.bank", ""), step("bank", "v=DMARC1; p=reject; psd=y")});
    CHECK(suffix.organisation == "a.bank");
    CHECK(judge_dmarc({step("a.example", "")}).at == "");
}

TEST_CASE("MTA-STS policies", "[domain]") {
    const StsPolicy policy = parse_sts_policy(
        "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.mx.example\r\n"
        "max_age: 604800\r\n");
    CHECK(policy.valid);
    CHECK(sts_allows(policy, "MAIL.example.com"));
    CHECK(sts_allows(policy, "a.mx.example"));
    CHECK_FALSE(sts_allows(policy, "a.b.mx.example"));
    CHECK_FALSE(sts_allows(policy, "mx.example"));
    for (const char* bad : {"", "mode: enforce\nmx: a.example\nmax_age: 1\n",
                            "version: STSv1\nmode: hard\nmx: a.example\nmax_age: 1\n",
                            "version: STSv1\nmode: enforce\nmax_age: 1\n",
                            "version: STSv1\nmode: testing\nmx: a.example\nmax_age: x\n"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_sts_policy(bad).valid);
    }
}

TEST_CASE("TLSA records that mail servers use", "[domain]") {
    const auto record = [](unsigned usage, unsigned selector, unsigned matching, std::size_t size) {
        net::TlsaRecord made;
        made.usage = usage;
        made.selector = selector;
        made.matching = matching;
        made.data = std::string(size, 'x');
        return made;
    };
    CHECK(tlsa_problem(record(3, 1, 1, 32)) == "");
    CHECK(tlsa_problem(record(2, 0, 2, 64)) == "");
    CHECK_FALSE(tlsa_problem(record(1, 1, 1, 32)).empty());
    CHECK_FALSE(tlsa_problem(record(3, 1, 1, 20)).empty());
    CHECK_FALSE(tlsa_problem(record(3, 2, 1, 32)).empty());
    CHECK_FALSE(tlsa_problem(record(3, 1, 0, 0)).empty());
}

TEST_CASE("answers of block lists", "[domain]") {
    const DnsblZone& zen = dnsbl_zones().front();
    const auto answer = [](std::vector<const char*> addresses) {
        DnsblAnswer made;
        for (const char* address : addresses) made.addresses.push_back(ip::make_address(address));
        if (addresses.empty()) made.status = net::DnsStatus::no_such_name;
        return made;
    };
    DnsblAnswer silent;
    silent.status = net::DnsStatus::timeout;
    CHECK(read_dnsbl(zen, answer({})).state == DnsblState::clean);
    CHECK(read_dnsbl(zen, answer({"127.0.0.2"})).state == DnsblState::listed);
    CHECK(read_dnsbl(zen, answer({"127.0.0.11"})).state == DnsblState::policy);
    CHECK(read_dnsbl(zen, answer({"127.0.0.10", "127.0.0.4"})).state == DnsblState::listed);
    CHECK(read_dnsbl(zen, answer({"127.255.255.254"})).state == DnsblState::untested);
    CHECK(read_dnsbl(zen, answer({"192.0.2.1"})).state == DnsblState::untested);
    CHECK(read_dnsbl(zen, silent).state == DnsblState::untested);
    CHECK(dnsbl_health(zen, answer({"127.0.0.2", "127.0.0.10"}), answer({})) == "");
    CHECK_FALSE(dnsbl_health(zen, answer({}), answer({})).empty());
    CHECK_FALSE(dnsbl_health(zen, answer({"127.0.0.2"}), answer({"127.0.0.2"})).empty());
    CHECK_FALSE(dnsbl_health(zen, answer({"127.255.255.254"}), answer({})).empty());
    CHECK_FALSE(dnsbl_health(zen, silent, answer({})).empty());

    const DnsblZone& dbl = domain_zone();
    CHECK(read_dnsbl(dbl, answer({})).state == DnsblState::clean);
    CHECK(read_dnsbl(dbl, answer({"127.0.1.2"})).detail == "a spam domain");
    CHECK(read_dnsbl(dbl, answer({"127.0.1.104"})).state == DnsblState::listed);
    for (const char* error : {"127.255.255.252", "127.255.255.254", "127.255.255.255",
                              "127.0.1.255", "127.0.0.2", "198.51.100.9"}) {
        CAPTURE(error);
        CHECK(read_dnsbl(dbl, answer({error})).state == DnsblState::untested);
        CHECK_FALSE(dnsbl_health(dbl, answer({error}), answer({})).empty());
    }
    CHECK_THAT(read_dnsbl(dbl, answer({"127.255.255.254"})).detail,
               Catch::Contains("public or shared resolver"));
}

TEST_CASE("addresses and their reverse names", "[domain]") {
    const auto kind = [](const char* text) { return address_kind(ip::make_address(text)); };
    CHECK(kind("127.0.0.1") == "loopback");
    CHECK(kind("0.0.0.0") == "unspecified");
    CHECK(kind("172.31.1.1") == "private");
    CHECK(kind("172.32.1.1") == "");
    CHECK(kind("100.64.0.1") == "shared");
    CHECK(kind("fd00::1") == "private");
    CHECK(kind("::ffff:10.0.0.1") == "private");
    CHECK(kind("2a01:4f8:a0:1::20") == "");
    CHECK(kind("2001:db8::1") == "documentation");
    CHECK(kind("198.18.0.1") == "benchmarking");
    CHECK(reversed_address(ip::make_address("192.0.2.7")) == "7.2.0.192");
    CHECK(reversed_address(ip::make_address("2001:db8::1")) ==
          "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2");
    const auto address = ip::make_address("192.0.2.7");
    CHECK(generic_ptr("host-192-0-2-7.isp.example", address));
    CHECK(generic_ptr("7.2.0.192.isp.example", address));
    CHECK(generic_ptr("p1.dynamic.isp.example", address));
    CHECK_FALSE(generic_ptr("mail.example.com", address));
    CHECK_FALSE(generic_ptr("static.192-0-2-7.isp.example", address));
    CHECK(generic_ptr("c0000207.isp.example", address));
    CHECK(generic_ptr("customer17.fra.isp.example", address));
    // The operator's own name is no word about the host.
    CHECK_FALSE(generic_ptr("gate.dsl.example", address));
}
