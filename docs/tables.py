"""Generate the tables in the documentation from the code: `python -m docs.tables`. A test checks that they are current.

A table is placed between `<!-- table: NAME -->` and `<!-- end -->` in any Markdown file of the project. Files that are
generated as a whole are in `FILES`.
"""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from chatterbox.chassis.settings import PREFIX, LimitSettings, Settings
from chatterbox.wire.close_codes import SENTENCES, CloseCode, may_reconnect
from chatterbox.wire.errors import MEANINGS, Code
from chatterbox.wire.frames import asyncapi
from chatterbox.wire.limits import Limits
from chatterbox.wire.rate_limits import RATE_LIMITS, UNCOUNTED
from client.cli import manual
from client.cli.grammar import grammar
from client.cli.parser import create_parser
from client.commands.config_command import documented
from client.config.builtin_themes import BUILT_IN
from client.config.config_fields import variable_of
from client.config.config_schema import KEYS
from client.config.themes import COLOURS
from client.faces.slash.slash_table import SLASHES
from client.failures import EXITS
from client.screen.actions import action_table
from docs.tracked import tracked
from services.auth.settings import AuthSettings
from services.files.settings import FilesSettings
from services.gateway.settings import GatewaySettings
from services.history.settings import HistorySettings

ROOT = Path(__file__).parent.parent
_TABLE = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def render(text: str) -> str:
    """Return `text` with every table in it regenerated."""
    return _TABLE.sub(lambda found: found[1] + "\n".join(TABLES[found[2]]()) + "\n" + found[3], text)


def pages() -> Iterator[Path]:
    """Yield every Markdown file of the project."""
    yield from (page for page in tracked(ROOT, suffix=".md") if page.parent == ROOT)
    for folder in ("docs", "deploy", "bench"):
        yield from tracked(ROOT, folder, ".md")


def _errors() -> Iterator[str]:
    yield from ("| code | HTTP | retry? | meaning |", "|---|---|---|---|")
    for code, meaning in sorted(MEANINGS.items()):
        yield f"| `{code}` | {meaning.status} | {'yes' if meaning.retry else 'no'} | {meaning.sentence} |"


def _closes() -> Iterator[str]:
    yield from ("| code | reconnect? | meaning |", "|---|---|---|")
    for code, sentence in SENTENCES.items():
        yield f"| {int(code)} | {'yes' if may_reconnect(code) else 'no'} | {sentence} |"


def _limits() -> Iterator[str]:
    yield from ("| limit | default | meaning | set by |", "|---|---|---|---|")
    sentences = _docstrings(Path(sys.modules[Limits.__module__].__file__ or ""))
    for field in msgspec.structs.fields(Limits):
        setting = f"`{PREFIX}{field.name.upper()}`" if field.name in LimitSettings.model_fields else "fixed"
        yield f"| `{field.name}` | {field.default} | {sentences[field.name]} | {setting} |"


def _rate_limits() -> Iterator[str]:
    yield from (
        "| what | actions | for each | allowed | beyond | enforced in | set by |",
        "|---|---|---|---|---|---|---|",
    )
    for row in RATE_LIMITS:
        actions = ", ".join(action if "every" in action else f"`{action}`" for action in row.actions)
        settings = ", ".join(f"`{PREFIX}{name.upper()}`" for name in row.settings) or "fixed"
        cells = (row.name, actions, row.key, str(row.bound), _consequence(row.error), f"`{row.place}`", settings)
        yield f"| {' | '.join(cells)} |"


def _consequence(error: Code | CloseCode | None) -> str:
    if error is None:
        return "waits"
    return f"`{error}`" if isinstance(error, Code) else f"closed with {int(error)}"


def _uncounted() -> Iterator[str]:
    yield from ("| paths below | why |", "|---|---|")
    yield from (f"| `{path}` | {why} |" for path, why in UNCOUNTED.items())


def _docstrings(source: Path) -> dict[str, str]:
    """Map each field of a struct to the docstring below it."""
    found = re.findall(r'^    (\w+): .*\n    """(.+?)"""', source.read_text(), re.MULTILINE)
    return dict(found)


def _frames(of: tuple[type[msgspec.Struct], ...]) -> Callable[[], Iterator[str]]:
    def rows() -> Iterator[str]:
        yield from ("| `type` | fields | meaning |", "|---|---|---|")
        for frame in of:
            fields = ", ".join(map(_field, msgspec.structs.fields(frame)))
            yield f"| `{asyncapi.tag_of(frame)}` | {fields} | {' '.join((frame.__doc__ or '').split())} |"

    return rows


