"""The commands against a real server: what they print, what they keep, and how they exit."""

import json
import signal
import stat
from pathlib import Path

import httpx
import pytest

from client.failures import ExitCode
from client.net.http_api import HttpApi
from tests.e2e.client.people import Person, Server, is_connected
from tests.support.command import Running
from tests.support.loopback import NO_TLS
from tests.support.server import PASSWORD
from tests.support.waiting import wait_until


@pytest.fixture
def alice(alice_and_bob: list[Person]) -> Person:
    return alice_and_bob[0]


@pytest.fixture
def bob(alice_and_bob: list[Person]) -> Person:
    return alice_and_bob[1]


class TestAccounts:
    def test_username_can_be_registered_once(self, alice: Person) -> None:
        again = alice.run("register", "Alice", typed="another password\n")
        assert again.returncode == ExitCode.REFUSED
        assert "taken" in again.stderr

    def test_wrong_password_is_refused_and_the_session_stays(self, alice: Person) -> None:
        wrong = alice.run("login", "alice", typed="wrong\n")
        assert wrong.returncode == ExitCode.REFUSED
        said = "chatterbox: Wrong username or password. No account yet? chatterbox register\n"
        assert wrong.stderr == said
        assert alice.run("rooms").returncode == ExitCode.OK

    def test_logged_out_user_can_not_use_the_server(self, alice: Person) -> None:
        tail = alice.start("tail", "general")
        wait_until(lambda: is_connected(tail), "the tail runs")
        assert alice.run("logout").stdout == "Logged out.\n"
        assert tail.wait(20) == ExitCode.NOT_LOGGED_IN
        assert alice.run("send", "general", "x").returncode == ExitCode.NOT_LOGGED_IN
        assert alice.run("login", "alice", typed=PASSWORD + "\n").returncode == ExitCode.OK
        assert alice.run("send", "general", "x").returncode == ExitCode.OK

    def test_session_can_be_ended_from_another_session(self, alice: Person, tmp_path: Path) -> None:
        other = Person(tmp_path / "laptop", alice.server, "alice")
        assert other.run("login", "alice", typed=PASSWORD + "\n").returncode == ExitCode.OK
        lines = alice.run("sessions").stdout.splitlines()
        assert len(lines) == 2
        (theirs,) = (line.split()[0] for line in lines if "(this one)" not in line)
        assert alice.run("sessions", "--end", theirs).returncode == ExitCode.OK
        assert other.run("rooms").returncode == ExitCode.NOT_LOGGED_IN
        assert alice.run("rooms").returncode == ExitCode.OK

    def test_all_other_sessions_can_be_ended_at_once(self, alice: Person, tmp_path: Path) -> None:
        others = [Person(tmp_path / name, alice.server, "alice") for name in ("laptop", "phone")]
        for other in others:
            assert other.run("login", "alice", typed=PASSWORD + "\n").returncode == ExitCode.OK
        assert alice.run("logout", "others").stdout == "2 other sessions ended.\n"
        assert [other.run("rooms").returncode for other in others] == [ExitCode.NOT_LOGGED_IN] * 2
        assert alice.run("logout", "others").stdout == "You have no other sessions.\n"

    def test_client_files_are_private(self, alice: Person) -> None:
        alice.run("send", "general", "x")
        folder = alice.home / "chatterbox"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for path in folder.rglob("*"):
            if path.is_file():
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


