"""Colours: the themes, and a colour for each person that stays the same and can be read. Pure."""

from colorsys import hls_to_rgb
from dataclasses import dataclass
from functools import cache
from zlib import crc32

from client.home.colours import contrast

HUES = 24
"""Colours that people share; neighbours on this circle can still be told apart."""


@dataclass(frozen=True, slots=True)
class Palette:
    """A theme. Colours are `#rrggbb`, or the terminal's own (`ansi_blue`) where `sixteen`."""

    name: str
    help: str
    dark: bool
    background: str
    raised: str
    """The background of panes and bars."""
    text: str
    faint: str
    accent: str
    alarm: str
    contrast: float
    """What a person's colour has against the background at least (WCAG 2.2: 4.5 is AA, 7 is AAA)."""
    sixteen: bool = False


PALETTES = {
    palette.name: palette
    for palette in (
        Palette("dark", "light on dark", True, "#16181d", "#23262e", "#e4e6eb", "#9aa1ae", "#7fb4ff", "#ff8f87", 5.5),
        Palette("light", "dark on light", False, "#fbfbf9", "#e9eaec", "#1d2127", "#5c6470", "#0a56b8", "#b3261e", 4.5),
        Palette("contrast", "most contrast", True, "#000000", "#1a1a1a", "#ffffff", "#d0d0d0", "#ffe14d", "#ff9c9c", 9),
        Palette(
            "sixteen",
            "the terminal's own 16 colours",
            True,
            "ansi_default",
            "ansi_default",
            "ansi_default",
            "ansi_default",
            "ansi_cyan",
            "ansi_red",
            0,
            True,
        ),
    )
}
DEFAULT = "dark"

_SIXTEEN = ("ansi_green", "ansi_yellow", "ansi_blue", "ansi_magenta", "ansi_cyan", "ansi_red")


@cache
def person_colour(name: str, palette: Palette) -> str:
    """The colour of somebody's name: by the name alone, the same everywhere and always."""
    number = crc32(name.casefold().encode())
    if palette.sixteen:
        return _SIXTEEN[number % len(_SIXTEEN)]
    return _readable((number % HUES) / HUES, palette)


def _readable(hue: float, palette: Palette) -> str:
    """The hue as light, or as dark, as it takes."""
    step = 0.02 if palette.dark else -0.02
    lightness = 0.5
    while (contrast(shown := _hex(hue, lightness), palette.background) or 0) < palette.contrast and 0 < lightness < 1:
        lightness += step
    return shown


def _hex(hue: float, lightness: float) -> str:
    red, green, blue = (round(255 * part) for part in hls_to_rgb(hue, min(1.0, max(0.0, lightness)), 0.7))
    return f"#{red:02x}{green:02x}{blue:02x}"
