"""Profiles over HTTP and for gateways: own settings, who sees what, versions, last seen, changes that are told."""

from functools import partial
from itertools import product
from typing import Any

import pytest

from chatterbox.chassis.http import internal_http
from chatterbox.wire import history_api
from chatterbox.wire.broker_events import (
    CONTROL,
    SIGNALS,
    PersonChanged,
    decode_control,
)
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.people import Privacy, Profile
from chatterbox.wire.text_rules import timestamp
from services.history.people.person_directory import MAX_ASKED, MAX_PEOPLE, MAX_SEEN
from tests.support.history import START_MS, Service, Start, code, read_signal, until

HOUR_MS = 3_600_000
FIELDS = ("display_name", "bio", "avatar", "status")
PROFILE = {"display_name": "Alice L.", "bio": "Looks through glasses", "status": "at tea"}
AVATAR = "f" * 32


@pytest.fixture
def start(start: Start) -> Start:
    """Direct conversations are not encrypted here."""
    return partial(start, encryption=EncryptionPolicy.ALLOWED)


async def change(history: Service, user: str = "alice", **changed: Any) -> None:
    answer = await history.do("PATCH", "/me", user, changed)
    assert answer.status_code == 204, answer.text


async def person(history: Service, username: str = "alice", viewer: str = "bob") -> dict[str, Any]:
    found: dict[str, Any] = (await history.get(f"/people/{username}", viewer)).raise_for_status().json()
    return found


async def newer(history: Service, known: dict[str, int], viewer: str = "bob") -> list[dict[str, Any]]:
    answer = await history.do("POST", "/people/query", viewer, {"known": known})
    people: list[dict[str, Any]] = answer.raise_for_status().json()
    return people


async def ask(history: Service, *usernames: str, viewers: list[int], **fields: Any) -> list[history_api.StoredPerson]:
    query = history_api.PeopleQuery(viewers=viewers, usernames=list(usernames), **fields)
    return (await history.ask("people", query, history_api.People)).people


async def set_avatar(history: Service, avatar: str, user: str = "alice") -> str:
    body = history_api.AvatarChanged(history.auth.names[user], user, avatar)
    return (await history.ask("avatar", body, history_api.AvatarReplaced)).avatar


async def changes_told(history: Service, heard: list[tuple[str, bytes]]) -> list[PersonChanged]:
    """What was told of people until now: a room is made, and its event awaited."""
    before = len(heard)
    (await history.do("POST", "/rooms", "bob", {"room": f"marker-{before}"})).raise_for_status()
    await until(lambda: any(b"marker-" in payload for _, payload in heard[before:]))
    events = [decode_control(payload) for _, payload in heard]
    return [event for event in events if isinstance(event, PersonChanged)]


