"""What a word on the command line could become: from the grammar, and from this machine's files.

No server is asked. Importing this must stay quick, since it is done at each Tab.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from client.cli.grammar import Argument, Command, Grammar, grammar
from client.cli.parser import parser
from client.cli.shells import typed_before, whole
from client.config.config_parser import CliOverrides
from client.failures import ExitCode, Failure
from client.store.session_file import OTHERS

_FIT = re.compile(r"[\w.@+-]+")
"""Names that no shell reads anything into."""


@dataclass(frozen=True, slots=True)
class LocalNames:
    """What is known without a network."""

    rooms: Sequence[str] = ()
    other_rooms: Sequence[str] = ()
    people: Sequence[str] = ()
    sessions: Sequence[str] = ()
    cursors: Sequence[str] = ()


def answer(words: Sequence[str], environ: Mapping[str, str]) -> ExitCode:
    """Print what the last of `words` (those after the program's name) could become, each with a word about it."""
    before, typed = typed_before(words), whole(words) or [""]
    for name, about in completed(grammar(parser()), typed, local(typed, environ)):
        shown = name.removeprefix(before)
        print(f"{shown}\t{about}" if about else shown)
    return ExitCode.OK


def completed(known: Grammar, words: Sequence[str], names: LocalNames) -> list[tuple[str, str]]:
    """What the last word could become, each with a word about it. Pure."""
    *before, last = words
    command, wanted, awaited = _read(known, before)
    flag, equals, _ = last.partition("=")
    if awaited is None and equals and (option := _option(command, flag)):
        found = [(f"{flag}={name}", about) for name, about in _values(option, command, names)]
    elif awaited is not None:
        found = _values(awaited, command, names)
    elif last.startswith("-"):
        found = [(flag, option.help) for option in command.options for flag in option.flags if flag.startswith("--")]
    elif command is known.top:
        found = [(each.name, each.about) for each in known.commands]
    else:
        found = _values(wanted, command, names) if wanted else []
    return [(name, about) for name, about in found if name.startswith(last)]


def _read(known: Grammar, words: Iterable[str]) -> tuple[Command, Argument | None, Argument | None]:
    """Which command `words` are about, what its next word names, and the option that waits for its value."""
    command, place, awaited = known.top, 0, None
    for word in words:
        if awaited is not None:
            awaited = None
        elif word.startswith("-"):
            awaited = _option(command, word)
        elif command is known.top:
            command = known.command(word) or Command("", "", (), ())
        else:
            place += 1
    return command, _at(command.words, place), awaited


def _option(command: Command, word: str) -> Argument | None:
    return next((option for option in command.options if word in option.flags and option.takes_value), None)


def _at(words: Sequence[Argument], place: int) -> Argument | None:
    if place < len(words):
        return words[place]
    return words[-1] if words and words[-1].is_repeated else None


def _values(argument: Argument, command: Command, names: LocalNames) -> list[tuple[str, str]]:
    if argument.choices:
        return [(choice, "") for choice in argument.choices]
    match argument.dest:
        case "room" | "rooms":
            others = names.other_rooms if command.name in {"join", "chat"} else ()
            return _fit(names.rooms, "room") + _fit(others, "not joined")
        case "person":
            return _fit(names.people, "")
        case "session":
            return [*_fit(names.sessions, "session"), (OTHERS, "all but this one")]
        case "resume":
            return _fit(names.cursors, "saved position")
    return []


def _fit(names: Iterable[str], about: str) -> list[tuple[str, str]]:
    return [(name, about) for name in names if _FIT.fullmatch(name) and not name.startswith("-")]


def local(words: Sequence[str], environ: Mapping[str, str]) -> LocalNames:
    """What this machine knows of the server and user that `words` are about."""
    from client.config.profile_choice import choose_profile
    from client.store.name_cache import load, name_cache_path
    from client.store.session_file import SessionFile
    from client.store.tail_cursors import cursor_folder
    from client.text.server_url import written_address

    try:
        meant = choose_profile(CliOverrides(_said("--server", words), _said("--profile", words)), environ)
    except Failure:  # a configuration that is wrong is said by the command itself
        return LocalNames()
    session = SessionFile(meant.folder, written_address(meant.server), meant.config.profile).load()
    if session is None:
        return LocalNames()
    names = load(name_cache_path(meant.folder, session.server, session.username))
    cursors = _stems(cursor_folder(meant.folder, session.server, session.username))
    return LocalNames(names.rooms, names.other_rooms, names.people, names.sessions, cursors)


def _said(flag: str, words: Sequence[str]) -> str | None:
    """The value of an option that may stand anywhere, as `--flag VALUE` or `--flag=VALUE`."""
    for word, after in pairwise(words):
        if word == flag:
            return after
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None


def _stems(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.sqlite3"))