class TestRooms:
    def test_rooms_lists_every_public_room_however_many_there_are(self, alice: Person) -> None:
        for owner in ("owner-1", "owner-2", "owner-3"):
            with HttpApi(alice.server) as api:
                api.register(owner, PASSWORD)
                token = api.login(owner, PASSWORD).token
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=alice.server, headers=headers, trust_env=False, verify=NO_TLS) as http:
                for number in range(40):
                    http.post("/rooms", json={"room": f"{owner}-{number:02}"}).raise_for_status()
        listed = alice.run("rooms").stdout
        assert sum(line.startswith("#owner-") for line in listed.splitlines()) == 120

    def test_rooms_are_created_joined_shared_and_left(self, alice: Person, bob: Person) -> None:
        assert alice.run("create", "ops").returncode == ExitCode.OK
        assert bob.run("join", "ops").returncode == ExitCode.OK
        assert alice.run("create", "board", "--private").returncode == ExitCode.OK
        assert "#board" not in bob.run("rooms").stdout
        assert bob.run("join", "board").returncode == ExitCode.REFUSED
        assert alice.run("invite", "board", "bob").returncode == ExitCode.OK
        assert "#board" not in bob.run("rooms").stdout
        assert bob.run("invitations").stdout.startswith("#board  from alice, ")
        assert bob.run("accept", "board").returncode == ExitCode.OK
        assert bob.run("invitations").stdout == ""
        assert "#board" in bob.run("rooms").stdout
        assert bob.run("leave", "ops").returncode == ExitCode.OK
        refused = bob.run("send", "ops", "still here?")
        assert refused.returncode == ExitCode.REFUSED
        assert "still here?" in refused.stderr

    def test_invitation_is_declined_and_its_sender_blocked(self, alice: Person, bob: Person) -> None:
        for room in ("board", "den"):
            alice.run("create", room, "--private")
        assert "If there is such a user" in alice.run("invite", "board", "bob").stdout
        assert alice.run("invite", "board", "nobody").returncode == ExitCode.OK
        assert bob.run("decline", "board").stdout == "Declined the invitation to #board.\n"
        assert "You have no invitation to #board." in bob.run("decline", "board").stderr
        assert bob.run("block", "@alice").stdout.startswith(
            "You get no more invitations and direct messages from alice."
        )
        assert bob.run("block").stdout == "alice\n"
        assert alice.run("invite", "den", "bob").returncode == ExitCode.OK
        assert bob.run("invitations").stdout == ""
        assert bob.run("unblock", "alice").stdout == "alice can invite you and write to you again.\n"
        assert alice.run("invite", "den", "bob").returncode == ExitCode.OK
        assert "#den" in bob.run("invitations").stdout

    def test_last_member_of_a_private_room_is_asked_before_it_is_deleted(self, alice: Person, bob: Person) -> None:
        alice.run("create", "board", "--private")
        alice.run("send", "board", "secret")
        refused = alice.run("leave", "board")
        assert refused.returncode == ExitCode.USAGE
        assert "the room and its 1 message will be deleted. To confirm: --yes" in refused.stderr
        assert "#board" in alice.run("rooms").stdout
        left = alice.run("leave", "board", "--yes")
        assert left.stdout == "You left #board. The room and its messages were deleted.\n"
        assert bob.run("create", "board").returncode == ExitCode.OK

    def test_creator_removes_a_member_and_deletes_the_room(self, alice: Person, bob: Person) -> None:
        alice.run("create", "ops")
        bob.run("join", "ops")
        tail = bob.start("tail", "ops")
        wait_until(lambda: is_connected(tail), "the tail runs")
        assert bob.run("remove", "ops", "alice").stderr.startswith("chatterbox: Only the creator of #ops can do that.")
        assert alice.run("remove", "ops", "@Bob").stdout == "You removed bob from #ops.\n"
        assert "alice removed you from #ops." in tail.communicate(timeout=20)[1]
        assert tail.returncode == ExitCode.REFUSED
        assert "You were removed from this room" in bob.run("join", "ops").stderr
        refused = alice.run("delete-room", "ops")
        assert refused.returncode == ExitCode.USAGE
        assert "This deletes #ops and all of its messages" in refused.stderr
        assert alice.run("delete-room", "ops", "--yes").stdout == "Deleted #ops and its messages.\n"
        assert bob.run("create", "ops").returncode == ExitCode.OK

    def test_topic_can_be_read_by_a_script(self, alice: Person, bob: Person) -> None:
        alice.run("create", "ops")
        assert alice.run("topic", "ops", "on call: ada").stdout == "Topic of #ops: on call: ada\n"
        assert bob.run("topic", "ops").stdout == "on call: ada\n"
        assert "on call: ada" in bob.run("rooms").stdout
        for text, why in (("mine now", "not a member"), ("x" * 201, "at most 200")):
            refused = (bob if why == "not a member" else alice).run("topic", "ops", text)
            assert (refused.returncode, why in refused.stderr) == (ExitCode.REFUSED, True)
        assert alice.run("topic", "ops", "-").stdout == "#ops has no topic.\n"
        assert bob.run("topic", "ops").stdout == ""

    def test_unknown_room_suggests_a_similar_one(self, alice: Person, bob: Person) -> None:
        alice.run("create", "ops")
        for arguments in (["join", "opps"], ["tail", "opps"], ["topic", "opps"], ["topic", "opps", "x"]):
            refused = bob.run(*arguments)
            assert refused.returncode == ExitCode.REFUSED
            assert "Did you mean #ops?" in refused.stderr


