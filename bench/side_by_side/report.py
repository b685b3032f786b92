"""What a run leaves: figures as JSON for programs, a table for people, plots as SVG."""

import json
import math
import os
import pathlib
import platform
import re
import statistics

UNITS = {
    "accepted_per_s": "accepted/s", "end_to_end_per_s": "end to end/s",
    "cpu_s_per_10k": "CPU s/10,000", "peak_pss_mib": "peak PSS MiB",
    "dot_to_250_p50_ms": "dot to 250 p50 ms", "dot_to_250_p99_ms": "p99 ms",
    "connect_to_sink_p50_ms": "connect to the smarthost's dot p50 ms",
    "connect_to_sink_p99_ms": "p99 ms", "idle_pss_mib": "idle PSS MiB",
    "per_idle_connection_kib": "KiB per idle connection", "first_banner_ms": "first banner ms",
    "syncs_per_message": "syncs per message", "own_cpu_s_per_10k": "own CPU s/10,000",
    "connections": "connections", "filled_per_s": "filled/s", "drained_per_s": "drained/s",
    "drain_cpu_s_per_10k": "drain CPU s/10,000", "filling_peak_pss_mib": "filling peak PSS MiB",
    "draining_peak_pss_mib": "draining peak PSS MiB", "mib_per_s": "MiB/s",
    "cpu_ms_per_message": "CPU ms a message", "recipients_per_s": "recipients/s",
    "cpu_ms_per_1k_recipients": "CPU ms for 1,000 recipients", "seconds": "seconds in all",
    "cpu_s": "CPU s in all",
}
COLOURS = {"relay": "#0b6e4f", "postfix": "#c8553d", "haraka": "#588bae", "opensmtpd": "#f2a541",
           "msmtpd": "#7d5ba6",
           "least": "#b5b5b5", "limit": "#8d8d8d"}


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    return {"cpu": cpu.group(1) if cpu else platform.machine(), "cores": os.cpu_count(),
            "memory_gib": round(int(memory.group(1)) / 2**20, 1), "kernel": platform.release(),
            "load_average": os.getloadavg()[0]}


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def summary(runs):
    """{figure: {median, low, high, runs}} of a list of measurements."""
    return {name: {"median": statistics.median(values), "low": min(values), "high": max(values),
                   "runs": len(values)}
            for name in runs[0] if (values := [run[name] for run in runs if name in run])}


def table(results):
    lines = []
    for row in results["rows"]:
        figures = list(dict.fromkeys(f for s in row["systems"].values() for f in s))
        lines += [f"### {row['title']}", "",
                  "| | " + " | ".join(UNITS.get(f, f) for f in figures) + " |",
                  "|---|" + "---:|" * len(figures)]
        for system, values in row["systems"].items():
            cells = []
            for figure in figures:
                value = values.get(figure)
                cells.append("" if value is None else number(value["median"]) + (
                    f" ({number(value['low'])}-{number(value['high'])})"
                    if value["runs"] > 1 else ""))
            name = row["limit"] if system == "limit" else system
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def bars(title, values, unit):
    """A bar chart as SVG: one bar for each system, its range as a line."""
    left, width, step = 110, 420, 30
    most = max(v["high"] for v in values.values()) or 1
    height = 50 + step * len(values)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 130}" '
             f'height="{height}" font-family="sans-serif" font-size="13">',
             '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="10" y="22" font-weight="bold">{title}: {unit}</text>']
    for at, (system, value) in enumerate(values.items()):
        y = 40 + at * step
        long = value["median"] / most * width
        low, high = value["low"] / most * width, value["high"] / most * width
        parts += [f'<text x="10" y="{y + 14}">{system}</text>',
                  f'<rect x="{left}" y="{y}" width="{long:.1f}" height="18" '
                  f'fill="{COLOURS.get(system, "#555")}"/>',
                  f'<line x1="{left + low:.1f}" x2="{left + high:.1f}" y1="{y + 9}" '
                  f'y2="{y + 9}" stroke="black"/>',
                  f'<text x="{left + high + 8:.1f}" y="{y + 14}">{number(value["median"])}</text>']
    return "\n".join([*parts, "</svg>"]) + "\n"


def write(results, keys, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    host = results["machine"]
    head = (f"{host['cores']} cores ({host['cpu']}), {host['memory_gib']} GiB, Linux "
            f"{host['kernel']}. Load average at the start {host['load_average']:.1f}, at the end "
            f"{results['load_average_at_end']:.1f}. Medians, with lowest and highest of "
            f"{results['runs']} interleaved runs.\n\n")
    (folder / "table.md").write_text("# Side by side\n\n" + head + table(results))
    for row in results["rows"]:
        key = keys[row["name"]]
        values = {s: v[key] for s, v in row["systems"].items() if key in v}
        if values:
            (folder / f"{row['name']}.svg").write_text(
                bars(row["title"], values, UNITS.get(key, key)))


def curve_table(curve):
    lines = [f"### {curve['title']}", "",
             f"| {curve['grows']} | " + " | ".join(UNITS.get(f, f) for f in curve["drawn"]) + " |",
             "|---:|" + "---:|" * len(curve["drawn"])]
    for each in curve["points"]:
        cells = (number(each["figures"][f]) for f in curve["drawn"])
        lines.append(f"| {each['point']:,} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def panel(curve, figure, top):
    """One figure over the growing thing: the abscissa in powers, the ordinate from zero."""
    left, width, height = 90, 460, 110
    points = [(each["point"], each["figures"][figure]) for each in curve["points"]]
    first, last = math.log(points[0][0]), math.log(points[-1][0])
    most = max(value for _, value in points) or 1
    places = [(left + (math.log(point) - first) / ((last - first) or 1) * width,
               top + height - value / most * height) for point, value in points]
    parts = [f'<text x="10" y="{top - 24}">{UNITS.get(figure, figure)}</text>',
             f'<path d="M{left} {top} V{top + height} H{left + width}" fill="none" stroke="black"/>',
             f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}" fill="none" '
             f'stroke="{COLOURS["relay"]}" stroke-width="2"/>']
    for (x, y), (point, value) in zip(places, points):
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS["relay"]}"/>',
                  f'<text x="{x:.1f}" y="{y - 6:.1f}" text-anchor="middle">{number(value)}</text>',
                  f'<text x="{x:.1f}" y="{top + height + 15}" text-anchor="middle">{point:,}</text>']
    return parts


def curve_plot(curve):
    """The drawn figures of a curve, one above the other, as SVG."""
    step, head = 185, 70
    height = head + step * len(curve["drawn"])
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="600" height="{height}" '
             'font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="10" y="22" font-weight="bold">{curve["title"]}</text>']
    for at, figure in enumerate(curve["drawn"]):
        parts += panel(curve, figure, head + at * step)
    return "\n".join([*parts, "</svg>"]) + "\n"


def write_growth(results, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "growth.json").write_text(json.dumps(results, indent=1) + "\n")
    host = results["machine"]
    (folder / "growth.md").write_text(
        f"# How the cost grows\n\n{host['cores']} cores ({host['cpu']}), {host['memory_gib']} GiB, "
        f"Linux {host['kernel']}. One run of each point.\n\n"
        + "\n".join(map(curve_table, results["curves"])))
    for curve in results["curves"]:
        (folder / f"growth-{curve['name']}.svg").write_text(curve_plot(curve))
