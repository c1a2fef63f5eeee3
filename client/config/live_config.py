"""Reloads the configuration and its theme when their files change, while the client runs."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from client.config.builtin_themes import BUILT_IN, DEFAULT
from client.config.config_files import load, load_theme
from client.config.config_parser import CliOverrides
from client.config.config_schema import Config
from client.config.file_watch import FileWatch
from client.config.key_bindings import Actions
from client.config.themes import Theme
from client.config.xdg_folders import config_file, theme_file

POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class EffectiveConfig:
    """The settings and theme in effect. `problems`: messages, safe for a terminal, about what was rejected."""

    config: Config
    theme: Theme
    problems: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """What to show after a reload."""
        if self.problems:
            return tuple(f"{problem} Keeping the old settings." for problem in self.problems)
        return ("Configuration reloaded.",)


class LiveConfig:
    """Call `changed` about once a second. An invalid file changes nothing: the last valid one stays in effect."""

    def __init__(
        self, environ: Mapping[str, str], overrides: CliOverrides | None = None, actions: Actions | None = None
    ) -> None:
        self._environ = environ
        self._overrides = overrides
        self._actions = actions
        self._watch = FileWatch([config_file(environ)])
        self.now = self._load(None)

    def changed(self) -> EffectiveConfig | None:
        """Reload if a file changed since the last call; return what is in effect then."""
        if not self._watch.changed():
            return None
        self.now = self._load(self.now)
        return self.now

    async def follow(self, take: Callable[[EffectiveConfig], None]) -> None:
        """Call `take` after every reload, until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            if (now := self.changed()) is not None:
                take(now)

    def _load(self, before: EffectiveConfig | None) -> EffectiveConfig:
        loaded = load(self._environ, self._overrides, self._actions)
        problems = [problem.sentence(str(loaded.path)) for problem in loaded.parsed.problems]
        config = before.config if problems and before is not None else loaded.parsed.config
        theme, theme_problems = self._load_theme(config.theme or DEFAULT)
        if theme_problems:
            theme = before.theme if before is not None else BUILT_IN[DEFAULT]
        return EffectiveConfig(config, theme, (*problems, *theme_problems))

    def _load_theme(self, name: str) -> tuple[Theme, tuple[str, ...]]:
        path = theme_file(self._environ, name)
        self._watch.also(path)
        theme, problems = load_theme(name, self._environ)
        return theme, tuple(problem.sentence(str(path)) for problem in problems)