class TestOwnSettings:
    async def test_a_new_user_has_an_empty_profile_and_shows_everything(self, history: Service) -> None:
        assert (await history.get("/me")).json() == {
            "username": "alice",
            "writes": "everyone",
            "display_name": "",
            "bio": "",
            "avatar": "",
            "status": "",
            "status_until": "",
            "visible": dict.fromkeys(FIELDS, "everyone"),
            "presence": "everyone",
            "typing": True,
            "receipts": True,
        }

    async def test_settings_are_changed_one_by_one_and_kept_over_a_restart(self, start: Start) -> None:
        async with start() as history:
            await history.greet("alice")
            await change(history, **PROFILE, status_until=timestamp(START_MS + HOUR_MS))
            await change(history, visible={"bio": "rooms"}, presence="nobody")
            await change(history, visible={"status": "nobody"}, typing=False, receipts=False, writes="rooms")
        async with start() as history:
            assert (await history.get("/me")).json() == {
                "username": "alice",
                **PROFILE,
                "status_until": timestamp(START_MS + HOUR_MS),
                "avatar": "",
                "writes": "rooms",
                "visible": {"display_name": "everyone", "bio": "rooms", "avatar": "everyone", "status": "nobody"},
                "presence": "nobody",
                "typing": False,
                "receipts": False,
            }
            await change(history, display_name="", bio="", status="")
            assert [(await history.get("/me")).json()[name] for name in (*PROFILE, "status_until")] == [""] * 4

    @pytest.mark.parametrize(
        ("changed", "refusal"),
        [
            ({"display_name": "x" * 65}, Code.DISPLAY_NAME_INVALID),
            ({"display_name": "two\nlines"}, Code.DISPLAY_NAME_INVALID),
            ({"display_name": "B0b"}, Code.DISPLAY_NAME_INVALID),
            ({"bio": "x" * 401}, Code.PROFILE_INVALID),
            ({"status": "\u202eevil"}, Code.PROFILE_INVALID),
            ({"status": "x", "status_until": "2020-01-01T00:00:00Z"}, Code.PROFILE_INVALID),
            ({"status": "x", "status_until": "tomorrow"}, Code.BAD_REQUEST),
            ({"bio": "x" * 10_000}, Code.BAD_REQUEST),
            ({"visible": {"bio": "friends"}}, Code.BAD_REQUEST),
            ({"presence": True}, Code.BAD_REQUEST),
            ({"typing": "yes"}, Code.BAD_REQUEST),
        ],
    )
    async def test_an_invalid_change_is_refused_and_changes_nothing(
        self, history: Service, changed: dict[str, Any], refusal: Code
    ) -> None:
        before = (await history.get("/me")).json()
        assert code(await history.do("PATCH", "/me", "alice", {"writes": "nobody", **changed})) == (422, refusal)
        assert (await history.get("/me")).json() == before

    async def test_a_refusal_names_the_field_and_the_limit(self, history: Service) -> None:
        refused = await history.do("PATCH", "/me", "alice", {"bio": "x" * 401})
        assert refused.json()["detail"] == "The bio has 401 characters; at most 400 are allowed."

    @pytest.mark.parametrize("name", ["alice", "ALICE", "al1ce", "\u0430lice", "Alice Liddell"])
    async def test_a_display_name_may_look_like_ones_own_username(self, history: Service, name: str) -> None:
        await change(history, display_name=name)
        assert (await person(history))["profile"] == {"display_name": name}

    async def test_without_auth_a_display_name_is_refused_and_all_else_works(self, history: Service) -> None:
        assert (await person(history, viewer="alice"))["profile"] == {}  # history has auth's keys now
        history.auth.away = True
        assert code(await history.do("PATCH", "/me", "alice", {"display_name": "A."})) == (503, Code.UNAVAILABLE)
        await change(history, bio="Here", display_name="")
        assert (await person(history))["profile"] == {"bio": "Here"}

    async def test_a_status_ends_at_its_time_for_everyone(self, history: Service) -> None:
        await change(history, status="at tea", status_until=timestamp(START_MS + HOUR_MS))
        shown = {"status": "at tea", "status_until": timestamp(START_MS + HOUR_MS)}
        assert (await person(history))["profile"] == shown
        history.clock.now += HOUR_MS
        assert (await person(history))["profile"] == {}
        assert (await person(history, viewer="alice"))["profile"] == {}
        mine = (await history.get("/me")).json()
        assert (mine["status"], mine["status_until"]) == ("", "")
        [told] = await ask(history, "alice", viewers=[2])
        assert (told.own, told.everyone, told.rooms) == (Profile(), Profile(), Profile())
        [listed] = await newer(history, {"alice": 0})
        assert listed["profile"] == {}


