"""The passphrase of the key store: asked for when a command starts; set, changed and removed by `keys passphrase`."""

import sys
from collections.abc import Mapping
from pathlib import Path

from client.commands.keys.key_output import tell
from client.commands.prompts import ask_secret
from client.context import ClientContext
from client.encryption.store.store_key import set_passphrase, store_key, unlock
from client.failures import ExitCode, Failure, UsageError
from client.net.keys.key_workspace import KeyWorkspace
from client.output import print_status
from client.text.encryption import keys_text

PASSPHRASE_FILE = "CHATTERBOX_PASSPHRASE_FILE"  # noqa: S105 - a name
"""Names a file whose first line is the passphrase, for scripts."""
TRIES = 3


def open_with_passphrase(context: ClientContext, environ: Mapping[str, str]) -> None:
    """Open the key store for this run: from a file, or by asking on the terminal; raises `Failure`.

    Without either, it stays locked: what needs it says so.
    """
    username = context.tokens.session().username
    if path := environ.get(PASSPHRASE_FILE):
        unlock(context.home, context.server, username, first_line(Path(path)))
        return
    if not sys.stdin.isatty():
        return
    print_status(keys_text.passphrase_needed_line(username))
    for tries_left in range(TRIES - 1, -1, -1):
        try:
            unlock(context.home, context.server, username, ask_secret("Passphrase of the key store: "))
        except Failure as problem:
            if not tries_left:
                raise
            print_status(str(problem))
        else:
            return


def change(workspace: KeyWorkspace, file: Path | None) -> ExitCode:
    """Set another passphrase, typed twice or read from a file; an empty one removes it."""
    context, username = workspace.context, workspace.session.username
    passphrase = _typed_twice() if file is None else first_line(file)
    key = store_key(context.home, context.server, username)
    set_passphrase(context.home, context.server, username, key, passphrase)
    tell(keys_text.PROTECTED if passphrase else keys_text.UNPROTECTED)
    return ExitCode.OK


def first_line(path: Path) -> str:
    """The first line of a file; raises `Failure`."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
        raise Failure(f"Can't read the passphrase in {path} ({why}).") from None


def _typed_twice() -> str:
    if not sys.stdin.isatty():
        raise UsageError("Without a terminal, the new passphrase is read from a file: --passphrase-file FILE")
    passphrase = ask_secret("New passphrase of the key store (empty: none): ")
    if ask_secret("Repeat passphrase: ") != passphrase:
        raise UsageError("The two passphrases differ. Nothing was changed.")
    return passphrase
