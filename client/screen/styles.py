"""How each piece of a row looks under a palette, as Rich styles, and the palette as a theme of Textual's."""

from dataclasses import replace
from functools import cache

from rich.segment import Segment
from rich.style import Style
from textual.theme import BUILTIN_THEMES, Theme

from client.screen.colours import Palette, person_colour
from client.screen.pieces import Piece, Role, Row

_SELECTED = Style(reverse=True)


def segments(row: Row, palette: Palette, *, selected: bool = False) -> list[Segment]:
    """A row as Rich has it. The text is inert and stands as it is: nothing in it is markup."""
    return [
        Segment(piece.text, _selected(style_of(piece, palette)) if selected else style_of(piece, palette))
        for piece in row
    ]


def style_of(piece: Piece, palette: Palette) -> Style:
    if piece.role is Role.NAME:
        return _plain(person_colour(piece.detail, palette), bold=True)
    if piece.role is Role.LINK:
        return _link(palette.accent, piece.detail)
    return _of_role(piece.role, palette)


@cache
def _of_role(role: Role, palette: Palette) -> Style:
    match role:
        case Role.TEXT:
            return _plain(palette.text)
        case Role.MENTION:
            return _plain(palette.accent, bold=True)
        case Role.UNREAD:
            return _plain(palette.alarm, bold=True)
        case Role.FOUND:
            return _plain(palette.text, reverse=True, bold=True)
        case Role.WAITING | Role.NOTICE:
            return _plain(palette.faint, italic=True)
    return _plain(palette.faint)


@cache
def _plain(colour: str, *, bold: bool = False, italic: bool = False, reverse: bool = False) -> Style:
    return Style(color=_rich(colour), bold=bold, italic=italic, reverse=reverse)


def _link(colour: str, address: str) -> Style:
    """OSC 8, so that a terminal opens it with a click; the address has no character that a terminal obeys."""
    return Style(color=_rich(colour), underline=True, link=address)


@cache
def _selected(style: Style) -> Style:
    return style + _SELECTED


def _rich(colour: str) -> str:
    return colour.removeprefix("ansi_")


def theme(palette: Palette) -> Theme:
    """The palette for Textual's own widgets."""
    if palette.sixteen:
        return replace(BUILTIN_THEMES["ansi-dark"], name=palette.name)
    cursor = {"input-cursor-foreground": palette.background, "input-cursor-background": palette.text}
    return Theme(
        name=palette.name,
        primary=palette.accent,
        warning=palette.alarm,
        error=palette.alarm,
        accent=palette.accent,
        foreground=palette.text,
        background=palette.background,
        surface=palette.background,
        panel=palette.raised,
        dark=palette.dark,
        variables=cursor,
    )
