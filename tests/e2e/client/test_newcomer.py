"""A new user on a small terminal: each error is a sentence that names the next step."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server
from tests.e2e.client.test_shells import bash_candidates
from tests.e2e.client.test_terminal import Terminal, terminal
from tests.support.ports import free_port
from tests.support.server import PASSWORD
from tests.support.waiting import wait_until

FACES = [("chat",), ("chat", "--lines"), ("chat", "--plain")]
in_each_face = pytest.mark.parametrize("face", FACES, ids=" ".join)


@pytest.fixture(autouse=True)
def a_terminal_that_can_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def newcomer(tmp_path: Path, server: Server) -> Iterator[Person]:
    person = Person(tmp_path / "newcomer", server.url, "alice")
    yield person
    person.stop()


@pytest.fixture
def alice(alice_and_bob: list[Person]) -> Person:
    return alice_and_bob[0]


@contextmanager
def small(person: Person, *arguments: str) -> Iterator[Terminal]:
    """A terminal of 60 by 15, on which a sentence may be broken over lines."""
    with terminal(person, *arguments, columns=60, rows=15) as screen:
        yield screen


def says(screen: Terminal, sentence: str) -> None:
    """Wait for a sentence, which may be broken over lines."""
    wait_until(
        lambda: sentence in " ".join(" ".join(screen.lines()).split()), lambda: f"{sentence!r} in {screen.lines()}"
    )


def test_from_registering_to_chatting_on_a_small_terminal(newcomer: Person) -> None:
    with small(newcomer) as screen:
        assert screen.ends() == ExitCode.NOT_LOGGED_IN
        says(screen, "(no account yet: chatterbox register")
    with small(newcomer, "register") as screen:
        for question, answer in (("Username:", "alice"), ("Password:", PASSWORD), ("Repeat password:", PASSWORD)):
            screen.shows(question)
            screen.type(f"{answer}\n")
        assert screen.ends() == ExitCode.OK
        says(screen, "Registered and logged in as alice.")
    with small(newcomer) as screen:
        screen.shows("connected")
        screen.type("hello\r")
        screen.shows("alice ✓│ hello")
        screen.shows("F1 help")
        screen.type("\x11")
        assert screen.ends() == ExitCode.OK
    assert bash_candidates(newcomer, "send g") == ["general"]


class TestPrompt:
    def test_ctrl_d_at_a_prompt_cancels_with_a_message(self, newcomer: Person) -> None:
        for arguments in (["login"], ["login", "alice"]):
            with small(newcomer, *arguments) as screen:
                screen.shows("name:" if len(arguments) == 1 else "Password:")
                screen.type("\x04")
                assert screen.ends() == ExitCode.USAGE
                says(screen, "chatterbox: Cancelled.")

    def test_ctrl_c_at_a_prompt_ends_silently(self, newcomer: Person) -> None:
        with small(newcomer, "login", "alice") as screen:
            screen.shows("Password:")
            screen.process.send_signal(signal.SIGINT)  # what a terminal makes of the key
            assert screen.ends() == ExitCode.INTERRUPTED
            assert screen.lines() == ["Password:"]

    def test_wrong_password_suggests_register(self, newcomer: Person) -> None:
        with small(newcomer, "login", "alice") as screen:
            screen.shows("Password:")
            screen.type("wrong\n")
            assert screen.ends() == ExitCode.REFUSED
            says(screen, "No account yet? chatterbox register")

    def test_short_password_is_refused_with_the_limit(self, newcomer: Person) -> None:
        done = newcomer.run("register", "alice", typed="short\n")
        assert (done.returncode, done.stderr) == (
            ExitCode.REFUSED,
            "chatterbox: A password must have 8-128 characters.\n",
        )

    @pytest.mark.parametrize("name", ["al ice", "al", "-alice"])
    def test_invalid_username_is_refused_with_the_rule(self, newcomer: Person, name: str) -> None:
        done = newcomer.run("register", "--", name, typed=f"{PASSWORD}\n")
        assert done.returncode == ExitCode.REFUSED
        assert "A username must be 3-32 letters, digits or" in done.stderr


class TestUnreachableServer:
    @in_each_face
    def test_unreachable_server_is_reported_and_messages_are_queued(
        self, alice: Person, server: Server, face: tuple[str, ...]
    ) -> None:
        server.kill()
        with small(alice, *face) as screen:
            screen.shows("connection refused")
            screen.type("later\r")
            says(screen, "queued" if "--lines" not in face else "Queued in the outbox")
            screen.process.send_signal(signal.SIGTERM)
            assert screen.ends() == ExitCode.UNREACHABLE
            says(screen, "not sent yet, kept in the outbox")

    def test_server_without_tls_is_recognised(self, newcomer: Person) -> None:
        newcomer.server = newcomer.server.replace("http:", "https:")
        done = newcomer.run("login", "alice", typed="x\n")
        assert done.returncode == ExitCode.UNREACHABLE
        assert "the server does not speak TLS (use http:// in its address)" in done.stderr

    @pytest.mark.parametrize(
        ("address", "why"),
        [
            ("http://no-such-host.invalid", "host not found"),
            (f"http://127.0.0.1:{free_port()}", "connection refused"),
        ],
        ids=["unknown host", "refused"],  # each worker has another port
    )
    def test_unreachable_server_is_reported_with_the_reason(self, newcomer: Person, address: str, why: str) -> None:
        newcomer.server = address
        done = newcomer.run("login", "alice", typed="x\n")
        assert done.returncode == ExitCode.UNREACHABLE
        assert f"Can't reach {address}: {why}. Is the server running?" in done.stderr


class TestEndedSession:
    @pytest.fixture
    def ended(self, alice: Person, tmp_path: Path) -> Person:
        """Alice, whose session was ended from another client."""
        other = Person(tmp_path / "laptop", alice.server, "alice")
        other.run("login", "alice", typed=f"{PASSWORD}\n")
        (theirs,) = (line for line in other.run("sessions").stdout.splitlines() if "(this one)" not in line)
        assert other.run("sessions", "--end", theirs.split()[0]).returncode == ExitCode.OK
        return alice

    @in_each_face
    def test_ended_session_is_reported_in_each_face(self, ended: Person, face: tuple[str, ...]) -> None:
        with small(ended, *face) as screen:
            assert screen.ends() == ExitCode.NOT_LOGGED_IN
            says(screen, "The session has ended.")
            says(screen, "Log in: chatterbox login")

    def test_ended_session_is_reported_in_pipes(self, ended: Person) -> None:
        for arguments in (["tail", "general"], ["rooms"], ["members", "general"]):
            done = ended.run(*arguments)
            sentence = "chatterbox: The session has ended. Log in: chatterbox login\n"
            assert (done.returncode, done.stderr) == (ExitCode.NOT_LOGGED_IN, sentence)

    def test_message_of_an_ended_session_is_kept_and_sent_after_login(self, ended: Person) -> None:
        done = ended.run("send", "general", "x")
        kept = "The outbox keeps 1 message for the next chat or send."
        sentence = f"chatterbox: The session has ended. {kept} Log in: chatterbox login\n"
        assert (done.returncode, done.stderr) == (ExitCode.NOT_LOGGED_IN, sentence)
        back = ended.run("login", "alice", typed=f"{PASSWORD}\n").stdout
        assert "The outbox holds 1 message, to be sent with the next chat or send." in back
        assert ended.run("send", "general", "y").returncode == ExitCode.OK
        assert ended.history() == ["x", "y"]


class TestLogout:
    @in_each_face
    def test_logging_out_of_this_session_ends_the_chat(self, alice: Person, face: tuple[str, ...]) -> None:
        (own,) = (line.split()[0] for line in alice.run("sessions").stdout.splitlines() if "(this one)" in line)
        with small(alice, *face) as screen:
            says(screen, "#general")
            screen.type(f"/logout {own[:8]}\r")
            assert screen.ends() == ExitCode.OK
            says(screen, "Logged out.")
            assert "has ended" not in " ".join(screen.lines())
        assert alice.run("rooms").returncode == ExitCode.NOT_LOGGED_IN

    def test_this_session_can_be_logged_out_from_the_list(self, alice: Person) -> None:
        with small(alice) as screen:
            screen.shows("connected")
            screen.type("\x1b[17~")
            screen.shows("this session")
            screen.type("\r")
            screen.shows("This logs you out and quits.")
            screen.type("\r")
            assert screen.ends() == ExitCode.OK
            says(screen, "Logged out.")


class TestUnknownRoom:
    @in_each_face
    def test_unknown_room_suggests_a_similar_one_in_each_face(self, alice: Person, face: tuple[str, ...]) -> None:
        with small(alice, "chat", "genral", *face[1:]) as screen:
            says(screen, "Did you mean #general? /join general")

    def test_send_to_an_unknown_room_reports_the_message_and_a_suggestion(self, alice: Person) -> None:
        done = alice.run("send", "genral", "hello")
        assert done.returncode == ExitCode.REFUSED
        assert "Your text: hello" in done.stderr
        assert "Did you mean #general? chatterbox join general" in done.stderr

    def test_next_chat_does_not_start_in_an_unknown_room(self, alice: Person) -> None:
        with small(alice, "chat", "nosuch") as screen:
            says(screen, "To create it: /create nosuch")
            screen.type("\x11")
            assert screen.ends() == ExitCode.OK
        with small(alice) as screen:
            screen.shows("beginning of #general")
