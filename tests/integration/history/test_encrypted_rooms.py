"""Encrypted direct conversations in history: which one is opened, and what they take."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from typing import Any

import pytest

from chatterbox.wire import history_api
from chatterbox.wire.broker_events import CONTROL, MembershipChanged, RecipientsChanged, decode_control
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import Append, MessageDeletion, MessageEdit, MessagePin, MessageReaction
from services.history.encryption import recipient_versions
from services.history.erasure import log_erasure
from services.history.schema import SCHEMA
from tests.support.device_rows import envelope, session_id
from tests.support.history import Clock, Service, Start, code, until
from tests.support.inbox_site import SESSION, InboxSite, to
from tests.support.waiting import MOST_S
from tests.support.waiting import until as until_within

ENCRYPTED, PLAIN = "@ada~bob", "@ada+bob"


@pytest.fixture
async def site(start: Start, clock: Clock) -> AsyncIterator[InboxSite]:
    async with start(encryption=EncryptionPolicy.ALLOWED) as history:
        site = InboxSite(history, history.app.context.device_messages._store, clock)
        await site.begin()
        await site.share(to(site.b1), to(site.b2))
        yield site


async def open_direct(history: Service, encrypted: bool | None = None, user: str = "ada") -> dict[str, Any]:
    body = {"username": "bob" if user == "ada" else "ada"} | ({} if encrypted is None else {"encrypted": encrypted})
    answer = await history.do("POST", "/directs", user, body)
    assert answer.status_code == 200, answer.text
    opened: dict[str, Any] = answer.json()
    return opened


async def refusal(history: Service, encrypted: bool | None = None) -> str:
    body = {"username": "bob"} | ({} if encrypted is None else {"encrypted": encrypted})
    answer = await history.do("POST", "/directs", "ada", body)
    return code(answer)[1]


async def say(history: Service, room: str, content: str = "hi", **more: Any) -> str:
    """How sending a message by HTTP ended."""
    answer = await history.do("POST", "/messages", "ada", {"room": room, "content": content, **more})
    return "stored" if answer.status_code == 201 else code(answer)[1]


class TestPolicy:
    async def test_the_policy_decides_which_conversation_is_begun(self, start: Start) -> None:
        for policy, room in ((EncryptionPolicy.ALLOWED, PLAIN), (EncryptionPolicy.DIRECT, ENCRYPTED)):
            async with start(encryption=policy) as history:
                await history.greet("ada", "bob")
                assert (await open_direct(history))["room"] == room
                assert (await open_direct(history, user="bob"))["room"] == room

    async def test_without_encryption_none_is_begun_but_an_earlier_one_is_opened(self, start: Start) -> None:
        async with start(encryption=EncryptionPolicy.OFF) as history:
            await history.greet("ada", "bob")
            assert await refusal(history, encrypted=True) == Code.ENCRYPTION_OFF
        async with start(encryption=EncryptionPolicy.ALLOWED) as history:
            opened = await open_direct(history, encrypted=True)
        async with start(encryption=EncryptionPolicy.OFF) as history:
            assert await open_direct(history, encrypted=True) == opened
            assert (await open_direct(history))["room"] == PLAIN

    async def test_where_direct_ones_are_encrypted_an_earlier_plain_one_takes_no_messages(self, start: Start) -> None:
        async with start(encryption=EncryptionPolicy.ALLOWED) as history:
            await history.greet("ada", "bob")
            assert await say(history, PLAIN) == "stored"
        async with start(encryption=EncryptionPolicy.DIRECT) as history:
            assert (await open_direct(history, encrypted=False))["room"] == PLAIN
            assert (await history.get(f"/messages?room={PLAIN}", "ada")).json()[0]["content"] == "hi"
            assert await say(history, PLAIN) == Code.ENCRYPTION_REQUIRED
            path = f"/rooms/{PLAIN}/messages/1"
            edited = await history.do("PUT", path, "ada", {"content": "other"})
            assert code(edited) == (409, Code.ENCRYPTION_REQUIRED)
            assert (await history.do("PUT", f"{path}/reactions/👍", "bob")).status_code == 204
            assert (await history.do("DELETE", path, "ada")).status_code == 204
            history.auth.token("eve")
            assert code(await history.do("POST", "/messages", "ada", {"room": "@ada+eve", "content": "hi"})) == (
                409, Code.ENCRYPTION_REQUIRED,
            )  # fmt: skip


class TestRoom:
    async def test_both_conversations_exist_beside_each_other(self, site: InboxSite) -> None:
        history = site.history
        plain, encrypted = await open_direct(history, encrypted=False), await open_direct(history, encrypted=True)
        assert (plain["room"], encrypted["room"]) == (PLAIN, ENCRYPTED)
        assert "encrypted" not in plain
        assert (encrypted["encrypted"], len(encrypted["uid"])) == (True, 22)
        listed = {room["room"]: room for room in (await history.get("/rooms", "bob")).json()}
        assert (listed[ENCRYPTED]["encrypted"], listed[ENCRYPTED]["uid"]) == (True, encrypted["uid"])
        assert "encrypted" not in listed[PLAIN]
        details = (await history.get(f"/rooms/{ENCRYPTED}", "bob")).json()
        assert (details["encrypted"], details["uid"]) == (True, encrypted["uid"])
        rows = site.rows("SELECT direct FROM memberships WHERE direct ORDER BY room_id")
        assert rows == [(3,), (3,), (1,), (1,)]

    async def test_members_and_gateways_are_told_that_it_is_encrypted(self, start: Start) -> None:
        async with start(encryption=EncryptionPolicy.ALLOWED) as history:
            await history.greet("ada", "bob")
            heard = await history.listening(CONTROL)
            opened = await open_direct(history, encrypted=True)
            await until(lambda: len(heard) == 2)
            for _, payload in heard:
                event = decode_control(payload)
                assert isinstance(event, MembershipChanged)
                assert (event.room, event.encrypted, event.uid) == (ENCRYPTED, True, opened["uid"])
            users = history_api.UserIds({history.auth.names["bob"]: "bob"})
            snapshot = await history.ask("memberships", users, history_api.MembershipSnapshot)
            told = {room.room: (room.encrypted, room.uid) for room in snapshot.rooms}
            assert told == {"general": (False, ""), ENCRYPTED: (True, opened["uid"])}

    async def test_a_blocked_user_can_neither_begin_one_nor_write_in_it(self, site: InboxSite) -> None:
        assert (await site.history.do("PUT", "/blocks/ada", "bob")).is_success
        assert await site.say() == Code.DIRECT_REFUSED
        site.history.auth.token("eve")
        assert (await site.history.do("PUT", "/blocks/ada", "eve")).is_success
        answer = await site.history.do("POST", "/directs", "ada", {"username": "eve", "encrypted": True})
        assert code(answer)[1] == Code.DIRECT_REFUSED

    async def test_it_counts_as_a_conversation_and_not_as_a_room(self, site: InboxSite) -> None:
        unread = (await site.history.get("/unread?all=true", "bob")).json()
        assert [room["room"] for room in unread] == [ENCRYPTED, "general"]
        await site.say()
        [state] = (await site.history.get("/unread", "bob")).json()
        assert (state["room"], state["unread"], state["mentions"]) == (ENCRYPTED, 1, 1)


class TestMessages:
    async def test_an_envelope_for_the_present_recipients_is_stored_and_shown(self, site: InboxSite) -> None:
        content = envelope(site.a1.device, SESSION, "YQ")
        assert await say(site.history, ENCRYPTED, content, recipients=site.version) == "stored"
        [message] = (await site.history.get(f"/messages?room={ENCRYPTED}", "bob")).json()
        assert message["content"] == content

    async def test_plain_text_is_refused(self, site: InboxSite) -> None:
        assert await say(site.history, ENCRYPTED) == Code.ROOM_ENCRYPTED
        assert await say(site.history, "@ada~eve") == Code.ROOM_ENCRYPTED
        assert site.rows("SELECT name FROM rooms WHERE name = '@ada~eve'") == []

    async def test_a_malformed_envelope_is_refused(self, site: InboxSite) -> None:
        for content in ("hi", "e1.x.y.z", envelope(site.a1.device, SESSION, "x" * 24_576)[:24_577], "@bob"):
            [outcome] = await site.history.append(
                Append(site.room.room_id, site.ada.user_id, "ada", content, "", recipients=site.version)
            )
            assert isinstance(outcome, history_api.AppendRefused)
            assert outcome.code == Code.ENVELOPE_INVALID

    async def test_an_envelope_in_a_plain_room_is_refused(self, site: InboxSite) -> None:
        content = envelope(site.a1.device, SESSION)
        assert await say(site.history, "general", content, recipients=1) == Code.ROOM_NOT_ENCRYPTED
        assert await say(site.history, PLAIN, content, recipients=1) == Code.ROOM_NOT_ENCRYPTED

    async def test_only_the_device_that_has_the_session_can_use_it(self, site: InboxSite) -> None:
        version = site.version
        for user, device in (("bob", site.b1.device), ("bob", site.a1.device), ("ada", "AAAAAAAAA7")):
            content = envelope(device, SESSION)
            message = Append(site.room.room_id, site.history.auth.names[user], user, content, "", recipients=version)
            [outcome] = await site.history.append(message)
            assert isinstance(outcome, history_api.AppendRefused)
            assert outcome.code == Code.RECIPIENTS_STALE
        for state in ("ended", "pending", "removed", "asleep"):
            await site.write("UPDATE devices SET state = ? WHERE id = ?", state, site.a1.number)
            assert await site.say() == Code.RECIPIENTS_STALE

    async def test_after_a_change_of_recipients_the_same_bytes_are_acked_and_new_ones_refused(
        self, site: InboxSite
    ) -> None:
        version = site.version
        assert await site.say(key="k1") == "stored"
        await change_recipients(site)
        assert await site.say(recipients=version, key="k1") == "stored"
        assert await site.say(recipients=version, key="k2") == Code.RECIPIENTS_STALE
        assert await site.say(recipients=site.version, key="k2") == Code.RECIPIENTS_STALE
        assert await site.share() == 0
        assert await site.say(key="k2") == "stored"
        assert site.rows("SELECT head FROM rooms WHERE id = ?", site.room.room_id) == [(2,)]

    async def test_a_batch_judges_each_message_alone(self, site: InboxSite) -> None:
        version, room, ada = site.version, site.room.room_id, site.ada.user_id
        outcomes = await site.history.append(
            Append(room, ada, "ada", envelope(site.a1.device, SESSION), "k1", recipients=version),
            Append(1, ada, "ada", "hello", "k2"),
            Append(room, ada, "ada", envelope(site.a1.device, session_id(2)), "k3", recipients=version),
            Append(room, ada, "ada", "hello", "k4"),
            Append(room, ada, "ada", envelope(site.a1.device, SESSION), "k5", recipients=version + 1),
            Append(room, ada, "ada", envelope(site.a1.device, SESSION), "k6", recipients=version),
        )
        codes = [getattr(outcome, "code", "stored") for outcome in outcomes]
        assert codes == [
            "stored", "stored", Code.RECIPIENTS_STALE, Code.ROOM_ENCRYPTED, Code.RECIPIENTS_STALE, "stored",
        ]  # fmt: skip

    async def test_no_part_of_an_envelope_counts_as_a_mention(self, site: InboxSite) -> None:
        await site.say()
        assert site.rows("SELECT * FROM mentions") == site.rows("SELECT * FROM calls") == []


async def change_recipients(site: InboxSite, *, lost: bool = False) -> None:
    store = site._writer
    await store.change(lambda transaction: recipient_versions.note_change(transaction, site.bob.user_id, lost=lost))


async def changed(site: InboxSite, *changes: history_api.AnyMessageChange) -> list[str]:
    answer = await site.history.append_batch((), changes)
    return [getattr(outcome, "code", "stored") for outcome in answer.change_outcomes]


class TestChanges:
    @pytest.fixture
    def of_ada(self, site: InboxSite) -> dict[str, Any]:
        return {"room_id": site.room.room_id, "user_id": site.ada.user_id, "username": "ada", "offset": 1}

    @pytest.fixture
    async def sealed(self, site: InboxSite) -> Callable[[str], str]:
        await site.say()
        return lambda body: envelope(site.a1.device, SESSION, body)

    async def test_an_edit_passes_the_same_check(
        self, site: InboxSite, of_ada: dict[str, Any], sealed: Callable[[str], str]
    ) -> None:
        version = site.version
        edit = MessageEdit(**of_ada, content=sealed("b25l"), recipients=version)
        assert await changed(site, MessageEdit(**of_ada, content="plain")) == [Code.ROOM_ENCRYPTED]
        assert await changed(site, MessageEdit(**of_ada, content="e1", recipients=version)) == [Code.ENVELOPE_INVALID]
        assert await changed(site, edit) == ["stored"]
        await change_recipients(site)
        assert await changed(site, edit) == ["stored"]  # a retry
        other = MessageEdit(**of_ada, content=sealed("dHdv"), recipients=version)
        assert await changed(site, other) == [Code.RECIPIENTS_STALE]

    async def test_all_reactions_of_a_user_are_one_envelope(
        self, site: InboxSite, of_ada: dict[str, Any], sealed: Callable[[str], str]
    ) -> None:
        version = site.version

        def reaction(body: str) -> MessageReaction:
            return MessageReaction(**of_ada, emoji="", envelope=sealed(body), recipients=version)

        assert await changed(site, reaction("b25l"), reaction("dHdv")) == ["stored", "stored"]
        [message] = (await site.history.get(f"/messages?room={ENCRYPTED}", "bob")).json()
        assert message["reactions"] == [{"emoji": "", "n": 1, "by": ["ada"], "envelope": sealed("dHdv")}]
        path = f"/rooms/{ENCRYPTED}/messages/1/reactions"
        assert (await site.history.get(path, "bob")).json()[0]["envelope"] == sealed("dHdv")
        mine = await site.history.get(f"/rooms/{ENCRYPTED}/messages/reactions/mine?from=1&to=1", "ada")
        assert mine.json() == []
        assert await changed(site, reaction("x" * 1000)) == [Code.ENVELOPE_INVALID]
        await change_recipients(site)
        assert await changed(site, reaction("dHdv"), reaction("b25l")) == ["stored", Code.RECIPIENTS_STALE]
        emoji = MessageReaction(**of_ada, emoji="👍")
        assert await changed(site, emoji) == [Code.ROOM_ENCRYPTED]
        take_back = MessageReaction(**of_ada, emoji="", remove=True)
        assert await changed(site, take_back, take_back) == ["stored", "stored"]
        assert site.rows("SELECT * FROM reactions") == []
        assert site.rows("SELECT marks FROM messages") == [(None,)]

    async def test_reactions_by_http(self, site: InboxSite, sealed: Callable[[str], str]) -> None:
        path = f"/rooms/{ENCRYPTED}/messages/1/reactions"
        body = {"envelope": sealed("b25l"), "recipients": site.version}
        assert (await site.history.do("PUT", path, "ada", body)).status_code == 204
        assert code(await site.history.do("PUT", f"{path}/👍", "ada")) == (409, Code.ROOM_ENCRYPTED)
        assert (await site.history.do("DELETE", path, "ada")).status_code == 204
        [message] = (await site.history.get(f"/messages?room={ENCRYPTED}", "bob")).json()
        assert "reactions" not in message
        plain = await site.history.do("PUT", "/rooms/general/messages/1/reactions", "ada", body)
        assert code(plain)[1] in {Code.MESSAGE_UNKNOWN, Code.ROOM_NOT_ENCRYPTED}

    async def test_edits_by_http(self, site: InboxSite, sealed: Callable[[str], str]) -> None:
        path = f"/rooms/{ENCRYPTED}/messages/1"
        body = {"content": sealed("b25l"), "recipients": site.version}
        edited = await site.history.do("PUT", path, "ada", body)
        assert (edited.status_code, edited.json()["content"]) == (200, sealed("b25l"))
        stale = await site.history.do("PUT", path, "ada", body | {"content": sealed("dHdv"), "recipients": 99})
        assert code(stale) == (409, Code.RECIPIENTS_STALE)

    async def test_pins_and_deletions_need_no_envelope(
        self, site: InboxSite, of_ada: dict[str, Any], sealed: Callable[[str], str]
    ) -> None:
        assert await changed(site, MessagePin(**of_ada), MessageDeletion(**of_ada)) == ["stored", "stored"]
        [message] = (await site.history.get(f"/messages?room={ENCRYPTED}", "bob")).json()
        assert (message["content"], message["deleted"]) == ("", True)

    async def test_erased_envelopes_are_in_no_file_soon_after(
        self,
        site: InboxSite,
        of_ada: dict[str, Any],
        sealed: Callable[[str], str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(log_erasure, "DELAY_S", 0.05)
        version = site.version
        gone = [sealed(f"Y2FuYXJ5{n}" + "x" * 900) for n in range(3)]
        reactions = [
            MessageReaction(**of_ada, emoji="", envelope=text, recipients=version) for text in (gone[0], sealed("b3Ro"))
        ]
        edits = [MessageEdit(**of_ada, content=text, recipients=version) for text in (gone[1], gone[2])]
        assert await changed(site, *reactions, *edits, MessageDeletion(**of_ada)) == ["stored"] * 5
        folder = site.history.settings.data
        await until_within(
            lambda: not [p for p in folder.iterdir() if p.is_file() and b"Y2FuYXJ5" in p.read_bytes()], MOST_S
        )


class TestRecipientVersions:
    async def test_a_change_counts_in_the_users_encrypted_rooms_only(self, site: InboxSite) -> None:
        before = site.version
        await open_direct(site.history, encrypted=False)
        await change_recipients(site)
        query = "SELECT recipients, closed_at FROM rooms ORDER BY id"
        assert site.rows(query) == [(0, 0), (before + 1, 0), (0, 0)]
        await change_recipients(site, lost=True)
        assert site.rows(query) == [(0, 0), (before + 2, before + 2), (0, 0)]
        told = [signal for signal in await site.signals(3) if isinstance(signal, RecipientsChanged)]
        assert [signal.versions for signal in told] == [
            [(site.room.room_id, before + 1)], [(site.room.room_id, before + 2)],
        ]  # fmt: skip

    async def test_a_member_who_leaves_an_encrypted_room_closes_its_sessions(self, site: InboxSite) -> None:
        assert (await site.history.do("POST", "/rooms", "ada", {"room": "plans", "private": True})).is_success
        await site.write("UPDATE rooms SET encrypted = 1, uid = 'u', recipients = 1 WHERE name = 'plans'")
        await site.write(
            "UPDATE memberships SET direct = 2 WHERE room_id = (SELECT id FROM rooms WHERE name = 'plans')"
        )
        query = "SELECT recipients, closed_at FROM rooms WHERE name = 'plans'"
        await site.history.invite("plans", "ada", "bob")
        assert site.rows(query) == [(2, 0)]
        assert site.rows("SELECT direct FROM memberships WHERE user_id = ? ORDER BY room_id", site.bob.user_id)[-1] == (
            2,
        )
        assert (await site.history.do("DELETE", "/rooms/plans/members/bob", "ada")).status_code == 204
        assert site.rows(query) == [(3, 3)]

    async def test_a_change_that_fails_tells_nothing(self, site: InboxSite) -> None:
        async def fail(transaction: Any) -> None:
            await recipient_versions.note_change(transaction, site.bob.user_id, lost=False)
            raise ChatError(Code.BAD_REQUEST)

        heard, version = len(site.heard), site.version
        with pytest.raises(ChatError):
            await site._writer.change(fail)
        await change_recipients(site)
        await until(lambda: len(site.heard) == heard + 1)
        assert site.version == version + 1


class TestMetrics:
    async def test_to_device_messages_are_counted(self, site: InboxSite) -> None:
        history = site.history.app.context.device_messages
        call = history_api.ToDeviceCall(
            user_id=site.ada.user_id,
            username="ada",
            sid=site.a1.sid,
            device=site.a1.device,
            messages=(to(site.b1, 2), to(site.b1, 3)),
        )
        await history.send(call)
        metrics = (await site.history.public.get("/metrics")).text
        assert "chatterbox_history_to_device_messages_total 2.0" in metrics


class TestRoomEnd:
    async def test_sessions_and_records_of_a_deleted_room_are_deleted(self, site: InboxSite) -> None:
        await site.say()
        await site.history.app.context.history.delete_any_room(ENCRYPTED)
        await until_within(lambda: site.rows("SELECT 1 FROM messages") == [], MOST_S)
        await until_within(lambda: site.rows("SELECT 1 FROM rooms WHERE deleted_ms IS NOT NULL") == [], MOST_S)
        assert site.rows("SELECT 1 FROM room_sessions") == site.rows("SELECT 1 FROM session_shares") == []


class TestImpossibleStates:
    @pytest.mark.parametrize(
        "damage",
        [
            "UPDATE rooms SET uid = '' WHERE encrypted",
            "UPDATE rooms SET closed_at = recipients + 1 WHERE encrypted",
            "UPDATE room_sessions SET recipients = 99",
            "UPDATE room_sessions SET began_at = 99",
            "UPDATE devices SET inbox_head = inbox_head + 1 WHERE inbox_head > 0",
            "UPDATE devices SET inbox_floor = inbox_floor + 1 WHERE inbox_head > 1",
            "DELETE FROM to_device WHERE offset = 1",
        ],
    )
    async def test_a_database_that_contradicts_itself_is_found_damaged_at_the_start(
        self, site: InboxSite, damage: str
    ) -> None:
        await self._fill(site)
        assert self._violations(site, SCHEMA.end_violations, damage)
        assert self._violations(site, SCHEMA.violations, damage)

    @pytest.mark.parametrize(
        "damage",
        [
            "DELETE FROM to_device WHERE offset = 2 AND device = (SELECT max(device) FROM to_device)",
            "UPDATE to_device_counts SET waiting = 0",
            "UPDATE memberships SET direct = 1 WHERE direct = 3",
        ],
    )
    async def test_wrong_counts_are_found_by_the_check_of_the_whole_database(
        self, site: InboxSite, damage: str
    ) -> None:
        await self._fill(site)
        assert self._violations(site, SCHEMA.violations, damage)

    async def test_what_history_stores_is_possible(self, site: InboxSite) -> None:
        await self._fill(site)
        await site.take(site.b1, 1)
        assert not self._violations(site, SCHEMA.end_violations)
        assert not self._violations(site, SCHEMA.violations)

    async def _fill(self, site: InboxSite) -> None:
        await site.send(*(to(site.b1, n) for n in (2, 3)))
        await site.send(*(to(site.b2, n) for n in (2, 3)))
        await site.say()

    def _violations(self, site: InboxSite, query: str, damage: str = "") -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(":memory:")) as db:
            with closing(sqlite3.connect(site.history.settings.database)) as source:
                source.backup(db)
            db.executescript(damage)
            return db.execute(query).fetchall()
