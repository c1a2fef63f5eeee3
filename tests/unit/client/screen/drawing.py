"""Draws the screen as text: its characters, below them a letter for the style of each cell, and a legend.

`.` is plain text; colours have the names of the theme.
"""

import itertools
import string

from rich.cells import cell_len
from rich.style import Style

from client.config.themes import COLOURS, Theme
from client.screen.widgets.chat_app import ChatApp

_PLAIN = "text on background"
_LETTERS = string.ascii_letters + string.digits


def drawn(app: ChatApp) -> str:
    """The whole screen."""
    rows = [list(strip) for strip in app.screen._compositor.render_strips()]
    names = _names(app.colours)
    letters = {_PLAIN: "."}
    text, styles = [], []
    for row in rows:
        text.append("".join(segment.text for segment in row).rstrip())
        cells = [(_describe(segment.style or Style(), names), cell_len(segment.text)) for segment in row]
        for style, _ in cells:
            letters.setdefault(style, _LETTERS[len(letters) - 1])
        styles.append("".join(letters[style] * width for style, width in cells).rstrip("."))
    legend = [f"{letter}  {style}" for style, letter in letters.items()]
    return "\n".join(itertools.chain(text, ["", *styles], ["", *legend], [""]))


def _names(theme: Theme) -> dict[str, str]:
    """Names of colours; of two names for the same colour, the first."""
    single = [(getattr(theme, name), name) for name in COLOURS if name != "people"]
    people = [(colour, f"people[{number}]") for number, colour in enumerate(theme.people)]
    return {colour.removeprefix("ansi_"): name for colour, name in reversed([*single, *people])}


def _describe(style: Style, names: dict[str, str]) -> str:
    colour = style.color.name if style.color else "default"
    background = style.bgcolor.name if style.bgcolor else "default"
    flags = [mark for mark in ("bold", "italic", "underline", "reverse", "dim") if getattr(style, mark)]
    name = f"{names.get(colour, colour)} on {_background(background, names)}"
    return ", ".join([name, *flags, *(["link"] if style.link else [])])


def _background(colour: str, names: dict[str, str]) -> str:
    return "background" if colour == "default" else names.get(colour, colour)
