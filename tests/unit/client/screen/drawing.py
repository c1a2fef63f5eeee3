"""What is on the screen as text that can be read and compared: the letters, below them the look of each, and a legend.

A look is one letter for each cell, `.` for plain text; colours are called as the theme calls them.
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
    text, looks = [], []
    for row in rows:
        text.append("".join(segment.text for segment in row).rstrip())
        cells = [(_look(segment.style or Style(), names), cell_len(segment.text)) for segment in row]
        for look, _ in cells:
            letters.setdefault(look, _LETTERS[len(letters) - 1])
        looks.append("".join(letters[look] * width for look, width in cells).rstrip("."))
    legend = [f"{letter}  {look}" for look, letter in letters.items()]
    return "\n".join(itertools.chain(text, ["", *looks], ["", *legend], [""]))


def _names(theme: Theme) -> dict[str, str]:
    """What colours are called; of two names the first one."""
    single = [(getattr(theme, name), name) for name in COLOURS if name != "people"]
    people = [(colour, f"people[{number}]") for number, colour in enumerate(theme.people)]
    return {colour.removeprefix("ansi_"): name for colour, name in reversed([*single, *people])}


def _look(style: Style, names: dict[str, str]) -> str:
    colour = style.color.name if style.color else "default"
    ground = style.bgcolor.name if style.bgcolor else "default"
    marks = [mark for mark in ("bold", "italic", "underline", "reverse", "dim") if getattr(style, mark)]
    name = f"{names.get(colour, colour)} on {_ground(ground, names)}"
    return ", ".join([name, *marks, *(["link"] if style.link else [])])


def _ground(colour: str, names: dict[str, str]) -> str:
    return "background" if colour == "default" else names.get(colour, colour)
