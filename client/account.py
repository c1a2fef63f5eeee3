"""The commands over HTTP: register, login, logout, sessions, members."""

import sys
import time
from urllib.parse import urlsplit

from chatterbox.wire import text
from chatterbox.wire.errors import ChatError, Code
from client import errands
from client.api import Api
from client.failures import Exit, Failure, NotLoggedIn, Refused, Unreachable, Usage
from client.home.passwords import from_keyring, into_keyring, known_password
from client.inert import inert
from client.known import Known
from client.layout import hung
from client.outbox import count
from client.place import Place, columns_of, out, tell
from client.prompts import ask, ask_secret
from client.session import Session
from client.words import messages

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def register(place: Place, username: str | None) -> Exit:
    """Make an account and log in."""
    username, password = _credentials(place, username, twice=True)
    with Api(place.server) as api:
        api.register(username, password)
        _log_in(place, api, username, password)
    out(f"Registered, and logged in as {inert(username)}. To chat: chatterbox chat")
    return Exit.OK


def login(place: Place, username: str | None) -> Exit:
    """Log in: with the password that the configuration knows, else with one that is asked for."""
    username, password = _credentials(place, username, twice=False)
    with Api(place.server) as api:
        try:
            session = _log_in(place, api, username, password)
        except Refused as refusal:
            if not _is_old(place, username, password, refusal):
                raise _with_way_on(place, refusal) from None
            tell(f"With the password of the keyring: {refusal}")
            session = _log_in(place, api, username, ask_secret("Password: "))
    unsent = count(place.outbox_path(session))
    go = "it goes" if unsent == 1 else "they go"
    waiting = f" The outbox holds {messages(unsent)} not sent yet; {go} out when you chat or send." if unsent else ""
    out(f"Logged in as {inert(session.username)} at {place.server}.{waiting}")
    return Exit.OK


def log_in_unasked(place: Place) -> None:
    """Log in if there is no session that may be good, and the configuration knows who and with which password."""
    session, config = place.file.load(), place.config
    if not config.username or (session is not None and session.expires_at > time.time()):
        return
    try:
        password = known_password(config, place.server, config.username)
        if password is not None:
            _warn_if_open(place)
            with Api(place.server) as api:
                _log_in(place, api, config.username, password)
    except Unreachable:
        if session is None:
            raise  # else there is an outbox to write into, and only the server's clock says what has expired


def logout(place: Place, session_id: str | None = None) -> Exit:
    """End the session on the server, then forget it here; if the server is away, keep both. Or end another one."""
    session = place.tokens.session()
    if session_id is not None:
        return end_session(place, session_id)
    try:
        with Api(place.server, session.token) as api:
            api.logout()
    except NotLoggedIn:
        tell("The session had ended already.")
    place.file.delete()
    unsent = count(place.outbox_path(session))
    kept = f" The outbox keeps {messages(unsent)} not sent yet." if unsent else ""
    out(f"Session terminated.{kept}")
    return Exit.OK


def sessions(place: Place) -> Exit:
    """List the sessions of this user."""
    with _known(place) as known:
        return _printed(errands.sessions(place, known))


def end_session(place: Place, beginning: str) -> Exit:
    """End one session of this user, by the beginning of its id."""
    with _known(place) as known:
        return _printed([errands.end_session(place, beginning, known)])


def members(place: Place, room: str) -> Exit:
    """List who is in a room."""
    with _known(place) as known:
        return _printed(errands.members(place, room, known))


def _known(place: Place) -> Known:
    return Known(place.known_path(place.tokens.session()))


def _printed(lines: list[str]) -> Exit:
    for line in lines:
        for part in hung(line, columns_of(sys.stdout)):
            out(part)
    return Exit.OK


def _log_in(place: Place, api: Api, username: str, password: str) -> Session:
    session = api.login(username, password).as_session(place.server, time.time())
    place.file.save(session)
    if place.config.keyring and not place.config.password_command:
        _keep_in_keyring(place, username, password)
    return session


def _is_old(place: Place, username: str, password: str, refusal: Refused) -> bool:
    """Whether the keyring has a password that is good no more, and there is somebody who can type another."""
    if not place.config.keyring or refusal.code != Code.CREDENTIALS_INVALID or not sys.stdin.isatty():
        return False
    return from_keyring(place.server, username) == password


def _with_way_on(place: Place, refusal: Refused) -> Refused:
    """A wrong password, with what to do if there is no account yet; the server says of both the same, on purpose."""
    if refusal.code != Code.CREDENTIALS_INVALID:
        return refusal
    return Refused(f"{refusal} No account there yet? {place.file.command('register')}", refusal.code)


def _keep_in_keyring(place: Place, username: str, password: str) -> None:
    try:
        if from_keyring(place.server, username) != password:
            into_keyring(place.server, username, password)
    except Failure as failure:
        tell(f"The password was not kept. {failure}")


def _credentials(place: Place, username: str | None, *, twice: bool) -> tuple[str, str]:
    """Who, and the password: from the configuration, else from a person, else from the input's first line."""
    place.file.prepare()
    _warn_if_open(place)
    asks = sys.stdin.isatty()
    username = username or place.config.username or (ask("Username: ") if asks else "")
    if not username:
        raise Usage("Without a terminal the username must be given; the password is the first line of the input.")
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
        raise Usage("The two passwords differ; nothing was done.")
    return username, password


def _may_be(username: str) -> None:
    """Refuse what can't be a username before anybody thinks of a password for it."""
    try:
        text.username(username)
    except ChatError as refusal:
        raise Refused(refusal.detail, refusal.code) from None


def _first_line() -> str:
    if not (line := sys.stdin.readline()):
        raise Usage("There is no password: without a terminal it is the first line of the input.")
    return line.rstrip("\r\n")


def _warn_if_open(place: Place) -> None:
    address = urlsplit(place.server)
    if address.scheme == "http" and address.hostname not in _LOOPBACK:
        tell(f"Warning: {place.server} is not encrypted; whoever is on the way can read your password.")
