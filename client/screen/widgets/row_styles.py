"""Rich styles of span roles in a theme."""

from functools import cache
from typing import assert_never

from rich.segment import Segment
from rich.style import Style

from client.config.themes import Theme
from client.screen.layout.name_colors import person_colour
from client.screen.layout.spans import Row, Span, SpanRole

TERMINAL_DEFAULT = "ansi_default"
"""The terminal's own foreground or background colour."""


def segments(row: Row, theme: Theme, *, selected: bool = False) -> list[Segment]:
    """Convert a row for Rich. Its text is inert and is not interpreted as markup."""
    style = selected_style(theme) if selected else None
    return [Segment(span.text, style_of(span, theme) + style if style else style_of(span, theme)) for span in row]


def style_of(span: Span, theme: Theme) -> Style:
    if span.role is SpanRole.NAME:
        return _style(person_colour(span.detail, theme), bold=True)
    if span.role is SpanRole.LINK:
        return _link(theme.accent, span.detail)
    if span.role is SpanRole.AVATAR:
        return _style(person_colour(span.detail, theme), bold=True, reverse=True)
    return _of_role(span.role, theme)


@cache
def _of_role(role: SpanRole, theme: Theme) -> Style:
    match role:
        case SpanRole.TEXT:
            return _style(theme.text)
        case SpanRole.OWN:
            return _style(theme.text, bold=True)
        case SpanRole.TITLE:
            return _style(theme.accent, bold=True)
        case SpanRole.MENTION:
            return _style(theme.mention, bold=True)
        case SpanRole.UNREAD:
            return _style(theme.unread, bold=True)
        case SpanRole.FOUND:
            return _style(theme.text, reverse=True, bold=True)
        case SpanRole.STORED | SpanRole.ONLINE:
            return _style(theme.good)
        case SpanRole.AWAY:
            return _style(theme.warning)
        case SpanRole.WAITING:
            return _style(theme.warning, italic=True)
        case SpanRole.ERROR:
            return _style(theme.error, bold=True)
        case SpanRole.NOTICE:
            return _style(theme.dim, italic=True)
        case SpanRole.BAR:
            return _style(theme.border)
        case SpanRole.TIME | SpanRole.MARK | SpanRole.DAY | SpanRole.GAP:
            return _style(theme.dim)
        case SpanRole.NAME | SpanRole.LINK | SpanRole.AVATAR:
            return _style(theme.dim)
        case _:
            assert_never(role)


@cache
def selected_style(theme: Theme) -> Style:
    """Text on the colour `selection`; reversed if that is the terminal's own background."""
    if theme.selection == TERMINAL_DEFAULT:
        return Style(reverse=True)
    return Style(color=_rich(theme.text), bgcolor=_rich(theme.selection))


@cache
def _style(colour: str, *, bold: bool = False, italic: bool = False, reverse: bool = False) -> Style:
    return Style(color=_rich(colour), bold=bold, italic=italic, reverse=reverse)


def _link(colour: str, address: str) -> Style:
    """An OSC 8 hyperlink, which terminals open with a click. The address has no control characters."""
    return Style(color=_rich(colour), underline=True, link=address)


def _rich(colour: str) -> str:
    return colour.removeprefix("ansi_")
