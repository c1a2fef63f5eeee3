"""Shell completion by argcomplete: commands and options from the parser, names from this machine's files.

It never uses the network, and imports little, because the shell runs it at each Tab.
"""

import argparse
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, TypeAlias

import argcomplete
from argcomplete.completers import ChoicesCompleter, FilesCompleter
from argcomplete.shell_integration import shellcode

from client.cli.parser import create_parser
from client.config.config_parser import CliOverrides
from client.failures import Failure
from client.store.session_file import OTHERS

Completions: TypeAlias = Mapping[str, str]
"""Each candidate with its description."""
Completer: TypeAlias = Callable[..., Completions]

_PATHS = frozenset({"files", "output", "picture", "recovery_to"})
"""Arguments that take paths of this computer."""
_SAFE_NAME = re.compile(r"[\w.@+-]+")
"""Names without characters that are special to a shell."""


@dataclass(frozen=True, slots=True)
class LocalNames:
    """Names that this machine has cached."""

    rooms: Sequence[str] = ()
    other_rooms: Sequence[str] = ()
    people: Sequence[str] = ()
    sessions: Sequence[str] = ()
    cursors: Sequence[str] = ()


def script(shell: str) -> str:
    """The completion script for bash, zsh or fish, which runs this program at each Tab."""
    return shellcode(["chatterbox"], shell=shell, complete_arguments=["-o", "nospace"])


def complete(
    environ: Mapping[str, str], output: TextIO | None = None, leave: Callable[[int], object] = os._exit
) -> None:
    """Write the candidates for the command line in `environ`, which the script sets, and end the process.

    By default they go where the script reads them, and the process ends at once: nothing at exit delays a Tab.
    """
    parser = create_parser()
    _add_completers(parser, lambda overrides: local_names(overrides, environ))
    argcomplete.autocomplete(
        parser,
        always_complete_options=False,
        exit_method=leave,
        output_stream=output,
        default_completer=ChoicesCompleter({}),
    )


def _add_completers(parser: argparse.ArgumentParser, load: Callable[[CliOverrides], LocalNames]) -> None:
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of its arguments
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                _add_completers(command, load)
        elif action.dest in _PATHS:
            action.completer = FilesCompleter()  # type: ignore[attr-defined]
        elif action.choices is None and action.nargs != 0:
            action.completer = _completer(action.dest, load)  # type: ignore[attr-defined]


def _completer(dest: str, load: Callable[[CliOverrides], LocalNames]) -> Completer:
    """A completer with the signature that argcomplete calls."""

    def candidates(parsed_args: argparse.Namespace, **_: object) -> Completions:
        overrides = CliOverrides(getattr(parsed_args, "server", None), getattr(parsed_args, "profile", None))
        if dest == "key_target":
            return _key_targets(parsed_args, load(overrides))
        return candidates_for(dest, parsed_args.command, load(overrides))

    return candidates


def candidates_for(dest: str, command: str | None, names: LocalNames) -> Completions:
    """Candidates for the argument `dest` of a command."""
    match dest:
        case "room" | "rooms" | "searched":
            others = names.other_rooms if command in {"join", "chat"} else ()
            return _safe(names.rooms, "room") | _safe(others, "not joined")
        case "person":
            return _safe(names.people, "")
        case "session":
            return _safe(names.sessions, "session") | {OTHERS: "all but this one"}
        case "resume":
            return _safe(names.cursors, "saved position")
    return {}


def _key_targets(parsed_args: argparse.Namespace, names: LocalNames) -> Completions:
    """What `keys WHAT` is about: a user, a file, or a device, whose id is known to the server only."""
    match parsed_args.what:
        case "number" | "verify" | "unverify" | "accept":
            return candidates_for("person", "keys", names)
        case "export" | "import":
            return dict.fromkeys(FilesCompleter()(prefix=""), "")
    return {}


def _safe(names: Iterable[str], description: str) -> dict[str, str]:
    return {name: description for name in names if _SAFE_NAME.fullmatch(name) and not name.startswith("-")}


def local_names(overrides: CliOverrides, environ: Mapping[str, str]) -> LocalNames:
    """The names that are cached for the server and user that a command would use."""
    from client.config.profile_choice import choose_profile
    from client.store.name_cache import load, name_cache_path
    from client.store.session_file import SessionFile
    from client.store.tail_cursors import cursor_folder
    from client.text.server_url import written_address

    try:
        choice = choose_profile(overrides, environ)
    except Failure:  # the command itself reports an invalid configuration
        return LocalNames()
    session = SessionFile(choice.folder, written_address(choice.server), choice.config.profile).load()
    if session is None:
        return LocalNames()
    names = load(name_cache_path(choice.folder, session.server, session.username))
    cursors = _stems(cursor_folder(choice.folder, session.server, session.username))
    return LocalNames(names.rooms, names.other_rooms, names.people, names.sessions, cursors)


def _stems(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.sqlite3"))
