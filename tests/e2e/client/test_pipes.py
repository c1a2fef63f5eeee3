"""`send` and `tail` in shell pipes: loops, readers that end early, and positions that survive kill -9 and restarts."""

import json
import platform
import random
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server, is_connected
from tests.support.command import Running
from tests.support.waiting import wait_until


@pytest.fixture
def alice(alice_and_bob: list[Person]) -> Person:
    return alice_and_bob[0]


@pytest.fixture
def bob(alice_and_bob: list[Person]) -> Person:
    return alice_and_bob[1]


class TestShells:
    def test_send_in_a_shell_loop_sends_each_line_and_reads_no_other(self, alice: Person) -> None:
        loop = "printf 'one\\ntwo\\nthree\\n' | while read -r line; do chatterbox send general \"$line\" || exit; done"
        assert alice.shell(loop).returncode == ExitCode.OK
        assert alice.history() == ["one", "two", "three"]

    def test_shell_loop_over_the_output_of_tail_reads_each_message(self, alice: Person) -> None:
        alice.run("send", "general", "-", typed="one\ntwo\nthree\n")
        loop = 'chatterbox tail general --count 3 | while read -r time name text; do echo "$name $text"; done'
        done = alice.shell(loop)
        assert done.stdout.splitlines()[-3:] == ["alice: one", "alice: two", "alice: three"]

    def test_bot_between_tail_and_send_answers_each_message(self, alice: Person, bob: Person) -> None:
        alice.run("send", "general", "-", typed="1\n2\n3\n")
        bob.shell(
            "chatterbox tail general --json --count 3"
            ' | while read -r line; do echo "got ${#line}"; done | chatterbox send general -'
        )
        assert [content.split()[0] for content in bob.history()] == ["got"] * 3

    def test_piped_input_can_be_sent_as_one_message_without_colours(self, alice: Person) -> None:
        typed = "\x1b[31mfailed\x1b[0m\n  step 2\n\n"
        assert alice.run("send", "general", "--whole", "--strip-ansi", typed=typed).returncode == ExitCode.OK
        coloured = alice.run("send", "general", "-", typed=typed)
        assert "To remove colours: --strip-ansi." in coloured.stderr
        refused = alice.run("send", "general", "-", "--whole", typed="x\n" * 100_000)
        assert (refused.returncode, "at most 4000" in refused.stderr) == (ExitCode.REFUSED, True)
        assert alice.history() == ["failed\n  step 2", "  step 2"]

    def test_rooms_members_and_sessions_are_printed_as_json(self, alice: Person, bob: Person) -> None:
        alice.run("create", "ops")
        assert alice.run("invite", "@bob", "#ops").returncode == ExitCode.OK
        bob.run("join", "ops")
        rooms = [json.loads(line) for line in alice.run("rooms", "--json").stdout.splitlines()]
        assert rooms[1] == {"room": "ops", "private": False, "member": True, "members": 2, "topic": "", "messages": 0}
        members = alice.run("members", "ops", "--json").stdout.splitlines()
        assert list(map(json.loads, members)) == [{"username": "alice"}, {"username": "bob"}]
        (session,) = map(json.loads, alice.run("sessions", "--json").stdout.splitlines())
        assert session["current"]
        assert f" on {platform.node()[:10]}" in session["user_agent"]
        assert session["address"] == "127.0.0.1"

    def test_exit_codes_tell_a_script_what_happened(self, alice: Person, server: Server) -> None:
        codes = alice.shell(
            "chatterbox send nowhere x 2>/dev/null; echo $?; chatterbox send 2>/dev/null; echo $?;"
            "CHATTERBOX_SERVER=http://127.0.0.1:9 chatterbox rooms 2>/dev/null; echo $?;"
            f"chatterbox --server http://localhost:{server.port} rooms 2>/dev/null; echo $?"
        )
        assert codes.stdout.split() == [
            str(int(code))
            for code in (ExitCode.REFUSED, ExitCode.USAGE, ExitCode.NOT_LOGGED_IN, ExitCode.NOT_LOGGED_IN)
        ]

    def test_closed_pipe_is_no_error(self, alice: Person) -> None:
        alice.run("send", "general", "-", typed="one\ntwo\n")
        done = alice.shell("chatterbox tail general --json | head -n1 >/dev/null; echo ${PIPESTATUS[0]}")
        assert (done.stdout, done.stderr) == ("0\n", "")
        for command in ("rooms", "man", "completion bash", "--help"):
            done = alice.shell(f"chatterbox {command} | true; echo ${{PIPESTATUS[0]}}")
            assert (done.stdout, done.stderr) == ("0\n", ""), command

    @pytest.mark.parametrize("arguments", [("tail", "general"), ("chat", "--plain"), ("send", "general", "-")])
    def test_sigint_exits_with_130_silently(self, alice: Person, arguments: tuple[str, ...]) -> None:
        running = alice.start(*arguments)
        wait_until(lambda: is_connected(running), "it runs")
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=20)
        assert running.returncode == ExitCode.INTERRUPTED
        assert "Traceback" not in err


