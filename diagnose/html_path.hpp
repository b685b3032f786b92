#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "diagnose/report.hpp"

namespace diagnose {

// How one port fares at one place of the way.
enum class Track : std::uint8_t {
    passes,    // it gets here and goes on
    arrives,   // the far end answers
    answered,  // something answers here in the far end's place
    stops,     // it did not get here: the last place that it got to is the one before
    gone       // it stopped earlier
};

struct PathRow {
    std::string place;    // "this host", "hop 3", "the mail server"
    std::string address;  // "" when it stayed silent
    std::string words;    // what the row shows, for those who do not see the lines
    Track direct = Track::gone, control = Track::gone;
    bool silent = false;
};

// From this host to the far end, with a row for each hop in between whether it answered or not.
[[nodiscard]] std::vector<PathRow> path_rows(const PathPicture& path);

// Two lines side by side, one for each port, drawn by the style sheet.
[[nodiscard]] std::string path_html(const PathPicture& path);

}  // namespace diagnose