class TestWhoSeesWhat:
    VIEWERS = ("alice", "bob", "carol", "dave", "eve")
    """Herself; in a public room with her; in a private one; in a direct conversation; only in the room of everyone."""

    async def _meet(self, history: Service) -> None:
        await history.greet(*self.VIEWERS)
        await history.do("POST", "/rooms", "alice", {"room": "tea"})
        await history.do("PUT", "/rooms/tea/members/me", "bob")
        await history.do("POST", "/rooms", "alice", {"room": "secret", "private": True})
        await history.invite("secret", "alice", "carol")
        await history.do("POST", "/directs", "alice", {"username": "dave"})
        await change(history, **PROFILE)
        await set_avatar(history, AVATAR)

    async def test_every_field_is_shown_to_every_viewer_as_its_audience_says(self, history: Service) -> None:
        """viewer x field x audience, by all four ways of asking."""
        await self._meet(history)
        values = {**PROFILE, "avatar": AVATAR}
        ids = [history.auth.names[viewer] for viewer in self.VIEWERS]
        wrong = []
        for field, audience in product(FIELDS, ("everyone", "rooms", "nobody")):
            await change(history, visible={**dict.fromkeys(FIELDS, "everyone"), field: audience})
            [told] = await ask(history, "alice", viewers=ids)
            for viewer in self.VIEWERS:
                is_shown = viewer == "alice" or audience == "everyone" or (audience == "rooms" and viewer != "eve")
                expected = {name: value for name, value in values.items() if name != field or is_shown}
                [listed] = await newer(history, {"alice": 0}, viewer)
                viewer_id = history.auth.names[viewer]
                kind = "own" if viewer == "alice" else "rooms" if viewer_id in told.sharing else "everyone"
                over_internal = getattr(told, kind)
                answers = [
                    (await person(history, viewer=viewer))["profile"],
                    listed["profile"],
                    {name: value for name in FIELDS if (value := getattr(over_internal, name))},
                ]
                if answers != [expected] * 3:
                    wrong.append((viewer, field, audience, answers))
        assert wrong == []
        mine = (await history.get("/me")).json()
        assert {name: mine[name] for name in FIELDS} == values

    async def test_leaving_the_last_common_room_ends_what_is_shown_there(self, history: Service) -> None:
        await self._meet(history)
        await change(history, visible=dict.fromkeys(FIELDS, "rooms"))
        assert (await person(history, viewer="bob"))["profile"]
        await history.do("DELETE", "/rooms/tea/members/me", "bob")
        assert (await person(history, viewer="bob"))["profile"] == {}

    async def test_a_status_that_is_not_shown_has_no_end_either(self, history: Service) -> None:
        await change(history, status="x", status_until=timestamp(START_MS + HOUR_MS), visible={"status": "nobody"})
        assert (await person(history))["profile"] == {}


class TestVersions:
    async def test_only_users_with_another_version_are_returned(self, history: Service) -> None:
        await change(history, bio="one")
        [alice] = await newer(history, {"alice": 0, "bob": 0})
        assert alice == {"username": "alice", "profile": {"bio": "one"}, "version": 1}
        assert await newer(history, {"alice": 1, "bob": 0}) == []
        await change(history, visible={"bio": "nobody"})
        assert await newer(history, {"ALICE": 1}) == [{"username": "alice", "profile": {}, "version": 2}]
        await change(history, writes="nobody", display_name="")
        assert await newer(history, {"alice": 2}) == []
        await change(history, presence="nobody")
        assert [each["version"] for each in await newer(history, {"alice": 2})] == [3]

    async def test_names_that_no_user_has_are_left_out(self, history: Service) -> None:
        await change(history, bio="one")
        known = {"": 0, "carol?": 0, "alice": 0, "e" + "\u0301" * 20_000: 0}
        assert [each["username"] for each in await newer(history, known)] == ["alice"]

    async def test_users_who_never_connected_are_known_too(self, history: Service) -> None:
        history.auth.token("carol")
        assert await person(history, "Carol") == {"username": "carol", "profile": {}}
        assert await newer(history, {"carol": 5}) == [{"username": "carol", "profile": {}}]
        [carol] = await ask(history, "carol", viewers=[1])
        assert (carol.user_id, carol.version, carol.privacy, carol.seen) == (3, 0, Privacy(), "")
        assert await ask(history, viewers=[], user_ids=[3]) == []

    async def test_auth_is_asked_for_a_bounded_number_of_names(self, history: Service) -> None:
        strangers = [f"stranger-{number}" for number in range(MAX_ASKED + 10)]
        for name in strangers:
            history.auth.token(name)
        found = await newer(history, {**dict.fromkeys(strangers, 1), "alice": 1})
        assert sorted(each["username"] for each in found) == sorted([*strangers[:MAX_ASKED], "alice"])

    @pytest.mark.parametrize(
        ("name", "refusal"), [("carol", (404, Code.USER_UNKNOWN)), ("a?b!", (422, Code.USERNAME_INVALID))]
    )
    async def test_a_name_that_no_user_has_is_refused(
        self, history: Service, name: str, refusal: tuple[int, Code]
    ) -> None:
        assert code(await history.get(f"/people/{name.replace('?', '%3F')}")) == refusal

    async def test_one_request_asks_for_a_bounded_number(self, history: Service) -> None:
        many = {f"user-{number}": 0 for number in range(MAX_PEOPLE + 1)}
        for known in (many, {"alice": -1}, {"alice": 2**60}, {"alice": "1"}):
            refused = await history.do("POST", "/people/query", "alice", {"known": known})
            assert code(refused) == (422, Code.BAD_REQUEST)

    async def test_users_who_connected_are_found_without_auth(self, history: Service) -> None:
        await change(history, bio="one")
        history.auth.away = True
        assert [each["username"] for each in await newer(history, {"ALICE": 0, "Bob": 1})] == ["alice", "bob"]
        assert (await person(history))["username"] == "alice"
        assert code(await history.get("/people/carol")) == (503, Code.UNAVAILABLE)


