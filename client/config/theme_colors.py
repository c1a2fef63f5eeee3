"""Colours of a theme: how they are written, and their contrast (WCAG 2.2). Pure."""

import re
from itertools import product

_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}){1,2}")
_SIXTEEN = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
NAMES = {
    "default": "ansi_default",
    **{
        f"{bright}{name}": f"ansi_{bright.replace('-', '_')}{name}"
        for bright, name in product(("", "bright-"), _SIXTEEN)
    },
}
"""The sixteen colours of a terminal and its default colour; the terminal decides what they look like."""


def colour(written: str) -> str | None:
    """Convert a colour to Textual's notation; None if it is invalid.

    >>> colour("#FA0"), colour("bright-red"), colour("salmon")
    ('#ffaa00', 'ansi_bright_red', None)
    """
    if written in NAMES:
        return NAMES[written]
    if not _HEX.fullmatch(written):
        return None
    digits = written[1:].lower()
    return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))


def contrast(one: str, other: str) -> float | None:
    """The contrast of two colours from `colour` (WCAG 2.2, 1 to 21); None if the terminal decides how one looks.

    >>> contrast("#000000", "#ffffff")
    21.0
    """
    if not (one.startswith("#") and other.startswith("#")):
        return None
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(hex_colour: str) -> float:
    red, green, blue = (_linear(int(hex_colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)
