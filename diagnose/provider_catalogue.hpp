#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace diagnose {

// What a smarthost asks of its customers, and what mail through it looks like to receivers: a part
// of config/data/smarthosts.toml.
struct ProviderFacts {
    std::string id, name;
    std::vector<std::uint16_t> ports;
    std::vector<std::string> hosts;  // globs: "{region}" has become "*"
    std::string spf_include;  // "" when the provider's own envelope domain is used, or unknown
    std::string envelope;     // "kept", "own" (the provider's), "either"; "" when not known
    std::vector<std::string> dkim_selectors;  // for a customer's own domain; empty: not known
    std::vector<std::string> free_domains;  // mailbox domains whose From only this service may send
    std::string setup_url;
    std::string username, password;  // what to enter
    std::string sign_in;             // what else decides whether a sign-in is taken, as sentences
    std::string token_url, scope;    // of OAuth2; "" where it has none, or none that is known
    bool oauth2_only = false;        // no mechanism of its takes a password
    std::string note;                // what else to know when it does not work, as sentences
    std::string from_rule, limits;   // which senders it takes, and how much
    int size_mb = 0;                 // of one message; 0: not known
};

// Live as long as the program; nullptr when there is none.
[[nodiscard]] const ProviderFacts* find_provider(std::string_view id);
[[nodiscard]] const ProviderFacts* provider_of_smarthost(std::string_view host);
// Those that take mail on this port, by name, in the catalogue's order.
[[nodiscard]] std::vector<std::string_view> providers_on_port(std::uint16_t port);
// Whose mailboxes a domain holds ("gmail.com"); nullptr when it is no mailbox service's.
[[nodiscard]] const ProviderFacts* provider_of_free_domain(std::string_view domain);

// The name by which replies.toml knows whoever speaks at this host, a smarthost or an exchanger
// ("gmail", "gmail-mx"); "" when it is nobody known.
[[nodiscard]] std::string speaker_of_host(std::string_view host);

}  // namespace diagnose