class TestForGateways:
    async def test_users_are_found_by_name_and_id_once(self, history: Service) -> None:
        await change(history, bio="one", receipts=False)
        found = await ask(history, "ALICE", "alice", "nobody", viewers=[2], user_ids=[1, 2, 99])
        assert sorted((each.user_id, each.username) for each in found) == [(1, "alice"), (2, "bob")]
        alice = next(each for each in found if each.user_id == 1)
        assert (alice.version, alice.privacy, alice.everyone) == (1, Privacy(receipts=False), Profile(bio="one"))

    async def test_the_query_counts_as_a_read_of_its_reader(self, start: Start) -> None:
        async with start(limits=Limits(reads_burst=1, reads_per_s=0.001)) as history:
            await history.greet("alice")
            await ask(history, "alice", viewers=[1], reader=1)
            await ask(history, "alice", viewers=[1])
            with pytest.raises(ChatError) as refused:
                await ask(history, "alice", viewers=[1], reader=1)
            assert refused.value.code is Code.RATE_LIMITED

    @pytest.mark.parametrize("field", ["usernames", "user_ids", "viewers"])
    async def test_a_query_of_too_many_is_refused(self, history: Service, field: str) -> None:
        body = {"viewers": [], field: ["x" if field == "usernames" else 1] * (MAX_PEOPLE + 1)}
        with pytest.raises(ChatError, match="at most 200"):
            await history.ask("people", body, history_api.People)

    async def test_connected_users_are_last_seen_rounded_down(self, history: Service) -> None:
        await history.ask("seen", history_api.UsersSeen([1, 2]), type(None))
        await change(history, "bob", presence="nobody")
        history.clock.now += 2 * HOUR_MS
        await history.ask("seen", history_api.UsersSeen([2]), type(None))
        assert (await person(history))["seen"] == "2026-09-21T14:00:00.000Z"
        assert "seen" not in await person(history, "bob", "alice")
        assert "seen" not in await person(history, "bob", "bob")
        history.clock.now += 30 * 24 * HOUR_MS
        assert "seen" not in await person(history)

    async def test_presence_that_is_shown_again_begins_without_a_past(self, history: Service) -> None:
        await history.ask("seen", history_api.UsersSeen([1]), type(None))
        await change(history, presence="nobody")
        await change(history, presence="everyone")
        assert "seen" not in await person(history)

    async def test_a_report_of_connected_users_is_bounded(self, history: Service) -> None:
        await history.ask("seen", history_api.UsersSeen(list(range(1, MAX_SEEN + 1))), type(None))
        with pytest.raises(ChatError, match="at most 10000 users"):
            await history.ask("seen", history_api.UsersSeen(list(range(MAX_SEEN + 1))), type(None))

    async def test_receipts_are_those_of_members_who_show_them(self, history: Service) -> None:
        await history.fill(3)
        position = history_api.ReadPosition(1, 2, 2)
        stored = await history.ask("reads", history_api.ReadPositions([position]), history_api.ReadOutcomes)
        assert stored.readers == ["bob"]
        query = history_api.ReceiptsQuery(1)
        assert (await history.ask("receipts", query, history_api.Receipts)).read == {"alice": 0, "bob": 2}
        await change(history, "bob", receipts=False)
        assert (await history.ask("receipts", query, history_api.Receipts)).read == {"alice": 0}
        again = await history.ask("reads", history_api.ReadPositions([position] * 2), history_api.ReadOutcomes)
        assert again.readers == ["", ""]

    async def test_another_gateway_is_told_the_reader_with_the_state(self, history: Service) -> None:
        heard = await history.listening(SIGNALS)
        await history.fill(3)
        await history.do("PUT", "/rooms/general/read", "bob", {"offset": 2})
        await until(lambda: len(heard) == 1)
        await change(history, "bob", receipts=False)
        await history.do("PUT", "/rooms/general/read", "bob", {"offset": 3})
        await until(lambda: len(heard) == 2)
        states = [state for _, payload in heard for state in read_signal(payload).states]
        assert [state.reader for state in states] == ["bob", ""]


