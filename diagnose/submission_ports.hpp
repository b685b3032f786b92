#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "diagnose/observations.hpp"

namespace diagnose {

// What is known of one mail port of the operators, but for 25. An open port proves no mail server:
// what answers may be a box on the path.
struct SubmissionPort {
    std::uint16_t port = 0;
    bool opened = false;
    bool spoke = false;   // a server there greeted and showed a good certificate
    std::string trouble;  // why it is of no use: all that were looked at failed so; or ""
    std::optional<net::Family> only;  // of use over this family, and not over the other
    std::string other_trouble;        // what was seen of it over that other one; "": it is closed

    [[nodiscard]] bool useful() const { return opened && trouble.empty(); }
    [[nodiscard]] bool usual() const { return port == 587 || port == 465; }
    // Of the family alone: nearly every server has an IPv4 address.
    [[nodiscard]] int family_rank() const { return !only ? 0 : *only == net::Family::ipv4 ? 1 : 2; }
};

// Of the operators and sending services that were asked. 443 may be asked for as well. Pure.
[[nodiscard]] SubmissionPort look_at_port(const Observations& seen, std::uint16_t number);

// All of them, in the order to try them. Pure.
[[nodiscard]] std::vector<SubmissionPort> submission_ports(const Observations& seen);

// Those to try, in that order: open, and nothing seen that speaks against them.
[[nodiscard]] std::vector<std::uint16_t> useful_ports(const Observations& seen);

// "587 (nothing greets there)": open, and of no use.
[[nodiscard]] std::vector<std::string> useless_port_words(const Observations& seen);

}  // namespace diagnose
