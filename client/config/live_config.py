"""The configuration and its theme while the client runs: what is written into their files takes effect at once."""

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

LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class EffectiveConfig:
    """What is in effect. `problems`: inert sentences on what is written and is not, because it is wrong."""

    config: Config
    theme: Theme
    problems: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """What to say when this has just come into effect."""
        if self.problems:
            return tuple(f"{problem} What was in effect before stays." for problem in self.problems)
        return ("The configuration was read anew.",)


class LiveConfig:
    """Ask `changed` every second or so. A file with a mistake changes nothing; the last good one stays in effect."""

    def __init__(
        self, environ: Mapping[str, str], named: CliOverrides | None = None, actions: Actions | None = None
    ) -> None:
        self._environ = environ
        self._named = named
        self._actions = actions
        self._watch = FileWatch([config_file(environ)])
        self.now = self._read(None)

    def changed(self) -> EffectiveConfig | None:
        """What is in effect now, if a file is another than at the last call."""
        if not self._watch.changed():
            return None
        self.now = self._read(self.now)
        return self.now

    async def follow(self, take: Callable[[EffectiveConfig], None]) -> None:
        """Hand on what is in effect whenever it changes, for as long as nobody cancels this."""
        while True:
            await asyncio.sleep(LOOK_S)
            if (now := self.changed()) is not None:
                take(now)

    def _read(self, before: EffectiveConfig | None) -> EffectiveConfig:
        loaded = load(self._environ, self._named, self._actions)
        problems = [problem.sentence(str(loaded.path)) for problem in loaded.parsed.problems]
        config = before.config if problems and before is not None else loaded.parsed.config
        theme, wrong = self._theme(config.theme or DEFAULT)
        if wrong:
            theme = before.theme if before is not None else BUILT_IN[DEFAULT]
        return EffectiveConfig(config, theme, (*problems, *wrong))

    def _theme(self, name: str) -> tuple[Theme, tuple[str, ...]]:
        path = theme_file(self._environ, name)
        self._watch.also(path)
        theme, wrong = load_theme(name, self._environ)
        return theme, tuple(problem.sentence(str(path)) for problem in wrong)