class TestPictures:
    async def test_a_new_picture_replaces_the_one_before(self, history: Service) -> None:
        assert await set_avatar(history, AVATAR) == ""
        assert (await person(history))["profile"] == {"avatar": AVATAR}
        assert await set_avatar(history, AVATAR) == ""
        assert await set_avatar(history, "e" * 32) == AVATAR
        assert await set_avatar(history, "") == "e" * 32
        assert await person(history) == {"username": "alice", "profile": {}, "version": 3}

    async def test_a_user_cannot_set_the_picture_as_a_text(self, history: Service) -> None:
        await change(history, avatar="made-up")
        assert (await history.get("/me")).json()["avatar"] == ""


class TestWhatIsTold:
    async def test_every_change_that_concerns_others_is_told_in_the_order_of_revisions(self, history: Service) -> None:
        heard = await history.listening(CONTROL)
        await change(history, bio="one", typing=False)
        await change(history, bio="one", writes="nobody")
        await change(history, presence="nobody")
        await set_avatar(history, AVATAR)
        told = await changes_told(history, heard)
        assert [(event.username, event.user_id, event.version, event.privacy) for event in told] == [
            ("alice", 1, 1, Privacy(typing=False)),
            ("alice", 1, 2, Privacy(presence=False, typing=False)),
            ("alice", 1, 3, Privacy(presence=False, typing=False)),
        ]
        first = told[0].revision
        assert [event.revision for event in told] == [first, first + 1, first + 2]

    async def test_a_gateway_that_missed_a_change_finds_it_with_the_memberships(self, history: Service) -> None:
        before = await history.ask("memberships", history_api.UserIds({1: "alice"}), history_api.MembershipSnapshot)
        await change(history, receipts=False)
        after = await history.ask("memberships", history_api.UserIds({1: "alice"}), history_api.MembershipSnapshot)
        assert (before.privacy, after.privacy) == ({}, {1: Privacy(receipts=False)})
        assert after.revision == before.revision + 1

    async def test_texts_of_profiles_are_not_logged(self, history: Service, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG", logger="chatterbox")
        await change(history, bio="very private words", status="other private words")
        await history.do("PATCH", "/me", "alice", {"display_name": "private name\n"})
        assert "private" not in caplog.text


async def test_an_unknown_caller_may_not_set_pictures(history: Service) -> None:
    async with internal_http.in_process(history.app, "another key") as http:
        answer = await http.post("/internal/avatar", json={"user_id": 1, "username": "alice", "avatar": AVATAR})
        assert code(answer) == (401, Code.SERVICE_KEY_INVALID)