class TestSendAndTail:
    def test_tail_prints_what_send_sent(self, alice: Person, bob: Person) -> None:
        assert alice.run("send", "general", "hello").returncode == ExitCode.OK
        assert alice.run("send", "general", "-", typed="one\n\ntwo\n").returncode == ExitCode.OK
        tailed = bob.run("tail", "general", "--json", "--count", "3")
        messages = [json.loads(line) for line in tailed.stdout.splitlines()]
        assert [message["content"] for message in messages] == ["hello", "one", "two"]
        assert {message["username"] for message in messages} == {"alice"}

    def test_tail_continues_from_a_position(self, alice: Person, bob: Person) -> None:
        alice.run("send", "general", "-", typed="".join(f"{number}\n" for number in range(500)))
        first = json.loads(bob.run("tail", "general", "--json", "--recent", "500", "--count", "1").stdout)
        since = f"{first['at']['epoch']}:{first['at']['offset']}"
        tailed = bob.run("tail", "general", "--json", "--since", since, "--count", "499")
        contents = [json.loads(line)["content"] for line in tailed.stdout.splitlines()]
        assert contents == [str(number) for number in range(1, 500)]

    def test_tail_reports_a_position_of_another_history(self, alice: Person) -> None:
        alice.run("send", "general", "x")
        tailed = alice.run("tail", "general", "--since", "feedbeef:7", "--count", "1")
        assert "was restored" in tailed.stderr
        assert "alice: x" in tailed.stdout

    def test_ctrl_c_ends_tail_quietly(self, alice: Person) -> None:
        alice.run("send", "general", "x")
        tail = alice.start("tail", "general")
        assert tail.stdout is not None
        assert tail.stdout.readline()
        tail.send_signal(signal.SIGINT)
        _, err = tail.communicate(timeout=20)
        assert (tail.returncode, err) == (ExitCode.INTERRUPTED, "")

    def test_closed_pipe_ends_tail_at_once_and_quietly(self, alice: Person) -> None:
        alice.run("send", "general", "x")
        tail = alice.start("tail", "general")
        assert tail.stdout is not None
        tail.stdout.readline()
        tail.stdout.close()
        assert tail.wait(20) == ExitCode.OK
        assert tail.stderr is not None
        assert tail.stderr.read() == ""

    def test_invalid_line_is_reported_with_its_number(self, alice: Person) -> None:
        done = alice.run("send", "general", "-", typed="good\n\x1b[2J\nbetter\n")
        assert done.returncode == ExitCode.REFUSED
        assert "NOT SENT (line 2)" in done.stderr
        assert "\x1b" not in done.stderr
        assert alice.history() == ["good", "better"]


class TestChat:
    def test_two_users_chat(self, alice: Person, bob: Person) -> None:
        talk = alice.start("chat")
        other = bob.start("chat")
        assert talk.stdin is not None
        assert other.stdin is not None
        say(talk, "hello bob")
        hear(other, "alice: hello bob")
        say(other, "hello alice")
        hear(talk, "alice: hello bob")
        hear(talk, "bob: hello alice")
        say(talk, "/create ops")
        say(other, "/quit")
        assert other.wait(20) == ExitCode.OK
        talk.stdin.close()
        assert talk.wait(20) == ExitCode.OK

    def test_refused_piped_message_fails_the_chat(self, alice: Person) -> None:
        for room, line in (("nosuch", "hello\n"), ("general", f"{'x' * 4001}\n")):
            done = alice.run("chat", room, typed=line)
            assert done.returncode == ExitCode.REFUSED
            assert "NOT SENT" in done.stderr

    def test_piped_messages_are_stored_before_the_chat_ends(self, alice: Person) -> None:
        assert alice.run("chat", typed="one\ntwo\n").returncode == ExitCode.OK
        assert alice.history() == ["one", "two"]


class TestWithoutAServer:
    def test_each_command_reports_an_unreachable_server(self, alice: Person, server: Server) -> None:
        server.kill()
        for arguments in (["rooms"], ["tail", "general"], ["send", "general", "x", "--timeout", "0.5"], ["sessions"]):
            done = alice.run(*arguments)
            assert done.returncode == ExitCode.UNREACHABLE
            assert f"{server.url}" in done.stderr
        done = alice.run("login", "alice", typed=PASSWORD + "\n")
        assert done.returncode == ExitCode.UNREACHABLE
        assert "connection refused" in done.stderr


def say(process: Running, line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def hear(process: Running, ending: str) -> None:
    assert process.stdout is not None
    while not (line := process.stdout.readline()).rstrip().endswith(ending):
        assert line, f"it ended before {ending!r}"
