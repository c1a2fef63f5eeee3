"""The built-in themes. A test checks the contrast of each colour: 4.5 for text, 7 in `high-contrast`."""

from collections.abc import Mapping

from client.config.themes import Theme

_DARK = Theme(
    name="dark",
    dark=True,
    background="#14171c",
    panel="#1d2128",
    selection="#2b3a4e",
    text="#d7dce2",
    dim="#949daa",
    accent="#6cb6ff",
    border="#66707d",
    unread="#9fd0ff",
    mention="#ffb454",
    good="#7bc275",
    warning="#e0b050",
    error="#ff8078",
    people=(
        *("#6cb6ff", "#7bc275", "#e0b050", "#ff8078", "#d2a8ff", "#56c8c8"),
        *("#f0a0c8", "#b8c060", "#ffa070", "#90b0ff", "#70d0a0", "#c8a890"),
    ),
)
_LIGHT = Theme(
    name="light",
    dark=False,
    background="#ffffff",
    panel="#f2f4f7",
    selection="#d3e5fb",
    text="#1c2128",
    dim="#57606a",
    accent="#0550ae",
    border="#7c8591",
    unread="#0a3d80",
    mention="#953800",
    good="#116329",
    warning="#7d4e00",
    error="#b0101c",
    people=(
        *("#0550ae", "#116329", "#7d4e00", "#b0101c", "#6639ba", "#0b6070"),
        *("#99286e", "#4c5a00", "#953800", "#3346b8", "#0f6650", "#6e4b34"),
    ),
)
_HIGH_CONTRAST = Theme(
    name="high-contrast",
    dark=True,
    background="#000000",
    panel="#000000",
    selection="#003f8f",
    text="#ffffff",
    dim="#d0d0d0",
    accent="#80d0ff",
    border="#ffffff",
    unread="#c0e8ff",
    mention="#ffd040",
    good="#80ff80",
    warning="#ffe060",
    error="#ffa0a0",
    people=(
        *("#80d0ff", "#80ff80", "#ffe060", "#ffa0a0", "#e0c0ff", "#70f0f0"),
        *("#ffb0e0", "#d8f060", "#ffc080", "#c0d0ff", "#90ffd0", "#f0d8c0"),
    ),
)
_SIXTEEN_COLOURS = Theme(
    name="16-colours",
    dark=True,
    background="ansi_default",
    panel="ansi_default",
    selection="ansi_default",
    text="ansi_default",
    dim="ansi_default",
    accent="ansi_cyan",
    border="ansi_default",
    unread="ansi_cyan",
    mention="ansi_yellow",
    good="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    people=("ansi_cyan", "ansi_green", "ansi_yellow", "ansi_red", "ansi_magenta", "ansi_blue"),
)

DEFAULT = "dark"
BUILT_IN: Mapping[str, Theme] = {theme.name: theme for theme in (_DARK, _LIGHT, _HIGH_CONTRAST, _SIXTEEN_COLOURS)}
