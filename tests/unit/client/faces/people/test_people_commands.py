"""The slash commands about other users and about oneself, in the faces in lines."""

from dataclasses import replace
from pathlib import Path

import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.people import Audiences, Presence, PresenceState, Profile
from client.config.config_schema import PeopleSettings
from client.context import ClientContext
from client.core import events, notes
from client.core.client_state import ClientState
from client.core.people.people_state import PeopleState, TellQueue, TypingUsers
from client.faces.line_face import LineFace
from client.faces.plain_face import PlainFace
from client.failures import ServerRefused
from client.net import http_jobs, people_jobs
from client.net.http_api import UserSettings
from client.store.name_cache import NameCache
from tests.unit.client.faces.face import Face
from tests.unit.client.world import message

ME = UserSettings("alice", "everyone", presence="everyone")


@pytest.fixture
def face(tmp_path: Path) -> Face:
    return Face(tmp_path)


def settings(monkeypatch: pytest.MonkeyPatch, now: UserSettings = ME) -> list[dict[str, object]]:
    """Answers as the server does; returns the changes that were asked for."""
    asked: list[dict[str, object]] = []

    def changed(_: ClientContext, changes: dict[str, object]) -> UserSettings:
        asked.append(changes)
        return now

    monkeypatch.setattr(people_jobs, "changed", changed)
    return asked


def watched(*people: frames.WatchedPerson) -> notes.CommandAnswered:
    names = tuple(person.username for person in people)
    return notes.CommandAnswered(frames.Watch(id=1, usernames=names), frames.Watched(id=1, people=list(people)))


def person(name: str, state: PresenceState = PresenceState.ONLINE, **profile: str) -> frames.WatchedPerson:
    return frames.WatchedPerson(username=name, state=state, profile=Profile(**profile))


class TestWhois:
    async def test_asks_the_server_for_one_user(self, face: Face) -> None:
        assert await face.type("/whois @Bob") == [frames.Watch(id=0, usernames=("Bob",))]

    def test_prints_presence_and_profile(self, face: Face) -> None:
        shown = face.show(watched(person("bob", PresenceState.AWAY, display_name="Bob B.", bio="Engines")))
        assert shown == ["-- bob: away", "-- Display name: Bob B.", "-- About: Engines"]

    def test_names_the_rooms_in_which_the_user_has_written(self, face: Face) -> None:
        face.show(*(notes.MessageShown(message(1, room=room), mine=False) for room in ("ops", "general", "@bob")))
        assert face.show(watched(person("bob")))[-1] == "-- Has written in #ops, #general"

    def test_unknown_name_suggests_the_one_that_was_probably_meant(self, face: Face) -> None:
        face.known.learn(people=["bob"])
        asked = frames.Watch(id=1, usernames=("bop",))
        shown = face.show(notes.CommandAnswered(asked, frames.Watched(id=1, people=[])))
        assert shown == ["-- There is no user bop. Did you mean bob?"]

    def test_older_server_is_said_to_be_older(self, face: Face) -> None:
        refused = notes.CommandRefused(frames.Watch(id=1, usernames=("bob",)), Code.BAD_FRAME, "Unknown type.")
        sentence = "-- This server does not support presence and profiles: it is older than this client."
        assert face.show(refused) == [sentence]

    async def test_without_a_name_prints_its_usage(self, face: Face) -> None:
        await face.type("/whois")
        assert face.shown == ["-- Usage: /whois USERNAME"]


