#include "diagnose/domain/dkim.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "diagnose/domain/checks.hpp"
#include "diagnose/domain/tags.hpp"

namespace diagnose {
namespace {

constexpr unsigned least_bits = 1024, good_bits = 2048;  // RFC 8301 section 3.2

std::string without_blanks(std::string text) {
    std::erase_if(text, [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
    return text;
}

// The size of an RSA key in its SubjectPublicKeyInfo or, as some publish it, PKCS#1 form.
std::optional<unsigned> rsa_bits(const std::string& der) {
    using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    Key key{d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())), &EVP_PKEY_free};
    if (!key) {
        at = reinterpret_cast<const unsigned char*>(der.data());
        key.reset(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, static_cast<long>(der.size())));
    }
    if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) return std::nullopt;
    return static_cast<unsigned>(EVP_PKEY_get_bits(key.get()));
}

void read_key(DkimKey& key, const std::string& encoded) {
    std::string padded = encoded;
    while (padded.size() % 4 != 0) padded += '=';
    const std::optional<std::string> bytes = base::base64_decode(padded);
    if (!bytes) {
        key.problem = "p= is not base64; a blank, quote or line end was lost or added";
    } else if (key.type == "ed25519") {
        key.bits = 256;
        if (bytes->size() != 32) key.problem = "p= is not an Ed25519 key of 32 bytes";
    } else if (const auto bits = rsa_bits(*bytes)) {
        key.bits = *bits;
        if (*bits < least_bits) {
            key.problem = fmt::format("the key has only {} bits, and receivers ignore it", *bits);
        }
    } else {
        key.problem = "p= is not an RSA key; the record may have been cut off";
    }
    key.valid = key.problem.empty();
}

std::vector<std::string> selectors_to_ask(const DomainAsk& ask) {
    if (!ask.selector.empty()) return {ask.selector};
    std::vector<std::string> selectors;
    for (const DomainSmarthost& smarthost : ask.smarthosts) {
        const ProviderFacts* facts = facts_of(smarthost);
        if (facts == nullptr) continue;
        for (const std::string& selector : facts->dkim_selectors) {
            if (std::find(selectors.begin(), selectors.end(), selector) == selectors.end()) {
                selectors.push_back(selector);
            }
        }
    }
    return selectors;
}

struct Tally {
    unsigned good = 0, weak = 0, bad = 0, absent = 0, unasked = 0;
};

Evidence judge_key(const std::string& name, const DkimKey& key, Tally& tally) {
    if (key.revoked) {
        ++tally.bad;
        return record_evidence(name, "revoked", "p= is empty: the key was withdrawn");
    }
    if (!key.valid) {
        ++tally.bad;
        return record_evidence(name, "invalid", key.problem);
    }
    const bool weak = key.testing || (key.type == "rsa" && key.bits < good_bits);
    ++(weak ? tally.weak : tally.good);
    std::string detail = fmt::format("{}, {} bits", key.type, key.bits);
    if (key.testing) detail += ", t=y: marked as a test, so that failures do not count";
    if (key.type == "rsa" && key.bits < good_bits) detail += "; 2048 are better";
    return record_evidence(name, weak ? "weak" : "ok", detail);
}

void conclude_dkim(CheckOutcome& result, const DomainAsk& ask, const Tally& tally) {
    const bool asked = !ask.selector.empty();
    if (tally.good > 0) {
        conclude(result, tally.bad > 0 ? CheckStatus::warn : CheckStatus::ok,
                 fmt::format("{} has a DKIM key.", ask.domain));
    } else if (tally.weak > 0) {
        conclude(result, CheckStatus::warn,
                 fmt::format("{} has a DKIM key, but a weak one.", ask.domain));
    } else if (tally.bad > 0 || (asked && tally.absent > 0)) {
        conclude(result, CheckStatus::fail,
                 asked ? fmt::format("The DKIM selector {} of {} has no usable key.", ask.selector,
                                     ask.domain)
                       : fmt::format("The DKIM key of {} cannot be used.", ask.domain));
    } else if (tally.absent > 0) {
        conclude(
            result, CheckStatus::warn,
            fmt::format("None of the selectors that this provider usually gives exists for {}; "
                        "other names may. Name yours with --selector.",
                        ask.domain));
    } else {
        conclude(result, CheckStatus::skip, "The DNS did not answer for the DKIM keys.");
    }
}

