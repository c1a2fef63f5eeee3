"""The configuration and its theme while the client runs: what is written into their files takes effect at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from client.home.bindings import Actions
from client.home.config import Config
from client.home.files import load, load_theme
from client.home.folders import config_file, theme_file
from client.home.reading import Named
from client.home.themes import Theme
from client.home.watch import Watch


@dataclass(frozen=True, slots=True)
class InEffect:
    """What is in effect. `problems`: inert sentences on what is written and is not, because it is wrong."""

    config: Config
    theme: Theme
    problems: tuple[str, ...] = ()


class Live:
    """Ask `changed` every second or so. A configuration with a mistake changes nothing; the last good one stays."""

    def __init__(self, environ: Mapping[str, str], named: Named | None = None, actions: Actions | None = None) -> None:
        self._environ = environ
        self._named = named
        self._actions = actions
        self._watch = Watch([config_file(environ)])
        self.now = self._read(None)

    def changed(self) -> InEffect | None:
        """What is in effect now, if a file is another than at the last call."""
        if not self._watch.changed():
            return None
        self.now = self._read(self.now.config)
        return self.now

    def _read(self, before: Config | None) -> InEffect:
        loaded = load(self._environ, self._named, self._actions)
        problems = [problem.sentence(str(loaded.path)) for problem in loaded.parsed.problems]
        config = before if problems and before is not None else loaded.parsed.config
        path = theme_file(self._environ, config.theme)
        self._watch.also(path)
        theme, wrong = load_theme(config.theme, self._environ)
        problems += [problem.sentence(str(path)) for problem in wrong]
        return InEffect(config, theme, tuple(problems))
