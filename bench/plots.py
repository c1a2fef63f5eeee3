"""Plots (SVG): latency over rate, and CPU time. Written without a library, because two kinds of plots need none."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from statistics import median

from bench.axes import HEIGHT, LEFT, WIDTH, Axis, frame, svg
from bench.ladder import Rung
from bench.report import Results

OURS = "#d62728"
COLOURS = ("#000000", "#999999", "#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#17becf", "#bcbd22")
BAR = 18
_CPU = {"w1l": "cpu_us_per_delivery", "w1": "cpu_us_per_delivery", "w3": "all_us_per_message"}
_TITLES = {
    "w1l": "Server CPU per delivery, 1,000 in a room, 20 messages/s (µs)",
    "w1": "Server CPU per delivery, 1,000 in a room, 100 messages/s (µs)",
    "w3": "CPU of all processes per message, 100 rooms of 10, 500 messages/s (µs)",
}


def draw(results: Results, folder: Path) -> list[Path]:
    """Write the plots that `results` allow into `folder`; returns the files."""
    pictures = {name: bars(_TITLES[name], _medians(results, name, key)) for name, key in _CPU.items()}
    pictures["w2"] = curves(_curves(results, "w2") | _published(results))
    drawn = []
    for name, picture in pictures.items():
        if picture:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.svg").write_text(picture)
            drawn.append(folder / f"{name}.svg")
    return drawn


def _medians(results: Results, workload: str, key: str) -> dict[str, float]:
    found = {
        subject: [run[key] for run in runs if run] for (name, subject), runs in results.runs.items() if name == workload
    }
    return {subject: median(values) for subject, values in found.items() if values}


def _curves(results: Results, workload: str) -> dict[str, list[tuple[float, float]]]:
    return {subject: points(rounds) for (name, subject), rounds in results.climbs.items() if name == workload}


def _published(results: Results) -> dict[str, list[tuple[float, float]]]:
    return {f"{name}, published": points for name, points in _curves(results, "w2-published").items()}


def points(rounds: Sequence[Sequence[Rung]]) -> list[tuple[float, float]]:
    """Deliveries/s and p99 (ms) at each rate: the medians of the rounds that reached it. Pure."""
    rates = sorted({rung.rate for rungs in rounds for rung in rungs})
    at = [[rung for rungs in rounds for rung in rungs if rung.rate == rate] for rate in rates]
    return [(median(rung.per_s for rung in rungs), median(rung.p99_ms for rung in rungs)) for rungs in at]


def bars(title: str, values: dict[str, float]) -> str:
    """A bar chart with one bar for each server, in ascending order; empty without values. Pure."""
    if not values:
        return ""
    most = max(values.values())
    rows = []
    for number, (name, value) in enumerate(sorted(values.items(), key=lambda each: each[1])):
        y = 40 + number * (BAR + 6)
        colour = OURS if name.startswith("Chatterbox") else "#9bb7d4"
        width = (WIDTH - 360) * value / most
        rows.append(f'<rect x="230" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>')
        rows.append(f'<text x="222" y="{y + 13}" text-anchor="end">{escape(name)}</text>')
        rows.append(f'<text x="{236 + width:.1f}" y="{y + 13}">{value:,.1f}</text>')
    return svg(title, rows, 50 + len(values) * (BAR + 6))


def curves(lines: dict[str, list[tuple[float, float]]]) -> str:
    """Latency over deliveries/s on logarithmic axes; the line at 150 ms is the limit. Pure."""
    lines = {name: [point for point in line if min(point) > 0] for name, line in lines.items()}
    lines = {name: line for name, line in lines.items() if line}
    if not lines:
        return ""
    x = Axis.over([point[0] for line in lines.values() for point in line], LEFT, WIDTH - 250)
    y = Axis.over([150.0, *(point[1] for line in lines.values() for point in line)], HEIGHT - 50, 40)
    parts = [*frame(x, y, "deliveries/s", "p99, ms")]
    parts.append(f'<line x1="{x.begin}" x2="{x.end}" y1="{y.at(150):.1f}" y2="{y.at(150):.1f}" stroke="#555" '
                 'stroke-dasharray="4"/>')  # fmt: skip
    for number, (name, line) in enumerate(lines.items()):
        colour = OURS if name.startswith("Chatterbox") else COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x.at(rate):.1f},{y.at(p99):.1f}" for rate, p99 in line)
        dashes = "6 3" if name.endswith("published") else "none"
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" '
                     f'stroke-dasharray="{dashes}"/>')  # fmt: skip
        parts += [f'<circle cx="{x.at(rate):.1f}" cy="{y.at(p99):.1f}" r="3" fill="{colour}"/>' for rate, p99 in line]
        parts.append(f'<text x="{WIDTH - 235}" y="{50 + number * 18}" fill="{colour}">{escape(name)}</text>')
    return svg("1 room of 1,000: p99 as the rate rises", parts, HEIGHT)