Fix dkim_fix(const DomainAsk& ask) {
    const std::string selector = ask.selector.empty() ? "SELECTOR" : ask.selector;
    Fix fix = make_fix(
        "Publish the DKIM key",
        {fmt::format(
             "Open the domain settings of your smarthost's account and add {}; it shows the "
             "records to publish.",
             ask.domain),
         fmt::format("Publish what it shows, as a CNAME or as `{}`",
                     txt_line(fmt::format("{}._domainkey.{}", selector, ask.domain),
                              "v=DKIM1; k=rsa; p=...")),
         "Copy p= as a whole: a 2048-bit key is longer than one string of 255 characters, and some "
         "DNS editors cut it off."});
    for (const DomainSmarthost& smarthost : ask.smarthosts) {
        const ProviderFacts* facts = facts_of(smarthost);
        if (facts != nullptr && !facts->setup_url.empty()) {
            fix.steps.push_back(fmt::format("{}: {}", facts->name, facts->setup_url));
        }
    }
    return fix;
}

}  // namespace

DkimKey parse_dkim_key(std::string_view text) {
    const Tags tags = parse_tags(text);
    DkimKey key;
    const std::string* version = find_tag(tags, "v");
    const std::string* type = find_tag(tags, "k");
    const std::string* flags = find_tag(tags, "t");
    const std::string* data = find_tag(tags, "p");
    key.type = type == nullptr ? "rsa" : base::to_lower(*type);
    key.testing = flags != nullptr && flags->find('y') != std::string::npos;
    if (version != nullptr && *version != "DKIM1") {
        key.problem = fmt::format("v={} is no DKIM key", base::printable(*version, 40));
    } else if (data == nullptr) {
        key.problem = "it has no p=";
    } else if (key.type != "rsa" && key.type != "ed25519") {
        key.problem = fmt::format("k={} is not known", base::printable(key.type, 40));
    } else if (without_blanks(*data).empty()) {
        key.revoked = true;
        key.problem = "p= is empty";
    } else {
        read_key(key, without_blanks(*data));
    }
    return key;
}

CheckTask check_dkim(DomainContext& context) {
    CheckOutcome result;
    const std::vector<std::string> selectors = selectors_to_ask(context.ask);
    if (selectors.empty()) {
        conclude(result, CheckStatus::skip,
                 "Selectors cannot be listed, and none is known: name yours with --selector (s= in "
                 "the DKIM-Signature of a message you sent).");
        co_return result;
    }
    Tally tally;
    for (const std::string& selector : selectors) {
        const std::string name = selector + "._domainkey." + context.ask.domain;
        const auto answer = co_await context.resolver.txt(name);
        if (could_not_ask(answer.status)) {
            ++tally.unasked;
            result.check.evidence.push_back(record_evidence(name, "no-answer", answer.problem));
        } else if (answer.records.empty()) {
            ++tally.absent;
            result.check.evidence.push_back(record_evidence(name, "absent", ""));
        } else {
            const DkimKey key = parse_dkim_key(answer.records.front());
            result.check.evidence.push_back(judge_key(name, key, tally));
        }
    }
    conclude_dkim(result, context.ask, tally);
    const bool trouble =
        result.check.status == CheckStatus::fail || result.check.status == CheckStatus::warn;
    if (trouble) result.fixes.push_back(dkim_fix(context.ask));
    co_return result;
}

}  // namespace diagnose