def _field(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return f"`{field.encode_name}`"
    default: Any = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    shown = "" if default in (None, {}, False) else f" = {default}"
    return f"`{field.encode_name}?`{shown}"


def _settings() -> Iterator[str]:
    yield from ("| variable | default | meaning |", "|---|---|---|")
    seen: set[str] = set()
    for owner in (Settings, AuthSettings, HistorySettings, FilesSettings, GatewaySettings, LimitSettings):
        for name, sentence, default in _settings_of(owner):
            if name not in seen:
                seen.add(name)
                yield f"| `{PREFIX}{name.upper()}` | {default} | {sentence} |"


def _settings_of(owner: type[BaseSettings]) -> Iterator[tuple[str, str, str]]:
    for name, field in owner.model_fields.items():
        default = field.default
        shown = "" if default in (None, "", PydanticUndefined) else f"`{default}`"
        yield name, " ".join((field.description or "").split()), shown


def _command_line() -> Iterator[str]:
    yield from ("| command | what it does | options |", "|---|---|---|")
    for command in grammar(create_parser()).commands:
        usage = " ".join([command.name, *map(manual.usage_of, command.positionals)])
        options = [option for option in command.options if option.dest not in {"help", "server", "profile"}]
        described = "<br>".join(f"`{manual.flags_of(option)}` {option.help}" for option in options)
        yield f"| `{usage}` | {command.summary} | {described} |"


def _slashes() -> Iterator[str]:
    yield from ("| command | what it does |", "|---|---|")
    yield from (f"| `{slash.usage}` | {slash.help} |" for slash in SLASHES.values())
    yield "| `//text` | send text beginning with / |"


def _exits() -> Iterator[str]:
    yield from ("| exit code | meaning |", "|---|---|")
    yield from (f"| {int(code)} | {about} |" for code, about in EXITS.items())


def _config() -> Iterator[str]:
    yield from ("| key | default | type | meaning |", "|---|---|---|---|")
    for name, default, kind, sentence in documented():
        of_profile = " *" if name in KEYS and KEYS[name].info.in_profiles else ""
        yield f"| `{name}`{of_profile} | {f'`{default}`' if default else ''} | {kind} | {sentence} |"


def _variables() -> Iterator[str]:
    yield from ("| variable | key |", "|---|---|")
    for row in KEYS.values():
        if not row.info.is_table:
            yield f"| `{variable_of(row.name, row.info)}` | `{row.name}` |"


def _theme() -> Iterator[str]:
    yield from ("| colour | used for | `dark` | `light` |", "|---|---|---|---|")
    dark, light = BUILT_IN["dark"], BUILT_IN["light"]
    for name, sentence in COLOURS.items():
        values = [getattr(theme, name) for theme in (dark, light)]
        cells = [f"`{value}`" if isinstance(value, str) else f"{len(value)} colours" for value in values]
        yield f"| `{name}` | {sentence} | {' | '.join(cells)} |"


def _keys() -> Iterator[str]:
    yield from ("| action | keys | what it does |", "|---|---|---|")
    for where, rows in action_table.sections():
        yield f"| **{where}** | | |"
        for name, keys, about in rows:
            yield f"| `{name}` | {keys} | {about} |"


def _transcript(name: str, folder: str = "transcripts") -> Callable[[], Iterator[str]]:
    def lines() -> Iterator[str]:
        yield "```text"
        yield from (ROOT / "tests" / "contract" / folder / f"{name}.txt").read_text().splitlines()
        yield "```"

    return lines


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "errors": _errors,
    "closes": _closes,
    "limits": _limits,
    "rate-limits": _rate_limits,
    "uncounted": _uncounted,
    "commands": _frames(asyncapi.COMMANDS),
    "replies": _frames(asyncapi.REPLIES),
    "pushes": _frames(asyncapi.PUSHES),
    "settings": _settings,
    "client:commands": _command_line,
    "client:slashes": _slashes,
    "client:exits": _exits,
    "config": _config,
    "variables": _variables,
    "theme": _theme,
    "keys": _keys,
    "transcript:conversation": _transcript("conversation"),
    "transcript:reading": _transcript("reading"),
    "transcript:presence": _transcript("presence"),
    "transcript:changes": _transcript("changes"),
    "transcript:profiles": _transcript("profiles", "http_transcripts"),
    "transcript:files": _transcript("files"),
    "transcript:encryption": _transcript("encryption"),
    "transcript:encrypted_room": _transcript("encrypted_room"),
}

FILES: dict[Path, Callable[[], str]] = {
    ROOT / "docs" / "chatterbox.1": lambda: manual.page(create_parser()),
}


def main() -> None:
    for file, whole in FILES.items():
        file.write_text(whole())
    for page in pages():
        before = page.read_text()
        after = render(before)
        if after != before:
            page.write_text(after)
            print(f"wrote {page.relative_to(ROOT)}")  # noqa: T201 - its output


if __name__ == "__main__":
    main()
