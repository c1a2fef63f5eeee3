"""How each piece of a row looks in a theme, as Rich styles, and the theme as Textual's own widgets have it."""

from dataclasses import replace
from functools import cache

from rich.segment import Segment
from rich.style import Style
from textual.theme import BUILTIN_THEMES
from textual.theme import Theme as TextualTheme

from client.config.themes import Theme
from client.screen.layout.name_colors import person_colour
from client.screen.layout.spans import Row, Span, SpanRole

_TERMINALS = "ansi_default"
"""A colour that is the terminal's affair, as is what can be read on it."""


def segments(row: Row, theme: Theme, *, chosen: bool = False) -> list[Segment]:
    """A row as Rich has it. The text is inert and stands as it is: nothing in it is markup."""
    style = chosen_style(theme) if chosen else None
    return [Segment(piece.text, style_of(piece, theme) + style if style else style_of(piece, theme)) for piece in row]


def style_of(piece: Span, theme: Theme) -> Style:
    if piece.role is SpanRole.NAME:
        return _plain(person_colour(piece.detail, theme), bold=True)
    if piece.role is SpanRole.LINK:
        return _link(theme.accent, piece.detail)
    return _of_role(piece.role, theme)


@cache
def _of_role(role: SpanRole, theme: Theme) -> Style:
    match role:
        case SpanRole.TEXT:
            return _plain(theme.text)
        case SpanRole.TITLE:
            return _plain(theme.accent, bold=True)
        case SpanRole.MENTION:
            return _plain(theme.mention, bold=True)
        case SpanRole.UNREAD:
            return _plain(theme.unread, bold=True)
        case SpanRole.FOUND:
            return _plain(theme.text, reverse=True, bold=True)
        case SpanRole.STORED:
            return _plain(theme.good)
        case SpanRole.WAITING:
            return _plain(theme.warning, italic=True)
        case SpanRole.ERROR:
            return _plain(theme.error, bold=True)
        case SpanRole.NOTICE:
            return _plain(theme.dim, italic=True)
        case SpanRole.BAR:
            return _plain(theme.border)
    return _plain(theme.dim)


@cache
def chosen_style(theme: Theme) -> Style:
    """What is chosen: text on `selection`, and reversed where that is the terminal's own background."""
    if theme.selection == _TERMINALS:
        return Style(reverse=True)
    return Style(color=_rich(theme.text), bgcolor=_rich(theme.selection))


@cache
def _plain(colour: str, *, bold: bool = False, italic: bool = False, reverse: bool = False) -> Style:
    return Style(color=_rich(colour), bold=bold, italic=italic, reverse=reverse)


def _link(colour: str, address: str) -> Style:
    """OSC 8, so that a terminal opens it with a click; the address has no character that a terminal obeys."""
    return Style(color=_rich(colour), underline=True, link=address)


def _rich(colour: str) -> str:
    return colour.removeprefix("ansi_")


def textual_theme(theme: Theme) -> TextualTheme:
    """The theme for Textual's own widgets.

    Textual gives the terminal its own colours only where the background is one of them; else it takes usual values.
    """
    is_native = theme.background.startswith("ansi_")
    base = BUILTIN_THEMES[("ansi-" if is_native else "textual-") + ("dark" if theme.dark else "light")]
    return replace(
        base,
        name=theme.name,
        primary=theme.accent,
        accent=theme.accent,
        warning=theme.warning,
        error=theme.error,
        success=theme.good,
        foreground=theme.text,
        background=theme.background,
        surface=theme.background,
        panel=theme.panel,
        variables=base.variables | {"panel": theme.panel, "border": theme.border, "dim": theme.dim} | _cursor(theme),
    )


def _cursor(theme: Theme) -> dict[str, str]:
    """A cursor that can be seen on any background."""
    if theme.text == _TERMINALS:
        style = {"foreground": _TERMINALS, "background": _TERMINALS, "text-style": "reverse"}
    else:
        style = {"foreground": theme.background, "background": theme.text, "text-style": "none"}
    return {f"input-cursor-{name}": value for name, value in style.items()}
