"""`chat` on a terminal of 80 by 24: typing while messages arrive."""

import os
import pty
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pyte

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server
from tests.support.command import Running
from tests.support.waiting import wait_until

ENDS_S = 20.0


class Terminal:
    """A terminal that runs a command; `screen` is its content."""

    def __init__(self, master: int, process: Running, columns: int, rows: int) -> None:
        self._master = master
        self.process = process
        self.raw = b""
        """Everything that was written to the terminal."""
        self.bells = 0
        self.screen = pyte.HistoryScreen(columns, rows, history=10_000)
        self.screen.write_process_input = self.type  # type: ignore[method-assign, assignment]
        self._stream = pyte.ByteStream(self.screen)
        self._lock = threading.Lock()
        self._is_gone = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def lines(self) -> list[str]:
        with self._lock:
            return [line.rstrip() for line in self.screen.display if line.strip()]

    def shows(self, text: str) -> None:
        wait_until(
            lambda: any(text in line for line in self.lines()), lambda: f"{text!r} on the screen: {self.lines()}"
        )

    def shows_no(self, text: str) -> None:
        """Wait until this text is nowhere on the screen."""
        wait_until(lambda: not any(text in line for line in self.lines()), f"the terminal shows no {text!r}")

    def ends_with(self, line: str) -> None:
        """Wait until this is the last line: the typed text, or a redrawn prompt."""
        wait_until(lambda: self.lines()[-1:] == [line], lambda: f"{line!r} at the end of {self.lines()}")

    def draws(self, codes: str) -> None:
        """Wait until these colour codes are written to the terminal."""
        wait_until(lambda: codes.encode() in self._written(), f"something in the colour {codes}")

    def _written(self) -> bytes:
        with self._lock:
            return self.raw

    def ends(self) -> int:
        """Wait until the command ends; then the screen shows everything that was written."""
        code = self.process.wait(ENDS_S)
        self._reader.join(ENDS_S)
        assert not self._reader.is_alive(), f"something holds the terminal open: {self.lines()}"
        return code

    def hang_up(self) -> None:
        """Close the terminal as if it were killed."""
        self._is_gone = True
        self.type(" ")  # something is drawn, which ends the reading that would keep it open
        self._reader.join(ENDS_S)
        os.close(self._master)

    def close(self) -> None:
        if not self._is_gone:
            self._reader.join(5)
            os.close(self._master)

    def _read(self) -> None:
        while not self._is_gone and (data := self._some()):
            with self._lock:
                self.raw += data
                self.bells += data.count(b"\a")
                self._stream.feed(data)

    def _some(self) -> bytes:
        try:
            return os.read(self._master, 65_536)
        except OSError:  # the other end is closed
            return b""


@contextmanager
def terminal(person: Person, *arguments: str, columns: int = 80, rows: int = 24) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (rows, columns))
    process = person.start(*arguments, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = Terminal(master, process, columns or 80, rows or 24)
    try:
        yield shown
    finally:
        process.kill()
        process.wait()
        shown.close()


def test_arriving_messages_do_not_disturb_typing(server: Server, alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    with terminal(alice, "chat", "--lines") as screen:
        screen.shows("#general>")
        screen.type("half a sen")
        bob.run("send", "general", "hello alice")
        screen.shows("bob: hello alice")
        screen.ends_with("#general> half a sen")
        screen.type("tence\r")
        screen.shows("alice: half a sentence")
        server.kill()
        screen.shows("Connection lost")
        screen.type("are you there?\r")
        screen.shows("Queued in the outbox for #general, not sent yet: are you there?")
        screen.shows("#general (offline, 1 unsent)>")
        server.start()
        screen.shows("alice: are you there?")
        screen.ends_with("#general>")
        screen.type("/quit\r")
        assert screen.ends() == ExitCode.OK
    assert alice.history() == ["half a sentence", "are you there?"]


def test_ctrl_c_clears_the_line_and_then_ends_silently(alice_and_bob: list[Person]) -> None:
    alice, _ = alice_and_bob
    with terminal(alice, "chat", "--lines") as screen:
        screen.shows("#general>")
        screen.type("never mind")
        screen.shows("#general> never mind")
        screen.type("\x03")
        screen.ends_with("#general>")
        screen.type("\x03")
        assert screen.ends() == ExitCode.INTERRUPTED
        assert not any("Traceback" in line or "Interrupt" in line for line in screen.lines())


def test_ended_session_ends_the_chat_with_a_message(alice_and_bob: list[Person]) -> None:
    alice, _ = alice_and_bob
    with terminal(alice, "chat", "--lines") as screen:
        screen.shows("#general>")
        alice.run("logout")
        assert screen.ends() == ExitCode.NOT_LOGGED_IN
        screen.shows("Log in: chatterbox login")
