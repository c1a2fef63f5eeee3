"""A program with a theme of ours: what we paint takes it, and Textual's own widgets follow."""

from collections.abc import Mapping

from textual.app import App

from client.config.builtin_themes import BUILT_IN, DEFAULT
from client.config.themes import Theme
from client.screen.widgets.row_styles import textual_theme


class ThemedApp(App[None]):
    """Wears one theme at a time: those that are built in, and those that a person wrote."""

    def __init__(self) -> None:
        super().__init__()
        self._themes = dict(BUILT_IN)
        for theme in BUILT_IN.values():
            self.register_theme(textual_theme(theme))
        self.theme = DEFAULT

    @property
    def themes(self) -> Mapping[str, Theme]:
        return self._themes

    @property
    def colours(self) -> Theme:
        """The theme that is worn."""
        return self._themes.get(self.theme, BUILT_IN[DEFAULT])

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """What our own style sheets can name beside Textual's colours."""
        return {"dim": BUILT_IN[DEFAULT].dim}

    def wear(self, theme: Theme) -> None:
        """Put on a theme, which may be another than the one that had its name before."""
        if self._themes.get(theme.name) != theme:
            self._themes[theme.name] = theme
            self.register_theme(textual_theme(theme))
            self.theme = DEFAULT  # else a theme of the same name would not be looked at anew
        self.theme = theme.name
