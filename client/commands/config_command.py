"""The command `chatterbox config`: print the path, the effective settings, or the problems."""

import json
from collections.abc import Iterator, Mapping

from client.config.builtin_themes import BUILT_IN, DEFAULT
from client.config.config_files import LoadedConfig, load, load_theme
from client.config.config_parser import CliOverrides
from client.config.config_schema import KEYS, Config, values_of
from client.config.key_bindings import Actions
from client.config.themes import hard_to_read
from client.config.xdg_folders import config_file, theme_file
from client.failures import ExitCode
from client.output import print_result, print_status
from client.text.sanitize import inert


def config(what: str, environ: Mapping[str, str], overrides: CliOverrides, actions: Actions | None = None) -> ExitCode:
    """Run `chatterbox config path`, `show` or `check`. Problems go to standard error and mean exit code 2.

    `actions` are those that keys can be bound to; None accepts any action name.
    """
    if what == "path":
        print_result(str(config_file(environ)))
        return ExitCode.OK
    loaded = load(environ, overrides, actions)
    problems, warnings = findings(loaded, environ)
    if what == "show":
        for line in shown(loaded):
            print_result(line)
    else:
        for warning in warnings:
            print_status(warning)
        print_result(_verdict(loaded, len(problems)))
    for problem in problems:
        print_status(problem)
    return ExitCode.USAGE if problems else ExitCode.OK


def findings(loaded: LoadedConfig, environ: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The problems and the warnings of the configuration and its theme, as inert sentences."""
    problems = [problem.sentence(str(loaded.path)) for problem in loaded.parsed.problems]
    name = loaded.parsed.config.theme or DEFAULT
    theme, wrong = load_theme(name, environ)
    file = str(theme_file(environ, name))
    problems += [problem.sentence(file) for problem in wrong]
    return problems, [] if name in BUILT_IN else [inert(f"{file}: {warning}") for warning in hard_to_read(theme)]


def _verdict(loaded: LoadedConfig, problems: int) -> str:
    if not loaded.exists:
        what = "no such file, so every setting has its default"
    else:
        what = f"{problems} problem{'s' * (problems > 1)}" if problems else "no problems found"
    return inert(f"{loaded.path}: {what}.")


def shown(loaded: LoadedConfig) -> Iterator[str]:
    """Every setting with its value, as TOML, and its origin; inert and aligned."""
    rows = list(_rows(loaded.parsed.config, loaded.parsed.origins))
    widest = min(60, max(len(written) for written, _ in rows))
    for written, origin in rows:
        yield f"{written:<{widest}}  # {origin}"


def _rows(config: Config, origins: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in values_of(config).items():
        if KEYS[name].info.is_table and isinstance(value, Mapping):
            for entry, of_entry in value.items():
                yield f"{name}.{_key(entry)} = {_toml(of_entry)}", origins.get(f"{name}.{entry}", "default")
        else:
            yield f"{name} = {_toml(value)}", origins.get(name, "default")


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else _toml(name)


def _toml(value: object) -> str:
    """A value as TOML, on one inert line."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float):
        return f"{value:g}"
    return inert(json.dumps(value, ensure_ascii=False))


def documented() -> Iterator[tuple[str, str, str, str]]:
    """Each setting for the docs: its name, its default as TOML, its type, and its description."""
    for row in KEYS.values():
        default = "" if row.info.is_table else _toml(row.default)
        name = f"{row.name}.NAME" if row.info.is_table else row.name
        yield name, default, row.info.kind.description, row.info.description
