"""A computer that sleeps for longer than a token is valid: its user stays logged in."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.failures import ExitCode, NotLoggedIn
from client.net.http_api import HttpApi
from client.store.session_file import SavedSession, SessionFile
from tests.e2e.client.people import Person, Server, people
from tests.support.waiting import wait_until

TOKEN_S = 2


@pytest.fixture
def alice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    """Alice, at a server whose tokens are valid for seconds."""
    monkeypatch.setenv("CHATTERBOX_TOKEN_S", str(TOKEN_S))
    server = Server(tmp_path / "data")
    server.start()
    with people(tmp_path, server.url, "alice") as (alice,):
        yield alice
    server.kill()


def session_of(person: Person) -> SavedSession:
    session = SessionFile(person.home / "chatterbox", person.server).load()
    assert session is not None
    return session


def is_expired(session: SavedSession) -> bool:
    """Whether the server refuses the token as expired."""
    try:
        with HttpApi(session.server, session.token) as api:
            api.sessions()
    except NotLoggedIn:
        return True
    return False


def test_chat_goes_on_after_a_night(alice: Person) -> None:
    chat = alice.start("chat", "--plain")
    assert chat.stdin is not None
    chat.stdin.write("before the night\n")
    chat.stdin.flush()
    wait_until(lambda: alice.newest() == "before the night", "the first message is stored")
    chat.send_signal(signal.SIGSTOP)
    evening = session_of(alice)
    wait_until(lambda: is_expired(evening), "the token has expired")
    chat.send_signal(signal.SIGCONT)
    chat.stdin.write("in the morning\n")
    chat.stdin.close()
    assert chat.wait(60) == ExitCode.OK
    assert alice.history() == ["before the night", "in the morning"]
    assert session_of(alice).session == evening.session


@pytest.mark.parametrize("command", [("rooms",), ("send", "general", "hi"), ("sessions",), ("members", "general")])
def test_command_after_a_night_needs_no_login(alice: Person, command: tuple[str, ...]) -> None:
    evening = session_of(alice)
    wait_until(lambda: is_expired(evening), "the token has expired")
    done = alice.run(*command)
    assert done.returncode == ExitCode.OK, done.stderr
    assert session_of(alice).session == evening.session


def test_logout_after_a_night_ends_the_session(alice: Person) -> None:
    evening = session_of(alice)
    wait_until(lambda: is_expired(evening), "the token has expired")
    assert alice.run("logout").stdout == "Logged out.\n"
    with HttpApi(evening.server, evening.token) as api, pytest.raises(NotLoggedIn, match="has ended"):
        api.renew()
