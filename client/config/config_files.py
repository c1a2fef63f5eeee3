"""Reads the configuration file and theme files."""

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
"""Size limit of a file."""


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """The parsed configuration of `path`; `exists`: whether there is a file."""

    path: Path
    exists: bool
    parsed: ParsedConfig


def load(
    environ: Mapping[str, str], overrides: CliOverrides | None = None, actions: Actions | None = None
) -> LoadedConfig:
    """Load the configuration. A file that can't be read is reported as a problem."""
    path = config_file(environ)
    text = _read(path)
    if isinstance(text, ConfigProblem):
        return LoadedConfig(path, exists=True, parsed=ParsedConfig(Config(), problems=(text,)))
    return LoadedConfig(path, text is not None, parse(text or "", environ, overrides, actions))


def config_or_failure(environ: Mapping[str, str], overrides: CliOverrides | None = None) -> Config:
    """Load the configuration for a command; raises `UsageError` with the first problem."""
    loaded = load(environ, overrides)
    if not loaded.parsed.problems:
        return loaded.parsed.config
    first, *others = (problem.sentence(str(loaded.path)) for problem in loaded.parsed.problems)
    raise UsageError(f"{first} For all {len(others) + 1} problems: chatterbox config check" if others else first)


def load_theme(name: str, environ: Mapping[str, str]) -> tuple[Theme, tuple[ConfigProblem, ...]]:
    """Load a theme by name, built in or from its file. Invalid parts are reported and taken from its base theme."""
    if name in BUILT_IN:
        return BUILT_IN[name], ()
    path = theme_file(environ, name)
    text = _read(path)
    if text is None:
        text = ConfigProblem(f"no such file, and no built-in theme '{name}' ({', '.join(BUILT_IN)})")
    if isinstance(text, ConfigProblem):
        return BUILT_IN[DEFAULT], (text,)
    return parse_theme(name, text, BUILT_IN)


def _read(path: Path) -> str | ConfigProblem | None:
    """The text of a file; None if there is no file."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as problem:
        return ConfigProblem(f"can't be read ({problem.strerror})")
    if len(data) > FILE_BYTES:
        return ConfigProblem(f"larger than {FILE_BYTES // 1024} KiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        return ConfigProblem("not UTF-8", line=data[: problem.start].count(b"\n") + 1)
