"""Two users behind a server that lies, and what it can lie about."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import msgspec

from client.failures import ExitCode
from client.net.http_api import HttpApi
from client.store.session_file import SessionFile
from tests.e2e.client.people import Person
from tests.e2e.client.test_terminal import terminal
from tests.support.encryption.model_device import ModelUser
from tests.support.lying_server import Json, Lies
from tests.support.server import PASSWORD

CANARY = "zephyr quartz"


class Site:
    """Alice and Bob, who both have keys, behind a server that does not lie yet."""

    def __init__(self, alice: Person, bob: Person, lies: Lies) -> None:
        self.alice = alice
        self.bob = bob
        self.lies = lies
        self.others: list[Person] = []

    async def send(self, text: str) -> tuple[int, str]:
        """Alice sends a text to Bob; the exit code and what is said."""
        done = await asyncio.to_thread(self.alice.run, "send", "@bob", text, "--timeout", "4")
        return done.returncode, done.stderr

    async def read(self, count: int) -> list[Json]:
        """Bob reads this many messages of Alice."""
        return (await self.read_as(self.bob, "@alice", count))[0]

    async def read_as(self, person: Person, room: str, count: int) -> tuple[list[Json], str]:
        """The newest messages of a room as a person reads them, and what is said beside them."""
        recent = ("--count", str(count), "--recent", "50")
        done = await asyncio.to_thread(person.run, "tail", room, "--json", *recent)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    async def person(self, name: str, device: str) -> Person:
        """Another user, or another computer of one, who has a session and no keys."""
        person = Person(self.alice.home.parent / device, self.alice.server, name)
        self.others.append(person)
        await asyncio.to_thread(log_in if name in {"alice", "bob"} else Person.register, person)
        return person

    async def with_keys(self, name: str) -> Person:
        """Another user, who has keys."""
        person = await self.person(name, name)
        await asyncio.to_thread(make_keys, person)
        return person

    async def second_device(self, of: Person, device: str = "laptop") -> Person:
        """Another computer of a user, which the recovery key let in."""
        person = await self.person(of.name, device)
        typed = (of.home / "recovery").read_text()
        done = await asyncio.to_thread(lambda: person.run("keys", "recover", typed=typed))
        assert done.returncode == ExitCode.OK, done.stderr
        return person

    async def device_of(self, person: Person) -> str:
        """The id of a person's device."""
        status = await asyncio.to_thread(person.run, "keys", "status", "--json")
        return str(json.loads(status.stdout)["device"])

    @property
    def uid(self) -> str:
        """The uid of the conversation, as the server told it."""
        return self.lies.uids["@alice~bob"]

    def stop(self) -> None:
        for person in self.others:
            person.stop()

    def sent(self, kind: str) -> list[Json]:
        """The commands of a kind that clients sent."""
        return [command for command in self.lies.sent_by_clients if command.get("type") == kind]

    def assert_nothing_in_clear(self) -> None:
        """No command of a client had a word of a text."""
        sent = json.dumps(self.lies.sent_by_clients)
        assert not any(word in sent for word in CANARY.split())


def log_in(person: Person) -> None:
    """Log in once more, on another computer."""
    with HttpApi(person.server) as api:
        session = api.login(person.name, PASSWORD).as_session(person.server, time.time())
    SessionFile(person.home / "chatterbox", person.server).save(session)


def make_keys(person: Person) -> None:
    """Make a person's keys, and a recovery key in the file `recovery`."""
    made = person.run("keys", "init", "--recovery-to", str(person.home / "recovery"))
    assert made.returncode == ExitCode.OK, made.stderr


def chat_shows(person: Person, room: str, *texts: str) -> None:
    """A person opens a room in a chat, and waits until it shows texts."""
    with terminal(person, "chat", room, "--plain") as screen:
        for text in texts:
            screen.shows(text)


def lists_of_bob(change: Callable[[Json], Json]) -> Callable[[Json], list[Json]]:
    """In the reply to `recipients`, Bob's keys are others."""

    def frame(found: Json) -> list[Json]:
        if found.get("type") == "recipients":
            found["lists"] = [change(keys) if keys["username"] == "bob" else keys for keys in found["lists"]]
        return [found]

    return frame


def keys_of_bob(change: Callable[[Json], Json]) -> Callable[[str, str, Json], Json | None]:
    """The same in `GET /keys/users`."""
    return keys_of("bob", change)


def keys_of(name: str, change: Callable[[Json], Json]) -> Callable[[str, str, Json], Json | None]:
    """In `GET /keys/users`, a user's keys are others."""

    def response(method: str, path: str, body: Json) -> Json | None:
        if path != "/keys/users":
            return None
        return {"users": [change(keys) if keys["username"] == name else keys for keys in body["users"]]}

    return response


def refuse_once(site: Site) -> None:
    """The next message is refused, as if who can read had changed: the client asks for the recipients."""
    refused: list[Json] = []

    def is_first(command: Json) -> bool:
        return command.get("type") == "send" and (not refused or refused[0] is command)

    def answers(command: Json) -> list[Json]:
        if not is_first(command):
            return []
        refused.append(command)
        return [
            {"type": "error", "id": command["id"], "code": "recipients_stale", "detail": "Who can read has changed."}
        ]

    site.lies.answers = answers
    site.lies.to_server = lambda command: [] if command in refused else [command]


def messages(change: Callable[[list[Json]], list[Json]]) -> Callable[[Json], list[Json]]:
    """The messages of an encrypted room are others, in pages as in pushes."""

    def frame(found: Json) -> list[Json]:
        if found.get("type") == "message" and "~" in found["room"]:
            return change([found])
        if "messages" in found and "~" in found.get("room", ""):
            found["messages"] = change(found["messages"])
        return [found]

    return frame


def plain(value: Any) -> Json:
    built: Json = msgspec.to_builtins(value)
    return built


def invented(keys: Json) -> Json:
    """Keys that the server made for Bob, with a device that it can read."""
    user = ModelUser(keys["user_id"], "bob")
    user.version = keys["list"]["version"] + 1
    user.add_device()
    return plain(user.keys())


def with_other_curve(keys: Json) -> Json:
    """Bob's device has an encryption key of the server's."""
    [device_id, *_] = keys["device_keys"]
    other = ModelUser(keys["user_id"], "bob").add_device(device_id)
    keys["device_keys"][device_id]["keys"][f"curve25519:{device_id}"] = other.curve
    return keys


def with_ghost(keys: Json) -> Json:
    """Bob's keys have a device that is not in the list that he signed."""
    ghost = ModelUser(keys["user_id"], "bob").add_device()
    keys["device_keys"][ghost.device_id] = plain(ghost.keys())
    return keys


def with_other_self_signing_key(keys: Json) -> Json:
    """All of Bob's keys but the master key are the server's."""
    return {**invented(keys), "master": keys["master"]}
