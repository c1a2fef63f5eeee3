"""Themes: the colours of the full screen, their contrast, and parsing of theme files. Pure; any text is accepted.

Colours are in the notation of `client.config.theme_colors.colour`. No state is shown by colour alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

from client.config import toml_positions
from client.config.config_problems import ConfigProblem, did_you_mean
from client.config.theme_colors import colour, contrast
from client.config.value_kinds import shown

LEAST_OF_TEXT = 4.5
"""Minimum contrast of text (WCAG 2.2, 1.4.3, AA)."""
LEAST_OF_LINES = 3.0
"""Minimum contrast of anything else (1.4.11)."""
PEOPLE_LIMIT = 64
_DESCRIPTION = "description"
_GROUNDS = ("background", "panel", "selection")
_PEOPLE = "people"
_BASE = "base"
_COLOURS = "colours"


def _of(description: str) -> str:
    """Declare a colour by its use; every theme has every colour."""
    return cast("str", field(metadata={_DESCRIPTION: description}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """A complete theme. `people`: the colours of usernames; a hash of the name selects one."""

    name: str
    dark: bool
    """Whether the background is dark."""
    background: str = _of("Background of the messages.")
    panel: str = _of("Background of the lists of rooms and people, the title and the status line.")
    selection: str = _of("Background of the selected room or message; `default`: reverse video.")
    text: str = _of("Messages.")
    dim: str = _of("Secondary text: times, days, the client's own notices.")
    accent: str = _of("Links, the name of the room, keys in the help.")
    border: str = _of("The line between names and messages.")
    unread: str = _of("A room with unread messages.")
    mention: str = _of("A message that mentions you, and its room.")
    good: str = _of("The mark of stored messages.")
    warning: str = _of("Queued, catching up, offline.")
    error: str = _of("Not sent, connection lost.")
    people: tuple[str, ...] = field(metadata={_DESCRIPTION: "The colours of usernames, as a list."})


COLOURS: Mapping[str, str] = {
    each.name: each.metadata[_DESCRIPTION] for each in fields(Theme) if _DESCRIPTION in each.metadata
}
"""The colours of a theme with their uses."""


def contrasts(theme: Theme) -> Iterator[tuple[str, str, float, float]]:
    """Each colour and its background, with their contrast and its minimum, where the contrast is known."""
    on_background = [(name, getattr(theme, name)) for name in COLOURS if name not in {*_GROUNDS, _PEOPLE}]
    on_background += [(f"{_PEOPLE}[{number}]", person) for number, person in enumerate(theme.people)]
    pairs = [(name, value, "background") for name, value in on_background]
    pairs += [(name, value, "panel") for name, value in on_background if name not in {"good", "error", "border"}]
    pairs += [("text", theme.text, "selection")]
    for name, value, background in pairs:
        ratio = contrast(value, getattr(theme, background))
        if ratio is not None:
            yield name, background, ratio, LEAST_OF_LINES if name == "border" else LEAST_OF_TEXT


def hard_to_read(theme: Theme) -> tuple[str, ...]:
    """A warning for each colour with too little contrast to its background."""
    return tuple(
        f"{name} on {background} has a contrast of {ratio:.1f}, less than {least:g}: hard to read."
        for name, background, ratio, least in contrasts(theme)
        if ratio < least
    )


def parse_theme(name: str, text: str, built_in: Mapping[str, Theme]) -> tuple[Theme, tuple[ConfigProblem, ...]]:
    """Parse a theme file. Missing and invalid values are taken from its base theme."""
    document = toml_positions.parse_document(text)
    if isinstance(document, ConfigProblem):
        return built_in["dark"], (document,)
    parser = _ThemeParser(toml_positions.lines_of(text), built_in)
    return parser.theme(name, document), tuple(parser.problems)


class _ThemeParser:
    """Parses one theme; collects problems."""

    def __init__(self, lines: Mapping[toml_positions.Path, int], built_in: Mapping[str, Theme]) -> None:
        self.problems: list[ConfigProblem] = []
        self._lines = lines
        self._built_in = built_in

    def theme(self, name: str, document: toml_positions.Document) -> Theme:
        for key in document:
            if key not in {_BASE, _COLOURS}:
                self._report(f"unknown setting{did_you_mean(key, [_BASE, _COLOURS])}", (key,))
        base = self._base(document.get(_BASE, "dark"))
        colours = document.get(_COLOURS, {})
        if not isinstance(colours, Mapping):
            self._report("must be a table: [colours]", (_COLOURS,))
            return base
        own: dict[str, Any] = dict(self._colours(colours))
        changed = replace(base, name=name, **own)
        return replace(changed, dark=_is_dark(changed, base))

    def _base(self, name: object) -> Theme:
        if isinstance(name, str) and name in self._built_in:
            return self._built_in[name]
        self._report(f"must be one of {', '.join(self._built_in)}, not {shown(name)}", (_BASE,))
        return self._built_in["dark"]

    def _colours(self, table: toml_positions.Document) -> Iterator[tuple[str, str | tuple[str, ...]]]:
        for name, written in table.items():
            if name not in COLOURS:
                self._report(f"unknown colour{did_you_mean(name, COLOURS)}", (_COLOURS, name))
            elif name == _PEOPLE:
                yield from self._people(written)
            elif (value := self._colour(written, name)) is not None:
                yield name, value

    def _people(self, written: object) -> Iterator[tuple[str, tuple[str, ...]]]:
        if not isinstance(written, list) or not 0 < len(written) <= PEOPLE_LIMIT:
            self._report(f"must be a list of 1 to {PEOPLE_LIMIT} colours", (_COLOURS, _PEOPLE))
            return
        colours = [self._colour(each, _PEOPLE) for each in written]
        yield _PEOPLE, tuple(each for each in colours if each is not None) or self._built_in["dark"].people

    def _colour(self, written: object, name: str) -> str | None:
        value = colour(written) if isinstance(written, str) else None
        if value is None:
            self._report(f'must be a colour like "#6cb6ff" or "bright-red", not {shown(written)}', (_COLOURS, name))
        return value

    def _report(self, what: str, path: toml_positions.Path) -> None:
        line = self._lines.get(path) or self._lines.get(path[:1])
        self.problems.append(ConfigProblem(what, ".".join(path), line))


def _is_dark(theme: Theme, base: Theme) -> bool:
    """Whether the background contrasts more with white than with black."""
    to_white, to_black = contrast(theme.background, "#ffffff"), contrast(theme.background, "#000000")
    return base.dark if to_white is None or to_black is None else to_white > to_black
