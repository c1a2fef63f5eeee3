"""Reads what the person wrote: the configuration and a theme. Thin: what it means is decided elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from client.config.builtin_themes import BUILT_IN, DEFAULT
from client.config.config_parser import CliOverrides, ParsedConfig, parse
from client.config.config_problems import ConfigProblem
from client.config.config_schema import Config
from client.config.key_bindings import Actions
from client.config.themes import Theme, parse_theme
from client.config.xdg_folders import config_file, theme_file
from client.failures import UsageError

FILE_BYTES = 256 * 1024
"""A file with more is none that a person wrote."""


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """What stands in the configuration at `path`; `exists`: whether there is a file."""

    path: Path
    exists: bool
    parsed: ParsedConfig


def load(environ: Mapping[str, str], named: CliOverrides | None = None, actions: Actions | None = None) -> LoadedConfig:
    """Read the configuration; one that can't be read has a problem that says why."""
    path = config_file(environ)
    text = _text(path)
    if isinstance(text, ConfigProblem):
        return LoadedConfig(path, exists=True, parsed=ParsedConfig(Config(), problems=(text,)))
    return LoadedConfig(path, text is not None, parse(text or "", environ, named, actions))


def config_or_failure(environ: Mapping[str, str], named: CliOverrides | None = None) -> Config:
    """The configuration for a command; raises `UsageError` with the first problem."""
    loaded = load(environ, named)
    if not loaded.parsed.problems:
        return loaded.parsed.config
    first, *others = (problem.sentence(str(loaded.path)) for problem in loaded.parsed.problems)
    raise UsageError(f"{first} All {len(others) + 1} problems: chatterbox config check" if others else first)


def load_theme(name: str, environ: Mapping[str, str]) -> tuple[Theme, tuple[ConfigProblem, ...]]:
    """The theme of that name, built in or from its file; with problems, what is wrong is taken from its base."""
    if name in BUILT_IN:
        return BUILT_IN[name], ()
    path = theme_file(environ, name)
    text = _text(path)
    if text is None:
        known = ", ".join(BUILT_IN)
        text = ConfigProblem(f"There is no such file, and no theme {name} is built in ({known})")
    if isinstance(text, ConfigProblem):
        return BUILT_IN[DEFAULT], (text,)
    return parse_theme(name, text, BUILT_IN)


def _text(path: Path) -> str | ConfigProblem | None:
    """A file's text; None if there is no file."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as problem:
        return ConfigProblem(f"It can't be read ({problem.strerror})")
    if len(data) > FILE_BYTES:
        return ConfigProblem(f"It has more than {FILE_BYTES // 1024} KiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        return ConfigProblem("It is not UTF-8", line=data[: problem.start].count(b"\n") + 1)
