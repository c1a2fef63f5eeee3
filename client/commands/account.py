"""The commands over HTTP: accounts, sessions, members, invitations."""

import json
import sys
import time
from urllib.parse import urlsplit

import msgspec

from chatterbox.wire import text_rules
from chatterbox.wire.errors import ChatError, Code
from client.commands.password_sources import from_keyring, into_keyring, known_password
from client.commands.prompts import ask, ask_secret
from client.context import ClientContext
from client.failures import ExitCode, Failure, NotLoggedIn, ServerRefused, Unreachable, UsageError
from client.net import http_jobs
from client.net.http_api import HttpApi
from client.output import columns_of, print_result, print_status
from client.store.key_store_files import key_store_path
from client.store.name_cache import NameCache
from client.store.outbox import count
from client.store.session_file import SavedSession
from client.text.line_wrap import hung
from client.text.note_text import messages
from client.text.sanitize import inert

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def register(context: ClientContext, username: str | None, code: str = "") -> ExitCode:
    """Create an account, with an invitation code if the server needs one, and log in."""
    username, password = _credentials(context, username, registers=True)
    with HttpApi(context.server) as api:
        api.register(username, password, code)
        log_in(context, api, username, password)
    print_result(f"Registered and logged in as {inert(username)}. To chat: chatterbox chat")
    return ExitCode.OK


def login(context: ClientContext, username: str | None) -> ExitCode:
    """Log in, with the configured password or one that is prompted for."""
    username, password = _credentials(context, username, registers=False)
    with HttpApi(context.server) as api:
        try:
            session = log_in(context, api, username, password)
        except ServerRefused as refusal:
            if not _is_old_keyring_password(context, username, password, refusal):
                raise _with_hint(context, refusal) from None
            print_status(f"The password in the keyring was refused: {refusal}")
            session = log_in(context, api, username, ask_secret("Password: "))
    unsent = count(context.outbox_path(session))
    waiting = f" The outbox holds {messages(unsent)}, to be sent with the next chat or send." if unsent else ""
    print_result(f"Logged in as {inert(session.username)} at {context.server}.{waiting}")
    return ExitCode.OK


def log_in_if_configured(context: ClientContext) -> None:
    """Log in without a prompt, if there is no valid session and username and password are configured."""
    session, config = context.session_file.load(), context.config
    if not config.username or (session is not None and session.expires_at > time.time()):
        return
    try:
        password = known_password(config, context.server, config.username)
        if password is not None:
            warn_if_unencrypted(context)
            with HttpApi(context.server) as api:
                log_in(context, api, config.username, password)
    except Unreachable:
        if session is None:
            raise  # otherwise the outbox can be used, and only the server's clock decides what has expired


def logout(context: ClientContext, session_id: str | None = None) -> ExitCode:
    """End the session on the server, then delete it here; if the server is unreachable, keep both. Or end another."""
    session = context.tokens.session()
    if session_id is not None:
        return end_session(context, session_id)
    deletes_keys = _leave_encryption(context, session)
    try:
        with HttpApi(context.server, session.token) as api:
            api.logout()
    except NotLoggedIn:
        print_status("The session had already ended.")
    context.session_file.delete()
    if deletes_keys:
        _delete_keys(context, session)
    unsent = count(context.outbox_path(session))
    kept = f" The outbox keeps {messages(unsent)}." if unsent else ""
    deleted = " The keys of this computer are deleted." if deletes_keys else ""
    print_result(f"Logged out.{kept}{deleted}")
    return ExitCode.OK


def _leave_encryption(context: ClientContext, session: SavedSession) -> bool:
    """Whether there is a key store, which is to be deleted. Says what that means, and may ask."""
    if not key_store_path(context.home, context.server, session.username).exists():
        return False
    from client.commands.keys import logout_keys  # imported late: it loads the cryptography library

    return logout_keys.leave(context, session)


def _delete_keys(context: ClientContext, session: SavedSession) -> None:
    from client.commands.keys import logout_keys

    logout_keys.delete(context, session)


def sessions(context: ClientContext, *, as_json: bool = False) -> ExitCode:
    """List the user's sessions."""
    with _name_cache(context) as cache:
        if as_json:
            return _print_json(msgspec.to_builtins(http_jobs.list_sessions(context, cache)))
        return _print_wrapped(http_jobs.sessions(context, cache))


def end_session(context: ClientContext, prefix: str) -> ExitCode:
    """End one of the user's sessions, by the start of its id."""
    with _name_cache(context) as cache:
        return _print_wrapped([http_jobs.end_session(context, prefix, cache)])


