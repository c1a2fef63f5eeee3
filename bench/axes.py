"""Logarithmic axes and the frame of a plot. Pure."""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple, Self

WIDTH, HEIGHT, LEFT = 900, 480, 70


class Axis(NamedTuple):
    """Values from `least` to `most`, both powers of ten, mapped to pixels from `begin` to `end`."""

    least: float
    most: float
    begin: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], begin: float, end: float) -> Self:
        """An axis that covers all `values`, which must be greater than 0."""
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        return cls(10.0**low, 10.0 ** max(high, low + 1), begin, end)

    def at(self, value: float) -> float:
        """The pixel position of a value."""
        share = math.log10(value / self.least) / math.log10(self.most / self.least)
        return self.begin + share * (self.end - self.begin)

    @property
    def ticks(self) -> list[float]:
        decades = round(math.log10(self.most / self.least))
        return [self.least * 10**decade for decade in range(decades + 1)]


def frame(x: Axis, y: Axis, x_title: str, y_title: str) -> list[str]:
    """Grid lines, tick labels and axis titles."""
    parts = []
    for tick in x.ticks:
        at = f"{x.at(tick):.1f}"
        parts.append(f'<line x1="{at}" x2="{at}" y1="{y.begin}" y2="{y.end}" stroke="#ddd"/>')
        parts.append(f'<text x="{at}" y="{y.begin + 18}" text-anchor="middle">{tick:,.10g}</text>')
    for tick in y.ticks:
        at = f"{y.at(tick):.1f}"
        parts.append(f'<line x1="{x.begin}" x2="{x.end}" y1="{at}" y2="{at}" stroke="#ddd"/>')
        parts.append(f'<text x="{x.begin - 8}" y="{at}" text-anchor="end">{tick:,.10g}</text>')
    parts.append(f'<text x="{(x.begin + x.end) / 2}" y="{y.begin + 40}" text-anchor="middle">{escape(x_title)}</text>')
    parts.append(f'<text x="8" y="{y.end - 18}">{escape(y_title)}</text>')
    return parts


def svg(title: str, parts: Sequence[str], height: float) -> str:
    """A complete SVG on a white background."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" font-family="sans-serif" '
    return (
        f'{head}font-size="12">\n<rect width="{WIDTH}" height="{height:g}" fill="#fff"/>\n'
        f'<text x="{WIDTH / 2}" y="20" text-anchor="middle" font-size="15">{escape(title)}</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
