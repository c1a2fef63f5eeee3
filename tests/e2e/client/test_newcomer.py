"""What a newcomer meets, on the smallest terminal: each obstacle is a sentence that says what to do next."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from client.cli.shells import ASKED
from client.failures import ExitCode
from tests.e2e.client.people import Person, Server, wait_until
from tests.e2e.client.test_terminal import Terminal, terminal
from tests.support.ports import free_port
from tests.support.server import PASSWORD

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
    """Wait for a sentence, over however many lines it is broken."""
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
    assert newcomer.run(ASKED, "send", "g").stdout == "general\troom\n"


class TestAtAPrompt:
    def test_ctrl_d_ends_with_a_sentence(self, newcomer: Person) -> None:
        for arguments in (["login"], ["login", "alice"]):
            with small(newcomer, *arguments) as screen:
                screen.shows("name:" if len(arguments) == 1 else "Password:")
                screen.type("\x04")
                assert screen.ends() == ExitCode.USAGE
                says(screen, "chatterbox: Cancelled.")

    def test_ctrl_c_ends_the_line_and_no_more(self, newcomer: Person) -> None:
        with small(newcomer, "login", "alice") as screen:
            screen.shows("Password:")
            screen.process.send_signal(signal.SIGINT)  # what a terminal makes of the key
            assert screen.ends() == ExitCode.INTERRUPTED
            assert screen.lines() == ["Password:"]

    def test_a_wrong_password_says_what_else_it_could_be(self, newcomer: Person) -> None:
        with small(newcomer, "login", "alice") as screen:
            screen.shows("Password:")
            screen.type("wrong\n")
            assert screen.ends() == ExitCode.REFUSED
            says(screen, "No account yet? chatterbox register")

    def test_a_password_that_is_too_short_says_how_long_one_is(self, newcomer: Person) -> None:
        done = newcomer.run("register", "alice", typed="short\n")
        assert (done.returncode, done.stderr) == (ExitCode.REFUSED, "chatterbox: A password has 8-128 characters.\n")

    @pytest.mark.parametrize("name", ["al ice", "al", "-alice"])
    def test_a_username_that_is_none_says_what_one_is(self, newcomer: Person, name: str) -> None:
        done = newcomer.run("register", "--", name, typed=f"{PASSWORD}\n")
        assert done.returncode == ExitCode.REFUSED
        assert "A username is 3-32 letters, digits or" in done.stderr


class TestAServerThatIsNotThere:
    @in_each_face
    def test_is_said_and_what_is_written_waits(self, alice: Person, server: Server, face: tuple[str, ...]) -> None:
        server.kill()
        with small(alice, *face) as screen:
            screen.shows("connection refused")
            screen.type("later\r")
            says(screen, "queued" if "--lines" not in face else "Queued in the outbox")
            screen.process.send_signal(signal.SIGTERM)
            assert screen.ends() == ExitCode.UNREACHABLE
            says(screen, "not sent yet, kept in the outbox")

    def test_is_told_apart_from_one_without_tls(self, newcomer: Person) -> None:
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
    )
    def test_names_what_is_in_the_way(self, newcomer: Person, address: str, why: str) -> None:
        newcomer.server = address
        done = newcomer.run("login", "alice", typed="x\n")
        assert done.returncode == ExitCode.UNREACHABLE
        assert f"Can't reach {address}: {why}. Is the server running?" in done.stderr


class TestASessionThatHasEnded:
    @pytest.fixture
    def ended(self, alice: Person, tmp_path: Path) -> Person:
        """Alice, whose session was ended from elsewhere."""
        other = Person(tmp_path / "laptop", alice.server, "alice")
        other.run("login", "alice", typed=f"{PASSWORD}\n")
        (theirs,) = (line for line in other.run("sessions").stdout.splitlines() if "(this one)" not in line)
        assert other.run("sessions", "--end", theirs.split()[0]).returncode == ExitCode.OK
        return alice

    @in_each_face
    def test_is_said_in_each_face(self, ended: Person, face: tuple[str, ...]) -> None:
        with small(ended, *face) as screen:
            assert screen.ends() == ExitCode.NOT_LOGGED_IN
            says(screen, "The session has ended.")
            says(screen, "Log in: chatterbox login")

    def test_is_said_in_pipes(self, ended: Person) -> None:
        for arguments in (["tail", "general"], ["rooms"], ["members", "general"]):
            done = ended.run(*arguments)
            sentence = "chatterbox: The session has ended. Log in: chatterbox login\n"
            assert (done.returncode, done.stderr) == (ExitCode.NOT_LOGGED_IN, sentence)

    def test_keeps_what_was_sent_says_so_and_sends_it_once_one_is_back(self, ended: Person) -> None:
        done = ended.run("send", "general", "x")
        kept = "The outbox keeps 1 message for the next chat or send."
        sentence = f"chatterbox: The session has ended. {kept} Log in: chatterbox login\n"
        assert (done.returncode, done.stderr) == (ExitCode.NOT_LOGGED_IN, sentence)
        back = ended.run("login", "alice", typed=f"{PASSWORD}\n").stdout
        assert "The outbox holds 1 message, to be sent with the next chat or send." in back
        assert ended.run("send", "general", "y").returncode == ExitCode.OK
        assert ended.history() == ["x", "y"]


class TestLoggingOutOfWhereOneIs:
    @in_each_face
    def test_ends_the_chat_as_a_wish_that_was_done(self, alice: Person, face: tuple[str, ...]) -> None:
        (own,) = (line.split()[0] for line in alice.run("sessions").stdout.splitlines() if "(this one)" in line)
        with small(alice, *face) as screen:
            says(screen, "#general")
            screen.type(f"/logout {own[:8]}\r")
            assert screen.ends() == ExitCode.OK
            says(screen, "Logged out.")
            assert "has ended" not in " ".join(screen.lines())
        assert alice.run("rooms").returncode == ExitCode.NOT_LOGGED_IN

    def test_can_be_chosen_from_the_list_of_sessions(self, alice: Person) -> None:
        with small(alice) as screen:
            screen.shows("connected")
            screen.type("\x1b[17~")
            screen.shows("this session")
            screen.type("\r")
            screen.shows("This logs you out and quits.")
            screen.type("\r")
            assert screen.ends() == ExitCode.OK
            says(screen, "Logged out.")


class TestARoomThatThereIsNot:
    @in_each_face
    def test_is_guessed_in_each_face(self, alice: Person, face: tuple[str, ...]) -> None:
        with small(alice, "chat", "genral", *face[1:]) as screen:
            says(screen, "Did you mean #general? /join general")

    def test_is_guessed_in_pipes_and_the_message_is_not_lost_silently(self, alice: Person) -> None:
        done = alice.run("send", "genral", "hello")
        assert done.returncode == ExitCode.REFUSED
        assert "Your text: hello" in done.stderr
        assert "Did you mean #general? chatterbox join general" in done.stderr

    def test_is_not_where_the_next_chat_begins(self, alice: Person) -> None:
        with small(alice, "chat", "nosuch") as screen:
            says(screen, "To create it: /create nosuch")
            screen.type("\x11")
            assert screen.ends() == ExitCode.OK
        with small(alice) as screen:
            screen.shows("beginning of #general")
