"""The command `passwd`: change the password, or set a new one with a reset code of the operator."""

import sys
from collections.abc import Callable
from typing import NamedTuple

from chatterbox.wire.errors import Code
from client.commands.account import first_line, log_in, store_in_keyring, warn_if_unencrypted
from client.commands.password_sources import known_password
from client.commands.prompts import ask, ask_secret
from client.context import ClientContext
from client.failures import ExitCode, ServerRefused, UsageError
from client.net.http_api import HttpApi
from client.output import print_result, print_status
from client.text.sanitize import inert

_FORGOTTEN = "Forgotten? Ask the operator for a reset code."


class _NewPassword(NamedTuple):
    """What proves that the user may set a password, and the password."""

    proof: str
    new: str


def change_password(context: ClientContext) -> ExitCode:
    """Replace the current password, which is configured or prompted for, and end the other sessions."""
    session = context.tokens.session()
    warn_if_unencrypted(context)
    known = known_password(context.config, context.server, session.username)
    typed = _typed(lambda: ask_secret("Current password: "), known)
    with HttpApi(context.server, session.token) as api:
        try:
            api.change_password(typed.proof, typed.new)
        except ServerRefused as refusal:
            if refusal.code != Code.CREDENTIALS_INVALID:
                raise
            if known is None or context.config.password_command or not sys.stdin.isatty():
                raise _wrong_password(context, refusal) from None
            print_status("The password in the keyring was refused.")
            _change_again(context, api, typed.new)
    _keep(context, session.username, typed.new)
    print_result("Password changed. Your other sessions have ended.")
    return ExitCode.OK


def reset_password(context: ClientContext, username: str | None) -> ExitCode:
    """Set a new password with a reset code, which ends all sessions, and log in."""
    context.session_file.prepare()
    warn_if_unencrypted(context)
    saved = context.session_file.load()
    username = username or context.config.username or (saved.username if saved else "")
    if not username and sys.stdin.isatty():
        username = ask("Username: ")
    if not username:
        raise UsageError("No username given. Without a terminal, it is an argument.")
    typed = _typed(lambda: ask("Reset code: "))
    with HttpApi(context.server) as api:
        api.reset_password(username, typed.proof, typed.new)
        print_status("Password changed. All sessions have ended.")
        log_in(context, api, username, typed.new)
    _keep(context, username, typed.new)
    print_result(f"Logged in as {inert(username)}. To chat: {context.session_file.command('chat')}")
    return ExitCode.OK


def _typed(ask_proof: Callable[[], str], known: str | None = None) -> _NewPassword:
    """Prompt for the proof, unless it is known, and twice for the new password; or read a line for each."""
    if not sys.stdin.isatty():
        return _NewPassword(first_line() if known is None else known, first_line())
    proof = ask_proof() if known is None else known
    new = ask_secret("New password: ")
    if ask_secret("Repeat new password: ") != new:
        raise UsageError("The new passwords differ. Nothing was changed; try again.")
    return _NewPassword(proof, new)


def _change_again(context: ClientContext, api: HttpApi, new: str) -> None:
    """Change the password once more, with a current password that is typed."""
    try:
        api.change_password(ask_secret("Current password: "), new)
    except ServerRefused as refusal:
        if refusal.code != Code.CREDENTIALS_INVALID:
            raise
        raise _wrong_password(context, refusal) from None


def _wrong_password(context: ClientContext, refusal: ServerRefused) -> ServerRefused:
    command = context.session_file.command("passwd")
    return ServerRefused(f"The current password is wrong. {_FORGOTTEN} Then: {command} --code", refusal.code)


def _keep(context: ClientContext, username: str, new: str) -> None:
    """Store the new password where the next login looks for it."""
    if context.config.password_command:
        print_status("Your password command still prints the old password: store the new one there.")
    elif context.config.keyring:
        store_in_keyring(context, username, new)
