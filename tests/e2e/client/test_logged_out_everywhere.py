"""A user logs out of every device, is written to meanwhile, and reads all of it later on a new computer."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.failures import ExitCode
from client.net.http_api import HttpApi
from client.store.session_file import SessionFile
from tests.e2e.client.people import Person, Server, people
from tests.e2e.client.test_encrypted_directs import has_keys
from tests.e2e.client.test_encrypted_rooms import ROOM, done
from tests.support.server import PASSWORD

MEANWHILE = ["written on Saturday", "and on Sunday"]


@pytest.fixture
def both(tmp_path: Path, server: Server) -> Iterator[list[Person]]:
    with people(tmp_path, server.url, "alice", "bob") as persons:
        for person in persons:
            has_keys(person)
        yield persons


def contents(person: Person, room: str, count: int) -> list[str]:
    return done(person, "tail", room, "--count", str(count), "--recent", "20").splitlines()


def test_what_is_written_while_no_device_is_logged_in_is_read_later(both: list[Person], tmp_path: Path) -> None:
    alice, bob = both
    done(alice, "create", "--encrypted", "plans")
    done(alice, "invite", ROOM, "bob")
    done(bob, "accept", ROOM)
    done(alice, "send", "@bob", "on Friday")
    done(bob, "tail", "@alice", "--count", "1", "--recent", "1")
    assert bob.run("logout").returncode == ExitCode.OK
    for text in MEANWHILE:
        done(alice, "send", "@bob", text)
        done(alice, "send", ROOM, text)
    new = Person(tmp_path / "new", alice.server, "bob")
    with HttpApi(alice.server) as api:
        session = api.login("bob", PASSWORD).as_session(alice.server, time.time())
    SessionFile(new.home / "chatterbox", alice.server).save(session)
    done(new, "keys", "recover", typed=(bob.home / "recovery").read_text())
    assert [line.partition("alice: ")[2] for line in contents(new, "@alice", 3)[1:]] == ["on Friday", *MEANWHILE]
    assert [line.partition("alice: ")[2] for line in contents(new, ROOM, 2)[1:]] == MEANWHILE
