"""The commands over HTTP: register, login, logout, sessions, members."""

import sys
import time
from urllib.parse import urlsplit

from chatterbox.wire import text_rules
from chatterbox.wire.errors import ChatError, Code
from client.commands.password_sources import from_keyring, into_keyring, known_password
from client.commands.prompts import ask, ask_secret
from client.context import ClientContext, columns_of, out, tell
from client.failures import ExitCode, Failure, NotLoggedIn, ServerRefused, Unreachable, UsageError
from client.net import http_jobs
from client.net.http_api import HttpApi
from client.store.name_cache import NameCache
from client.store.outbox import count
from client.store.session_file import SavedSession
from client.text.line_wrap import hung
from client.text.note_text import messages
from client.text.sanitize import inert

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def register(place: ClientContext, username: str | None) -> ExitCode:
    """Make an account and log in."""
    username, password = _credentials(place, username, twice=True)
    with HttpApi(place.server) as api:
        api.register(username, password)
        _log_in(place, api, username, password)
    out(f"Registered, and logged in as {inert(username)}. To chat: chatterbox chat")
    return ExitCode.OK


def login(place: ClientContext, username: str | None) -> ExitCode:
    """Log in: with the password that the configuration knows, else with one that is asked for."""
    username, password = _credentials(place, username, twice=False)
    with HttpApi(place.server) as api:
        try:
            session = _log_in(place, api, username, password)
        except ServerRefused as refusal:
            if not _is_old(place, username, password, refusal):
                raise _with_way_on(place, refusal) from None
            tell(f"With the password of the keyring: {refusal}")
            session = _log_in(place, api, username, ask_secret("Password: "))
    unsent = count(place.outbox_path(session))
    go = "it goes" if unsent == 1 else "they go"
    waiting = f" The outbox holds {messages(unsent)} not sent yet; {go} out when you chat or send." if unsent else ""
    out(f"Logged in as {inert(session.username)} at {place.server}.{waiting}")
    return ExitCode.OK


def log_in_unasked(place: ClientContext) -> None:
    """Log in if there is no session that may be good, and the configuration knows who and with which password."""
    session, config = place.file.load(), place.config
    if not config.username or (session is not None and session.expires_at > time.time()):
        return
    try:
        password = known_password(config, place.server, config.username)
        if password is not None:
            _warn_if_open(place)
            with HttpApi(place.server) as api:
                _log_in(place, api, config.username, password)
    except Unreachable:
        if session is None:
            raise  # else there is an outbox to write into, and only the server's clock says what has expired


def logout(place: ClientContext, session_id: str | None = None) -> ExitCode:
    """End the session on the server, then forget it here; if the server is away, keep both. Or end another one."""
    session = place.tokens.session()
    if session_id is not None:
        return end_session(place, session_id)
    try:
        with HttpApi(place.server, session.token) as api:
            api.logout()
    except NotLoggedIn:
        tell("The session had ended already.")
    place.file.delete()
    unsent = count(place.outbox_path(session))
    kept = f" The outbox keeps {messages(unsent)} not sent yet." if unsent else ""
    out(f"Session terminated.{kept}")
    return ExitCode.OK


def sessions(place: ClientContext) -> ExitCode:
    """List the sessions of this user."""
    with _known(place) as known:
        return _printed(http_jobs.sessions(place, known))


def end_session(place: ClientContext, beginning: str) -> ExitCode:
    """End one session of this user, by the beginning of its id."""
    with _known(place) as known:
        return _printed([http_jobs.end_session(place, beginning, known)])


def members(place: ClientContext, room: str) -> ExitCode:
    """List who is in a room."""
    with _known(place) as known:
        return _printed(http_jobs.members(place, room, known))


def _known(place: ClientContext) -> NameCache:
    return NameCache(place.known_path(place.tokens.session()))


def _printed(lines: list[str]) -> ExitCode:
    for line in lines:
        for part in hung(line, columns_of(sys.stdout)):
            out(part)
    return ExitCode.OK


def _log_in(place: ClientContext, api: HttpApi, username: str, password: str) -> SavedSession:
    session = api.login(username, password).as_session(place.server, time.time())
    place.file.save(session)
    if place.config.keyring and not place.config.password_command:
        _keep_in_keyring(place, username, password)
    return session


def _is_old(place: ClientContext, username: str, password: str, refusal: ServerRefused) -> bool:
    """Whether the keyring has a password that is good no more, and there is somebody who can type another."""
    if not place.config.keyring or refusal.code != Code.CREDENTIALS_INVALID or not sys.stdin.isatty():
        return False
    return from_keyring(place.server, username) == password


def _with_way_on(place: ClientContext, refusal: ServerRefused) -> ServerRefused:
    """A wrong password, with what to do if there is no account yet; the server says of both the same, on purpose."""
    if refusal.code != Code.CREDENTIALS_INVALID:
        return refusal
    return ServerRefused(f"{refusal} No account there yet? {place.file.command('register')}", refusal.code)


def _keep_in_keyring(place: ClientContext, username: str, password: str) -> None:
    try:
        if from_keyring(place.server, username) != password:
            into_keyring(place.server, username, password)
    except Failure as failure:
        tell(f"The password was not kept. {failure}")


def _credentials(place: ClientContext, username: str | None, *, twice: bool) -> tuple[str, str]:
    """Who, and the password: from the configuration, else from a person, else from the input's first line."""
    place.file.prepare()
    _warn_if_open(place)
    asks = sys.stdin.isatty()
    username = username or place.config.username or (ask("Username: ") if asks else "")
    if not username:
        raise UsageError("Without a terminal the username must be given; the password is the first line of the input.")
    if twice:
        _may_be(username)
    password = (
        None if twice and not place.config.password_command else known_password(place.config, place.server, username)
    )
    if password is not None:
        return username, password
    if not asks:
        return username, _first_line()
    password = ask_secret("Password: ")
    if twice and ask_secret("The same again: ") != password:
        raise UsageError("The two passwords differ; nothing was done.")
    return username, password


def _may_be(username: str) -> None:
    """Refuse what can't be a username before anybody thinks of a password for it."""
    try:
        text_rules.username(username)
    except ChatError as refusal:
        raise ServerRefused(refusal.detail, refusal.code) from None


def _first_line() -> str:
    if not (line := sys.stdin.readline()):
        raise UsageError("There is no password: without a terminal it is the first line of the input.")
    return line.rstrip("\r\n")


def _warn_if_open(place: ClientContext) -> None:
    address = urlsplit(place.server)
    if address.scheme == "http" and address.hostname not in _LOOPBACK:
        tell(f"Warning: {place.server} is not encrypted; whoever is on the way can read your password.")
