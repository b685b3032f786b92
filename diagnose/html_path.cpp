#include "diagnose/html_path.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "diagnose/html_text.hpp"
#include "diagnose/report_words.hpp"

namespace diagnose {

namespace {

constexpr int most_hops = 64;

std::string_view track_class(Track track) {
    switch (track) {
        case Track::passes:
            return "passes";
        case Track::arrives:
            return "arrives";
        case Track::answered:
            return "answered";
        case Track::stops:
            return "stops";
        case Track::gone:
            return "gone";
    }
    return "gone";
}

const PathHop* find_hop(const PathPicture& path, int number) {
    const auto found = std::find_if(path.hops.begin(), path.hops.end(),
                                    [&](const PathHop& hop) { return hop.number == number; });
    return found == path.hops.end() ? nullptr : &*found;
}

// Where the far end stands: the larger distance at which it was reached, or beyond the last hop.
int far_end(const PathPicture& path) {
    int last = std::max(path.reached_direct.value_or(0), path.reached_control.value_or(0));
    if (last > 0) return std::min(last, most_hops);
    for (const PathHop& hop : path.hops) last = std::max(last, hop.number);
    return std::min(last + 1, most_hops);
}

// How far one port gets, and whether it arrives.
struct Reach {
    int last = 0;  // the last place that it is known to get to
    bool arrives = false;
};

Reach reach_of(const PathPicture& path, bool control) {
    const std::optional<int>& reached = control ? path.reached_control : path.reached_direct;
    if (reached) return {*reached, true};
    Reach reach;
    for (const PathHop& hop : path.hops) {
        if (control ? hop.answers_control : hop.answers_direct) {
            reach.last = std::max(reach.last, hop.number);
        }
    }
    return reach;
}

Track track_at(const Reach& reach, int number, int end) {
    if (number < reach.last) return Track::passes;
    if (number == reach.last) {
        if (!reach.arrives) return Track::passes;
        return number == end ? Track::arrives : Track::answered;
    }
    return !reach.arrives && number == reach.last + 1 ? Track::stops : Track::gone;
}

std::string far_words(const PathPicture& path, Track direct, Track control) {
    std::string text = fmt::format("port {} {}", path.port,
                                   direct == Track::arrives ? "arrives" : "never arrives");
    if (path.control_port != 0) {
        text += fmt::format(", port {} {}", path.control_port,
                            control == Track::arrives ? "arrives" : "never arrives");
    }
    return text;
}

PathRow row_at(const PathPicture& path, int number, int end) {
    PathRow row;
    row.direct = track_at(reach_of(path, false), number, end);
    row.control = track_at(reach_of(path, true), number, end);
    if (number == 0) {
        row.place = "this host";
        return row;
    }
    if (number == end) {
        row.place = path.target;
        row.address = path.address;
        row.words = far_words(path, row.direct, row.control);
        return row;
    }
    row.place = fmt::format("hop {}", number);
    const PathHop* hop = find_hop(path, number);
    row.silent = hop == nullptr || hop->address.empty();
    if (hop != nullptr) row.address = hop->address;
    row.words = hop == nullptr ? "silent" : hop_words(path, *hop);
    if (row.direct == Track::answered) {
        row.words = fmt::format("something here answers port {} in the server's name", path.port);
    }
    return row;
}

// The line of one port beside a row; it goes on downwards when the port gets to the next row, or
// at least on its way there.
std::string track_html(std::string_view port, Track track, Track next) {
    return fmt::format("<span class=\"track {} {}{}\" aria-hidden=\"true\"></span>", port,
                       track_class(track), next == Track::gone ? "" : " goes-on");
}

// next is null for the last row.
std::string row_html(const PathPicture& path, const PathRow& row, const PathRow* next) {
    const Track direct_next = next == nullptr ? Track::gone : next->direct;
    const Track control_next = next == nullptr ? Track::gone : next->control;
    std::string html = fmt::format("<li{}>", row.silent ? " class=\"silent\"" : "");
    html += track_html("direct", row.direct, direct_next);
    if (path.control_port != 0) html += track_html("control", row.control, control_next);
    html += fmt::format(
        "<span class=\"place\"><b>{}</b> <span class=\"address\">{}</span>"
        " <span class=\"words\">{}</span></span></li>\n",
        html_escaped(row.place), html_escaped(row.address), html_escaped(row.words));
    return html;
}

}  // namespace

std::vector<PathRow> path_rows(const PathPicture& path) {
    std::vector<PathRow> rows;
    const int end = far_end(path);
    for (int number = 0; number <= end; ++number) rows.push_back(row_at(path, number, end));
    return rows;
}

std::string path_html(const PathPicture& path) {
    std::string html = "<figure class=\"path\">\n<figcaption>";
    html += fmt::format("The way to {}: <span class=\"key direct\">port {}</span>",
                        html_escaped(path.target), path.port);
    if (path.control_port != 0) {
        html += fmt::format(" and <span class=\"key control\">port {}</span>", path.control_port);
    }
    html += "</figcaption>\n";
    html += fmt::format("<ol class=\"hops{}\">\n", path.control_port == 0 ? " single" : "");
    const std::vector<PathRow> rows = path_rows(path);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        html += row_html(path, rows[i], i + 1 < rows.size() ? &rows[i + 1] : nullptr);
    }
    return html + fmt::format("</ol>\n<p>{}.</p>\n</figure>\n", html_escaped(path_words(path)));
}

}  // namespace diagnose