class TestSeveralRooms:
    def test_tail_of_several_rooms_names_the_room_in_each_line(self, alice: Person) -> None:
        alice.run("create", "ops")
        alice.run("send", "general", "here")
        alice.run("send", "ops", "there")
        done = alice.run("tail", "general", "#ops", "--count", "2")
        lines = {line.split(" ", 1)[1] for line in done.stdout.splitlines() if not line.startswith("--")}
        assert lines == {"#general alice: here", "#ops alice: there"}

    def test_tail_reports_a_room_that_the_user_is_not_in(self, alice: Person, bob: Person) -> None:
        alice.run("create", "ops")
        done = bob.run("tail", "general", "ops")
        assert done.returncode == ExitCode.REFUSED
        assert "chatterbox join ops" in done.stderr

    def test_since_is_refused_for_several_rooms(self, alice: Person) -> None:
        assert alice.run("tail", "general", "ops", "--since", "e:1").returncode == ExitCode.USAGE

    def test_leaving_the_room_from_another_client_ends_the_tail(self, alice: Person, bob: Person) -> None:
        alice.run("create", "ops")
        bob.run("join", "ops")
        alice.run("send", "ops", "hello")
        tail = bob.start("tail", "ops", "--json")
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["content"] == "hello"
        bob.run("leave", "ops")
        _, err = tail.communicate(timeout=20)
        assert tail.returncode == ExitCode.REFUSED
        assert "You left #ops in another client." in err


def say(sending: Running, count: int) -> None:
    """Write this many more lines to a running `send`."""
    assert sending.stdin is not None
    sending.stdin.write("".join(f"{number}\n" for number in range(count)))
    sending.stdin.flush()


def offsets(path: Path) -> list[int]:
    """The contents of the complete lines."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line)["at"]["offset"] for line in lines if line.endswith("\n")]


class TestResume:
    def test_resumed_tail_continues_after_the_last_one(self, alice: Person) -> None:
        alice.run("send", "general", "-", typed="1\n2\n3\n4\n5\n")
        first = alice.run("tail", "general", "--resume", "x", "--recent", "9", "--count", "2")
        assert len(first.stdout.splitlines()) == 3
        rest = alice.run("tail", "general", "--resume", "x", "--json", "--count", "3").stdout.splitlines()
        assert [json.loads(line)["content"] for line in rest] == ["3", "4", "5"]
        other = alice.run("tail", "general", "--resume", "y", "--json", "--recent", "1", "--count", "1").stdout
        assert json.loads(other)["content"] == "5"

    def test_first_tail_of_a_name_starts_at_the_newest_message(self, alice: Person) -> None:
        alice.run("send", "general", "-", typed="old\n" * 5)
        tail = alice.start("tail", "general", "--json", "--resume", "z", "--count", "1")
        wait_until(lambda: is_connected(tail), "the tail runs")
        while tail.poll() is None:  # it may not have seen the newest message yet
            alice.run("send", "general", "new")
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["content"] == "new"

    def test_saved_position_is_used_by_one_tail_at_a_time(self, alice: Person) -> None:
        alice.run("send", "general", "x")
        tail = alice.start("tail", "general", "--resume", "x", "--recent", "1")
        assert tail.stdout is not None
        tail.stdout.readline()
        second = alice.run("tail", "general", "--resume", "x", "--count", "1")
        assert second.returncode == ExitCode.REFUSED
        assert "Another tail is using --resume x" in second.stderr
        assert alice.run("tail", "general", "--resume", "../x").returncode == ExitCode.USAGE

    @pytest.mark.parametrize("seed", range(2))
    def test_resumed_tail_loses_nothing_when_killed_at_any_moment(
        self, server: Server, alice: Person, bob: Person, tmp_path: Path, seed: int
    ) -> None:
        moments = random.Random(seed)
        seen, kills, part = tmp_path / "seen", 4, 180
        sending = bob.start("send", "general", "-")
        for life in range(kills):
            with seen.open("a") as out:
                say(sending, part)  # each tail meets something that is new, however fast the others were
                before = len(offsets(seen))
                tail = alice.start("tail", "general", "--json", "--resume", "x", "--recent", "100000", stdout=out)
                wait_until(lambda before=before: len(offsets(seen)) > before, "something came")
                time.sleep(moments.uniform(0, 0.2))
                tail.kill()
                tail.wait()
            if life == 2:
                server.kill()
                server.start()
        say(sending, part)
        total = part * (kills + 1)
        sending.communicate(timeout=60)
        with seen.open("a") as out:
            tail = alice.start("tail", "general", "--json", "--resume", "x", stdout=out)
            wait_until(lambda: offsets(seen)[-1:] == [total], "it has come to the end")
            tail.kill()
        got = offsets(seen)
        assert sorted(set(got)) == list(range(1, total + 1))
        steps = [later - earlier for earlier, later in pairwise(got)]
        assert set(steps) <= {0, 1}
        assert steps.count(0) <= kills
