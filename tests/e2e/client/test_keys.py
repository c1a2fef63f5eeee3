"""The commands about keys, by two people with several devices, against a real server that encrypts direct messages."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.failures import ExitCode
from client.net.http_api import HttpApi
from client.store.session_file import SessionFile
from tests.e2e.client.people import Person, Server, people
from tests.e2e.client.test_terminal import terminal
from tests.support.server import PASSWORD


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", settings={"CHATTERBOX_ENCRYPTION": "direct"})
    server.start()
    yield server
    server.kill()


@pytest.fixture
def alice_and_bob(tmp_path: Path, server: Server) -> Iterator[list[Person]]:
    with people(tmp_path, server.url, "alice", "bob") as persons:
        for person in persons:
            assert person.run("keys", "init", "--recovery-to", str(person.home / "key")).returncode == ExitCode.OK
        yield persons


@pytest.fixture
def alice(alice_and_bob: list[Person]) -> Person:
    return alice_and_bob[0]


@pytest.fixture
def bob(alice_and_bob: list[Person]) -> Person:
    return alice_and_bob[1]


@pytest.fixture
def laptop(alice: Person, tmp_path: Path) -> Iterator[Person]:
    """Another computer on which alice has logged in."""
    laptop = Person(tmp_path / "laptop", alice.server, alice.name)
    with HttpApi(laptop.server) as api:
        session = api.login(laptop.name, PASSWORD).as_session(laptop.server, time.time())
    SessionFile(laptop.home / "chatterbox", laptop.server).save(session)
    yield laptop
    laptop.stop()


def status(person: Person) -> dict[str, object]:
    done = person.run("keys", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


class TestContacts:
    def test_both_see_the_same_number_and_verify_by_it(self, alice: Person, bob: Person) -> None:
        numbers = [json.loads(one.run("keys", "number", other, "--json").stdout)["number"]
                   for one, other in ((alice, "@bob"), (bob, "ALICE"))]  # fmt: skip
        assert numbers[0] == numbers[1]
        assert re.fullmatch(r"\d{5}( \d{5}){11}", numbers[0])
        with terminal(alice, "keys", "verify", "bob", "--number") as screen:
            screen.shows("Your safety number with bob, the same on both sides:")
            screen.shows("Is it the same? [y/n]")
            screen.type("perhaps\ny\n")
            screen.shows("You verified bob.")
            assert screen.ends() == ExitCode.OK
        assert json.loads(alice.run("keys", "number", "bob", "--json").stdout)["trust"] == "verified"
        assert "does not count as verified" in alice.run("keys", "unverify", "bob").stdout
        assert json.loads(alice.run("keys", "number", "bob", "--json").stdout)["trust"] == "seen"

    def test_two_who_are_there_compare_what_their_screens_show(self, alice: Person, bob: Person) -> None:
        with terminal(alice, "keys", "verify", "bob") as one:
            one.shows("Asked bob to compare keys.")
            with terminal(bob, "keys", "verify", "alice") as other:
                one.shows("Is it the same? [y/n]")
                other.shows("Is it the same? [y/n]")
                shown = [re.search(r"\d{4} \d{4} \d{4}", screen.raw.decode()) for screen in (one, other)]
                assert shown[0] is not None
                assert shown[1] is not None
                assert shown[0][0] == shown[1][0]
                one.type("y\n")
                other.type("y\n")
                one.shows("You verified bob.")
                other.shows("You verified alice.")
                assert (one.ends(), other.ends()) == (ExitCode.OK, ExitCode.OK)

    def test_who_sees_other_numbers_verifies_no_one(self, alice: Person, bob: Person) -> None:
        with terminal(alice, "keys", "verify", "bob") as one, terminal(bob, "keys", "verify", "alice") as other:
            one.shows("Is it the same? [y/n]")
            other.shows("Is it the same? [y/n]")
            other.type("n\n")
            other.shows("NOT VERIFIED: the numbers differ.")
            assert other.ends() == ExitCode.REFUSED
        assert json.loads(bob.run("keys", "number", "alice", "--json").stdout)["trust"] == "seen"

    def test_new_keys_of_a_contact_are_told_and_accepted(self, alice: Person, bob: Person) -> None:
        alice.run("keys", "number", "bob")
        assert "have not changed" in alice.run("keys", "accept", "bob").stdout
        assert bob.run("keys", "reset", "--yes").returncode == ExitCode.OK
        changed = json.loads(alice.run("keys", "number", "bob", "--json").stdout)
        assert changed["trust"] == "changed"
        assert changed["number"] == json.loads(bob.run("keys", "number", "alice", "--json").stdout)["number"]
        assert "Accepted the new keys of bob." in alice.run("keys", "accept", "bob").stdout

    def test_new_keys_of_a_verified_contact_need_another_comparison(self, alice: Person, bob: Person) -> None:
        alice.run("keys", "verify", "bob", "--number", typed="y\n")
        assert bob.run("keys", "reset", "--yes").returncode == ExitCode.OK
        refused = alice.run("keys", "accept", "bob")
        assert refused.returncode == ExitCode.KEYS_CHANGED
        assert "whom you verified, has new keys" in refused.stderr

    def test_users_without_keys_are_named(self, alice: Person) -> None:
        refused = alice.run("keys", "number", "zoe")
        assert (refused.returncode, refused.stdout) == (ExitCode.REFUSED, "")
        assert "zoe has no keys" in refused.stderr


class TestScripts:
    def test_a_message_to_new_keys_is_sent_with_their_number_only(self, alice: Person, bob: Person) -> None:
        assert alice.run("send", "@bob", "one").returncode == ExitCode.OK
        assert bob.run("keys", "reset", "--yes").returncode == ExitCode.OK
        refused = alice.run("send", "@bob", "two", "--timeout", "5")
        assert refused.returncode == ExitCode.KEYS_CHANGED, refused.stderr
        wrong = alice.run("send", "@bob", "two", "--accept-keys", "12345 " * 12)
        assert wrong.returncode == ExitCode.KEYS_CHANGED
        number = re.search(r"--accept-keys (\d{60})", wrong.stderr.replace("\n", ""))
        assert number is not None, wrong.stderr
        alice.run("outbox", "drop", alice.run("outbox").stdout.split()[0])
        assert alice.run("send", "@bob", "three", "--accept-keys", number[1]).returncode == ExitCode.OK
        read = bob.run("tail", "@alice", "--json", "--recent", "1", "--count", "1")
        assert json.loads(read.stdout)["content"] == "three"

    def test_pages_of_the_server_are_decrypted(self, alice: Person, bob: Person) -> None:
        alice.run("send", "@bob", "-", typed="lunch at one\nor at two\n")
        assert bob.run("tail", "@alice", "--recent", "9", "--count", "2").returncode == ExitCode.OK
        page = bob.page("@alice~bob")
        assert "lunch" not in page
        assert "at two" not in page
        done = bob.run("decrypt", typed=page)
        assert done.returncode == ExitCode.OK, done.stderr
        read = [json.loads(line) for line in done.stdout.splitlines()]
        assert [(one["content"], one["encrypted"], one["trust"]) for one in read] == [
            ("or at two", True, "seen"), ("lunch at one", True, "seen"),
        ]  # fmt: skip

    def test_what_can_not_be_decrypted_is_passed_on_with_the_reason(self, alice: Person, bob: Person) -> None:
        alice.run("send", "@bob", "one")
        page = bob.page("@alice~bob")
        done = bob.run("decrypt", typed=page)
        assert done.returncode == ExitCode.UNREADABLE
        [read] = map(json.loads, done.stdout.splitlines())
        assert read["unreadable"]
        assert read["content"].startswith("e1.")
        assert bob.run("decrypt", typed="{}\n").returncode == ExitCode.USAGE


class TestOwnDevices:
    def test_a_recovery_key_lets_a_new_device_in(self, alice: Person, laptop: Person) -> None:
        waiting = laptop.run("keys", "init")
        assert waiting.returncode == ExitCode.REFUSED
        assert "Enter your recovery key (chatterbox keys recover)" in waiting.stderr
        assert status(alice)["pending"] == 1
        wrong = laptop.run("keys", "recover", typed="0000-0000\n")
        assert wrong.returncode == ExitCode.REFUSED
        recovered = laptop.run("keys", "recover", typed=(alice.home / "key").read_text())
        assert recovered.returncode == ExitCode.OK, recovered.stderr
        assert [(status(one)["devices"], status(one)["recovery_key"]) for one in (alice, laptop)] == [(2, True)] * 2

    def test_a_device_lets_another_one_in_after_comparing(self, alice: Person, laptop: Person) -> None:
        laptop.run("keys", "init")
        old, new = str(status(alice)["device"]), str(status(laptop)["device"])
        with terminal(alice, "keys", "approve", new[:4]) as one:
            one.shows(f"Asked {new} to compare keys.")
            with terminal(laptop, "keys", "approve", old) as other:
                one.shows("Is it the same? [y/n]")
                other.shows("Is it the same? [y/n]")
                other.type("y\n")
                one.type("y\n")
                one.shows(f"Approved {new}.")
                other.shows("The two devices have the same keys.")
                assert (one.ends(), other.ends()) == (ExitCode.OK, ExitCode.OK)
        assert f"{new}  can read" in alice.run("keys", "devices").stdout

    def test_devices_are_refused_and_removed(self, alice: Person, laptop: Person) -> None:
        laptop.run("keys", "init")
        new = str(status(laptop)["device"])
        assert "Another person knows your password" not in alice.run("keys", "devices").stdout
        assert f"Refused {new}" in alice.run("keys", "refuse", new, "--yes").stdout
        assert "You have no device" in alice.run("keys", "remove", new, "--yes").stderr

    def test_a_stolen_device_is_removed_with_the_recovery_key(self, alice: Person, laptop: Person) -> None:
        laptop.run("keys", "recover", typed=(alice.home / "key").read_text())
        stolen, before = str(status(laptop)["device"]), alice.run("keys", "number", "bob").stdout
        done = alice.run("keys", "remove", stolen, "--stolen", "--yes", typed=(alice.home / "key").read_text())
        assert done.returncode == ExitCode.OK, done.stderr
        assert f"Removed {stolen}, and replaced the keys that it had." in done.stdout
        assert "Its login is ended." in done.stdout
        assert laptop.run("rooms").returncode == ExitCode.NOT_LOGGED_IN
        assert alice.run("keys", "number", "bob").stdout == before

    def test_the_recovery_key_is_typed_back(self, server: Server, tmp_path: Path) -> None:
        with people(tmp_path, server.url, "carol") as [carol], terminal(carol, "keys", "init") as screen:
            screen.shows("Private messages are encrypted")
            screen.shows("of it:")
            key = re.search(r"([0-9A-Z]{4}-){6}[0-9A-Z]{4}", screen.raw.decode())
            groups = re.search(r"Type groups (\d) and (\d) of it", screen.raw.decode())
            assert key is not None
            assert groups is not None
            screen.type("AAAA AAAA\n")
            screen.shows("That is not what the recovery key says.")
            words = key[0].split("-")
            screen.type(f"{words[int(groups[1]) - 1]} {words[int(groups[2]) - 1]}\n")
            screen.shows("Your recovery key is set up.")
            assert screen.ends() == ExitCode.OK

    def test_another_recovery_key_replaces_the_present_one(self, alice: Person, laptop: Person) -> None:
        present = (alice.home / "key").read_text()
        again = alice.run("keys", "code", "--recovery-to", str(alice.home / "key"))
        assert (again.returncode, "exists" in again.stderr) == (ExitCode.USAGE, True)
        done = alice.run("keys", "code", "--recovery-to", str(alice.home / "new"), typed=present)
        assert done.returncode == ExitCode.OK, done.stderr
        assert (alice.home / "new").stat().st_mode & 0o777 == 0o600
        assert "does not open" in laptop.run("keys", "recover", typed=present).stderr
        assert laptop.run("keys", "recover", typed=(alice.home / "new").read_text()).returncode == ExitCode.OK


class TestFiles:
    def test_keys_are_exported_and_imported_with_a_passphrase(self, alice: Person) -> None:
        file = alice.home / "messages.keys"
        with terminal(alice, "keys", "export", str(file)) as screen:
            screen.shows("Passphrase for the file:")
            screen.type("one\n")
            screen.shows("Repeat passphrase:")
            screen.type("one\n")
            screen.shows("Exported")
            assert screen.ends() == ExitCode.OK
        assert file.stat().st_mode & 0o777 == 0o600
        with terminal(alice, "keys", "import", str(file)) as screen:
            screen.shows("Passphrase of the file:")
            screen.type("two\n")
            screen.shows("Wrong passphrase")
            assert screen.ends() == ExitCode.REFUSED
        with terminal(alice, "keys", "import", str(file)) as screen:
            screen.shows("Passphrase of the file:")
            screen.type("one\n")
            screen.shows("Imported 0 keys.")
            assert screen.ends() == ExitCode.OK


class TestDoctor:
    def test_all_is_well_after_init(self, alice: Person) -> None:
        done = alice.run("keys", "doctor")
        assert done.returncode == ExitCode.OK, done.stdout
        assert done.stdout.endswith("No problems found.\n")
        checks = [json.loads(line) for line in alice.run("keys", "doctor", "--json").stdout.splitlines()]
        assert not any(check["is_problem"] for check in checks)
        assert {check["check"] for check in checks} >= {"key store", "device list", "clock", "inbox", "key backup"}

    def test_files_that_others_can_read_are_a_problem(self, alice: Person) -> None:
        [store] = (alice.home / "chatterbox" / "keys").rglob("*.sqlite3")
        store.chmod(0o644)
        done = alice.run("keys", "doctor")
        assert done.returncode == ExitCode.UNREACHABLE
        assert "chmod go-rwx" in done.stdout
        assert "Problem found: files." in done.stdout

    def test_a_store_that_does_not_decrypt_is_a_problem(self, alice: Person, bob: Person) -> None:
        [mine], [other] = ((one.home / "chatterbox" / "keys").rglob("*.key") for one in (alice, bob))
        mine.write_bytes(other.read_bytes())
        done = alice.run("keys", "doctor")
        assert done.returncode == ExitCode.UNREACHABLE
        assert "can't be read with its key" in done.stdout

    def test_the_recovery_key_is_tested(self, alice: Person) -> None:
        with terminal(alice, "keys", "doctor") as screen:
            screen.shows("Test your recovery key, too? [y/n]")
            screen.type("y\n")
            screen.shows("Recovery key:")
            screen.type((alice.home / "key").read_text())
            screen.shows("opens the backup")
            assert screen.ends() == ExitCode.OK


class TestUsage:
    @pytest.mark.parametrize(
        "words", [("number",), ("export",), ("status", "x"), ("approve",), ("remove",), ("nonsense",)]
    )
    def test_wrong_usage_is_told(self, alice: Person, words: tuple[str, ...]) -> None:
        assert alice.run("keys", *words).returncode == ExitCode.USAGE

    def test_without_keys_the_next_step_is_named(self, server: Server, tmp_path: Path) -> None:
        with people(tmp_path, server.url, "carol") as [carol]:
            done = carol.run("keys")
            assert done.returncode == ExitCode.REFUSED
            assert "Make them: chatterbox keys init" in done.stderr
