"""Textual app with the client's themes, for its own rows and for Textual's widgets."""

from dataclasses import replace

from textual.app import App
from textual.theme import BUILTIN_THEMES
from textual.theme import Theme as TextualTheme

from client.config.builtin_themes import BUILT_IN, DEFAULT
from client.config.themes import Theme
from client.screen.widgets.row_styles import TERMINAL_DEFAULT


class ThemedApp(App[None]):
    """Has one active theme: a built-in one, or one from the user's files."""

    def __init__(self) -> None:
        super().__init__()
        self._themes = dict(BUILT_IN)
        for theme in BUILT_IN.values():
            self.register_theme(textual_theme(theme))
        self.theme = DEFAULT

    @property
    def colours(self) -> Theme:
        """The active theme."""
        return self._themes.get(self.theme, BUILT_IN[DEFAULT])

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """CSS variables beside Textual's own."""
        return {"dim": BUILT_IN[DEFAULT].dim}

    def use_theme(self, theme: Theme) -> None:
        """Activate a theme; it replaces another one of the same name."""
        if self._themes.get(theme.name) != theme:
            self._themes[theme.name] = theme
            self.register_theme(textual_theme(theme))
            self.theme = DEFAULT  # setting the same name again would not apply the new colours
        self.theme = theme.name

    def next_theme(self) -> str:
        """Activate the next theme and return its name."""
        names = list(self._themes)
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        return self.theme


def textual_theme(theme: Theme) -> TextualTheme:
    """Convert a theme for Textual's widgets.

    A background `ansi_...` needs a base theme that leaves the terminal's colours as they are.
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
    """A cursor that is visible on any background."""
    if theme.text == TERMINAL_DEFAULT:
        style = {"foreground": TERMINAL_DEFAULT, "background": TERMINAL_DEFAULT, "text-style": "reverse"}
    else:
        style = {"foreground": theme.background, "background": theme.text, "text-style": "none"}
    return {f"input-cursor-{name}": value for name, value in style.items()}