class TestWho:
    async def test_asks_for_the_presence_of_the_other_members(
        self, face: Face, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def usernames(_: ClientContext, room: str, __: NameCache) -> list[str]:
            return ["alice", "bob", "eve"] if room == "general" else []

        monkeypatch.setattr(http_jobs, "usernames", usernames)
        await face.type("/who")
        await face.until_requested(frames.Watch(id=0, usernames=("bob", "eve")))

    async def test_tells_who_is_typing(self, face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_jobs, "usernames", lambda *_: ["alice"])
        people = PeopleState(room="general", typing=TypingUsers(("bob", "eve")))
        face.connection.state = replace(face.connection.state, people=people)
        await face.type("/who")
        await face.until_shown("You are the only member of #general.")
        assert "-- bob and eve are typing." in face.shown

    def test_prints_the_presence_of_several_users_in_one_line(self, face: Face) -> None:
        shown = face.show(watched(person("bob"), person("eve", PresenceState.AWAY), person("ada")))
        assert shown == ["-- Online: ada, bob. Away: eve."]

    async def test_offline_tells_only_what_the_client_knows(self, face: Face) -> None:
        face.show(notes.MessageShown(message(1), mine=False))
        face.connection.state = ClientState()
        assert await face.type("/who") == []
        assert face.shown[-1].startswith("-- Active here: bob (")

    async def test_older_server_is_not_asked(self, face: Face) -> None:
        people = PeopleState(queue=TellQueue(supported=False))
        face.connection.state = replace(face.connection.state, people=people)
        await face.type("/who", "/away")
        assert face.shown == [
            "-- Nobody has spoken here yet.",
            "-- This server does not support presence and profiles: it is older than this client.",
        ]


class TestAboutOneself:
    async def test_away_and_back_are_requested(self, face: Face) -> None:
        await face.type("/away", "/back")
        assert [one for one in face.connection.people if isinstance(one, events.AwaySet)][-2:] == [
            events.AwaySet(True),
            events.AwaySet(False),
        ]
        assert face.shown == ["-- You are shown as away until /back.", "-- You are no longer shown as away."]

    async def test_status_is_set_and_shown_as_the_server_has_it(
        self, face: Face, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = UserSettings("alice", "everyone", status="lunch", presence="everyone")
        asked = settings(monkeypatch, now)
        await face.type("/status lunch")
        await face.until_shown("-- Your status: lunch")
        assert asked == [{"status": "lunch"}]

    async def test_status_is_cleared(self, face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = settings(monkeypatch)
        await face.type("/status -")
        await face.until_shown("-- You have no status.")
        assert asked == [{"status": ""}]

    async def test_profile_is_shown_and_changed(self, face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = settings(monkeypatch, UserSettings("alice", "everyone", display_name="Ada", presence="everyone"))
        await face.type("/profile", "/profile name Ada", "/profile show bio rooms")
        await face.until_shown("-- Display name: Ada (visible to everyone)")
        await face.until(lambda: len(face.shown) == 3 * len(people_jobs.profile(ME)))
        assert sorted(asked, key=str) == [{"display_name": "Ada"}, {"visible": {"bio": "rooms"}}, {}]

    async def test_privacy_is_shown_and_changed(self, face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = settings(monkeypatch, UserSettings("alice", "everyone", presence="nobody", visible=Audiences()))
        await face.type("/privacy presence off")
        await face.until_shown("-- Presence is off: you look offline.")
        assert asked == [{"presence": "nobody"}]

    async def test_refusal_of_the_server_is_printed(self, face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: ClientContext, __: object) -> UserSettings:
            raise ServerRefused("That display name looks like the username bob.")

        monkeypatch.setattr(people_jobs, "changed", refuse)
        await face.type("/profile name Bob")
        await face.until_shown("-- That display name looks like the username bob.")

    async def test_mistakes_are_explained_without_asking_the_server(self, face: Face) -> None:
        await face.type("/privacy presence maybe", "/profile nmae Ada")
        assert face.shown == [
            "-- Usage: /privacy [presence|typing|receipts on|off]",
            "-- Usage: /profile [name TEXT | bio TEXT | picture PATH | show FIELD WHO]",
        ]


@pytest.mark.parametrize("kind", [LineFace, PlainFace])
def test_presence_typing_and_receipts_are_never_announced(tmp_path: Path, kind: type[LineFace]) -> None:
    """A screen reader would read every one of them aloud."""
    face = Face(tmp_path, kind)
    assert (
        face.show(
            notes.PresenceTold((Presence(username="bob", state=PresenceState.ONLINE),)),
            notes.ProfileTold("bob", Profile(status="lunch")),
            notes.TypingTold("general", ("bob",)),
            notes.ReceiptsTold("general", {"bob": 1}),
            notes.AwayChanged(True),
        )
        == []
    )


class TestWhatTheServerIsTold:
    def test_open_room_is_the_one_that_is_looked_at(self, face: Face) -> None:
        face.show(notes.RoomEntered("ops", ()))
        face.show(notes.RoomGone("ops"))
        looks = [one.room for one in face.connection.people if isinstance(one, events.RoomLooked)]
        assert looks == ["general", "ops", ""]

    def test_typing_is_shared_as_configured(self, face: Face) -> None:
        assert events.TypingShared(True) in face.connection.people
        face.lines.use_people(PeopleSettings(share_typing=False))
        assert face.connection.people[-1] == events.TypingShared(False)

    def test_key_in_a_message_says_that_the_user_is_typing(self, face: Face) -> None:
        face.connection.people.clear()
        face.lines.take_key("hel")
        assert face.connection.people == [events.DeviceUsed(), events.UserTyped("general")]

    @pytest.mark.parametrize("typed", ["", "  ", "/who", "/status x"])
    def test_key_in_a_command_or_an_empty_line_does_not(self, face: Face, typed: str) -> None:
        face.connection.people.clear()
        face.lines.take_key(typed)
        assert face.connection.people == [events.DeviceUsed()]

    async def test_typed_line_says_that_the_device_is_used_if_a_person_types(self, tmp_path: Path) -> None:
        script, user = Face(tmp_path), Face(tmp_path, reads=True)
        assert script.connection.people[0] == events.AwaySet(True)
        assert user.connection.people[0] == events.DeviceUsed()
        user.connection.people.clear()
        await script.type("/topic")
        await user.type("/topic")
        assert events.DeviceUsed() not in script.connection.people
        assert user.connection.people == [events.DeviceUsed()]
