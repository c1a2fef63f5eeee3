"""Completion for shells: one small script for each, which asks this program what the last word could become.

So a script never grows old, and what there is to complete follows from the parser. Names come from this machine's
files only: no server is asked. Importing this must stay quick, since it is done at each Tab.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from client.failures import Exit
from client.grammar import Argument, Command, Grammar, grammar
from client.session import OTHERS

ASKED = "__complete"
"""What the scripts give this program as its first word."""
_FIT = re.compile(r"[\w.@+-]+")
"""Names that no shell reads anything into."""
_SCRIPTS = {
    "bash": """\
_chatterbox() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("${line%%$'\\t'*}")
    done < <("${COMP_WORDS[0]/#\\~/$HOME}" ASKED "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _chatterbox chatterbox
""",
    "zsh": """\
#compdef chatterbox
_chatterbox() {
    local -a answers
    local line
    while IFS= read -r line; do
        answers+=("${${line//:/\\\\:}/$'\\t'/:}")
    done < <(${~words[1]} ASKED "${(@)words[2,CURRENT]}" 2>/dev/null)
    _describe chatterbox answers
}
if [[ "${funcstack[1]}" == _chatterbox ]]; then
    _chatterbox "$@"
else
    compdef _chatterbox chatterbox
fi
""",
    "fish": """\
function __chatterbox
    set -l words (commandline -opc) (commandline -ct)
    $words[1] ASKED $words[2..-1] 2>/dev/null
end
complete -c chatterbox -f -a '(__chatterbox)'
""",
}


@dataclass(frozen=True, slots=True)
class Local:
    """What is known without a network."""

    rooms: Sequence[str] = ()
    other_rooms: Sequence[str] = ()
    people: Sequence[str] = ()
    sessions: Sequence[str] = ()
    cursors: Sequence[str] = ()


def script(shell: str) -> str:
    """What teaches `shell` to complete."""
    return _SCRIPTS[shell].replace("ASKED", ASKED)


def answer(words: Sequence[str], environ: Mapping[str, str]) -> Exit:
    """Print what the last of `words` (those after the program's name) could become, each with a word about it."""
    from client.cli import parser

    for name, about in completed(grammar(parser()), words or [""], local(words, environ)):
        print(f"{name}\t{about}" if about else name)
    return Exit.OK


def completed(known: Grammar, words: Sequence[str], names: Local) -> list[tuple[str, str]]:
    """What the last word could become, each with a word about it. Pure."""
    *before, last = [word for word in words if word != "="] or [""]
    command, wanted, awaited = _read(known, before)
    if awaited is not None:
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


def _values(argument: Argument, command: Command, names: Local) -> list[tuple[str, str]]:
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


def local(words: Sequence[str], environ: Mapping[str, str]) -> Local:
    """What this machine knows of the server that `words` are about."""
    from client.cursors import cursor_folder
    from client.home.folders import state_folder
    from client.known import known_path, load
    from client.session import DEFAULT_SERVER, SessionFile, saved_server, written_address

    folder = state_folder(environ)
    server = _named(words) or environ.get("CHATTERBOX_SERVER") or saved_server(folder) or DEFAULT_SERVER
    session = SessionFile(folder, written_address(server)).load()
    if session is None:
        return Local()
    names = load(known_path(folder, session.server, session.username))
    cursors = _stems(cursor_folder(folder, session.server, session.username))
    return Local(names.rooms, names.other_rooms, names.people, names.sessions, cursors)


def _named(words: Sequence[str]) -> str | None:
    words = [word for word in words if word != "="]
    return next((words[number + 1] for number, word in enumerate(words[:-1]) if word == "--server"), None)


def _stems(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.sqlite3"))
