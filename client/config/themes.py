"""Themes: what has a colour, and what is wrong with a theme that a person wrote. Pure, total.

Colours are as `client.config.theme_colors.colour` returns them. Colour is never the only sign of anything.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

from client.config import toml_positions
from client.config.config_problems import ConfigProblem, did_you_mean
from client.config.theme_colors import colour, contrast
from client.config.value_kinds import shown

LEAST_OF_TEXT = 4.5
"""The least contrast of text (WCAG 2.2, 1.4.3, AA)."""
LEAST_OF_LINES = 3.0
"""The same of what is not text (1.4.11)."""
PEOPLE_LIMIT = 64
_SENTENCE = "sentence"
_GROUNDS = ("background", "panel", "selection")
_PEOPLE = "people"
_BASE = "base"
_COLOURS = "colours"


def _of(sentence: str) -> str:
    """Declare a colour by what it is for; every theme has every colour."""
    return cast("str", field(metadata={_SENTENCE: sentence}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """A complete theme. `people`: the colours of names, which are given by name and not by turn."""

    name: str
    dark: bool
    """Whether its background is the darker."""
    background: str = _of("Behind what is said.")
    panel: str = _of("Behind the lists of rooms and people, the title and the status.")
    selection: str = _of("Behind the room or message that is chosen; `default`: reversed.")
    text: str = _of("What is said.")
    dim: str = _of("What matters less: times, days, the client's own words.")
    accent: str = _of("Links, the room's name, keys in the help.")
    border: str = _of("The line between names and what they say.")
    unread: str = _of("A room with something new.")
    mention: str = _of("A message that names you, and its room.")
    good: str = _of("The mark of what is stored.")
    warning: str = _of("Queued, catching up, offline.")
    error: str = _of("Not sent, lost.")
    people: tuple[str, ...] = field(metadata={_SENTENCE: "The colours of names, in a list."})


COLOURS: Mapping[str, str] = {
    each.name: each.metadata[_SENTENCE] for each in fields(Theme) if _SENTENCE in each.metadata
}
"""What a theme can colour, and what that is for."""


def contrasts(theme: Theme) -> Iterator[tuple[str, str, float, float]]:
    """What stands on what, with its contrast and the least that it should have, where that is known."""
    on_background = [(name, getattr(theme, name)) for name in COLOURS if name not in {*_GROUNDS, _PEOPLE}]
    on_background += [(f"{_PEOPLE}[{number}]", person) for number, person in enumerate(theme.people)]
    pairs = [(name, value, "background") for name, value in on_background]
    pairs += [(name, value, "panel") for name, value in on_background if name not in {"good", "error", "border"}]
    pairs += [("text", theme.text, "selection")]
    for name, value, ground in pairs:
        found = contrast(value, getattr(theme, ground))
        if found is not None:
            yield name, ground, found, LEAST_OF_LINES if name == "border" else LEAST_OF_TEXT


def hard_to_read(theme: Theme) -> tuple[str, ...]:
    """A sentence for each colour that is hard to see on what is behind it."""
    return tuple(
        f"{name} on {ground} has a contrast of {found:.1f}, less than {least:g}: hard to read."
        for name, ground, found, least in contrasts(theme)
        if found < least
    )


def parse_theme(name: str, text: str, built_in: Mapping[str, Theme]) -> tuple[Theme, tuple[ConfigProblem, ...]]:
    """Read the text of a theme file. Whatever it does not say, or says wrong, is taken from its base."""
    said = toml_positions.document(text)
    if isinstance(said, ConfigProblem):
        return built_in["dark"], (said,)
    reading = _ThemeParse(toml_positions.lines_of(text), built_in)
    return reading.theme(name, said), tuple(reading.problems)


class _ThemeParse:
    """One parse: gathers problems."""

    def __init__(self, lines: Mapping[toml_positions.Path, int], built_in: Mapping[str, Theme]) -> None:
        self.problems: list[ConfigProblem] = []
        self._lines = lines
        self._built_in = built_in

    def theme(self, name: str, said: toml_positions.Document) -> Theme:
        for key in said:
            if key not in {_BASE, _COLOURS}:
                self._wrong(f"is no part of a theme{did_you_mean(key, [_BASE, _COLOURS])}", (key,))
        base = self._base(said.get(_BASE, "dark"))
        colours = said.get(_COLOURS, {})
        if not isinstance(colours, Mapping):
            self._wrong("must be a table: [colours]", (_COLOURS,))
            return base
        own: dict[str, Any] = dict(self._colours(colours))
        changed = replace(base, name=name, **own)
        return replace(changed, dark=_is_dark(changed, base))

    def _base(self, named: object) -> Theme:
        if isinstance(named, str) and named in self._built_in:
            return self._built_in[named]
        self._wrong(f"must be one of {', '.join(self._built_in)}, not {shown(named)}", (_BASE,))
        return self._built_in["dark"]

    def _colours(self, said: toml_positions.Document) -> Iterator[tuple[str, str | tuple[str, ...]]]:
        for name, written in said.items():
            if name not in COLOURS:
                self._wrong(f"is nothing that has a colour{did_you_mean(name, COLOURS)}", (_COLOURS, name))
            elif name == _PEOPLE:
                yield from self._people(written)
            elif (value := self._colour(written, name)) is not None:
                yield name, value

    def _people(self, written: object) -> Iterator[tuple[str, tuple[str, ...]]]:
        if not isinstance(written, list) or not 0 < len(written) <= PEOPLE_LIMIT:
            self._wrong(f"must be a list of 1 to {PEOPLE_LIMIT} colours", (_COLOURS, _PEOPLE))
            return
        colours = [self._colour(each, _PEOPLE) for each in written]
        yield _PEOPLE, tuple(each for each in colours if each is not None) or self._built_in["dark"].people

    def _colour(self, written: object, name: str) -> str | None:
        value = colour(written) if isinstance(written, str) else None
        if value is None:
            self._wrong(f'must be a colour like "#6cb6ff" or "bright-red", not {shown(written)}', (_COLOURS, name))
        return value

    def _wrong(self, what: str, path: toml_positions.Path) -> None:
        line = self._lines.get(path) or self._lines.get(path[:1])
        self.problems.append(ConfigProblem(what, ".".join(path), line))


def _is_dark(theme: Theme, base: Theme) -> bool:
    """Whether black is nearer to its background than white."""
    to_white, to_black = contrast(theme.background, "#ffffff"), contrast(theme.background, "#000000")
    return base.dark if to_white is None or to_black is None else to_white > to_black