def members(context: ClientContext, room: str, *, as_json: bool = False) -> ExitCode:
    """List the members of a room."""
    with _name_cache(context) as cache:
        if as_json:
            return _print_json([{"username": name} for name in http_jobs.usernames(context, room, cache)])
        return _print_wrapped(http_jobs.members(context, room, cache))


def invitations(context: ClientContext) -> ExitCode:
    """List the pending invitations."""
    return _print_wrapped(http_jobs.invitations(context))


def decline(context: ClientContext, room: str) -> ExitCode:
    """Decline an invitation."""
    print_result(http_jobs.decline(context, room))
    return ExitCode.OK


def blocks(context: ClientContext) -> ExitCode:
    """List the blocked users."""
    return _print_wrapped(http_jobs.blocks(context))


def block(context: ClientContext, username: str) -> ExitCode:
    """Get no more invitations and direct messages from a user."""
    print_result(http_jobs.block(context, username))
    return ExitCode.OK


def unblock(context: ClientContext, username: str) -> ExitCode:
    """Allow a user's invitations and direct messages again."""
    print_result(http_jobs.unblock(context, username))
    return ExitCode.OK


def _name_cache(context: ClientContext) -> NameCache:
    return NameCache(context.name_cache_path(context.tokens.session()))


def _print_json(objects: list[dict[str, object]]) -> ExitCode:
    for each in objects:
        print_result(json.dumps(each))
    return ExitCode.OK


def _print_wrapped(lines: list[str]) -> ExitCode:
    for line in lines:
        for part in hung(line, columns_of(sys.stdout)):
            print_result(part)
    return ExitCode.OK


def log_in(context: ClientContext, api: HttpApi, username: str, password: str) -> SavedSession:
    """Log in and save the session, and the password if there is a keyring."""
    session = api.login(username, password).as_session(context.server, time.time())
    context.session_file.save(session)
    if context.config.keyring and not context.config.password_command:
        store_in_keyring(context, username, password)
    return session


def _is_old_keyring_password(context: ClientContext, username: str, password: str, refusal: ServerRefused) -> bool:
    """Whether the refused password came from the keyring, and another can be prompted for."""
    if not context.config.keyring or refusal.code != Code.CREDENTIALS_INVALID or not sys.stdin.isatty():
        return False
    return from_keyring(context.server, username) == password


def _with_hint(context: ClientContext, refusal: ServerRefused) -> ServerRefused:
    """Add how to register: for a wrong password and an unknown user, the server deliberately says the same."""
    if refusal.code != Code.CREDENTIALS_INVALID:
        return refusal
    hint = f"No account yet? {context.session_file.command('register')}"
    return ServerRefused(f"{refusal} {hint}", refusal.code)


def store_in_keyring(context: ClientContext, username: str, password: str) -> None:
    """Store a password that the server has accepted; a failure is only reported."""
    try:
        if from_keyring(context.server, username) != password:
            into_keyring(context.server, username, password)
    except Failure as failure:
        print_status(f"The password was not stored in the keyring. {failure}")


def _credentials(context: ClientContext, username: str | None, *, registers: bool) -> tuple[str, str]:
    """Username and password: from the configuration, a prompt, or the first line of the input."""
    context.session_file.prepare()
    warn_if_unencrypted(context)
    can_prompt, config = sys.stdin.isatty(), context.config
    username = username or config.username or (ask("Username: ") if can_prompt else "")
    if not username:
        raise UsageError("No username given. Without a terminal, it is an argument, and the password the first line.")
    if registers:
        _check_username(username)
    if config.password_command or not registers:
        password = known_password(config, context.server, username)
        if password is not None:
            return username, password
    if not can_prompt:
        return username, first_line()
    password = ask_secret("Password: ")
    if registers and ask_secret("Repeat password: ") != password:
        raise UsageError("The passwords differ. Try again.")
    return username, password


def _check_username(username: str) -> None:
    """Refuse an invalid username before a password is prompted for."""
    try:
        text_rules.username(username)
    except ChatError as refusal:
        raise ServerRefused(refusal.detail, refusal.code) from None


def first_line() -> str:
    """The next line of standard input, which is no terminal."""
    if not (line := sys.stdin.readline()):
        raise UsageError("No password given. Without a terminal, it is the first line of the input.")
    return line.rstrip("\r\n")


def warn_if_unencrypted(context: ClientContext) -> None:
    """Warn before a password is sent to another machine without TLS."""
    address = urlsplit(context.server)
    if address.scheme == "http" and address.hostname not in _LOOPBACK:
        print_status(f"Warning: {context.server} is not encrypted. Others on the network can read your password.")
