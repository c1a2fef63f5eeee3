"""Contract tests of member logs: what members try, in any order, and what is stored then."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox.wire.encryption.member_log import MemberEntry, MemberEntryKind, SignedMember, member_log
from chatterbox.wire.encryption.signatures import verify_member_entry
from chatterbox.wire.errors import ChatError, Code
from services.history.schema import SCHEMA
from tests.support.device_stores import sqlite_devices
from tests.support.encryption.signed_entries import EntrySigner, SignedLog
from tests.support.history import UNHURRIED, Clock

ROOM = "plans~"
NAMES = ("ada", "bob", "eve")
TRIES = st.tuples(
    st.sampled_from(["invite", "join", "remove", "leave", "leave_unsigned", "reset"]),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.integers(0, 2),
)
"""What is tried, by whom, about whom, and how many entries of the log the author does not hold."""
REFUSALS = {
    Code.MEMBER_LOG_STALE,
    Code.MEMBER_ENTRY_INVALID,
    Code.MEMBER_ENTRY_MISSING,
    Code.NOT_A_MEMBER,
    Code.NOT_THE_CREATOR,
    Code.ROOM_UNKNOWN,
    Code.USER_UNKNOWN,
    Code.BAD_REQUEST,
    Code.LAST_MEMBER,
}


@settings(max_examples=30, deadline=None)
@given(st.lists(TRIES, max_size=25))
def test_whatever_members_try_the_log_is_signed_and_without_gaps(tries: Sequence[tuple[str, str, str, int]]) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder), tries))


async def play(folder: Path, tries: Sequence[tuple[str, str, str, int]]) -> None:
    signers = {name: EntrySigner(number, name) for number, name in enumerate(NAMES, 1)}
    versions = dict.fromkeys(NAMES, 1)
    async with sqlite_devices(folder, UNHURRIED, Clock(), lambda _: None) as (devices, history):
        await history.enroll({signer.user_id: name for name, signer in signers.items()})
        for signer in signers.values():
            await devices.store_list(signer.user, signer.device_list())
        first = SignedLog(ROOM).create(signers["ada"])
        room = await history.create(ROOM, signers["ada"].user, private=True, entry=first)
        held: list[MemberEntry] = [first]
        for kind, by, about, behind in tries:
            author, other = signers[by], signers[about]
            log = SignedLog(ROOM, held[: max(1, len(held) - behind)])
            try:
                if kind == "invite":
                    await history.invite(ROOM, author.user, other.user, log.invite(author, other))
                elif kind == "remove":
                    named = logged(held, other)
                    entry = log.next(author, kind=MemberEntryKind.REMOVE, member=named)
                    await history.remove_member(ROOM, author.user, about, entry)
                elif kind == "leave":
                    await history.leave(ROOM, author.user, delete=False, entry=log.leave(author))
                elif kind == "leave_unsigned":
                    await history.leave(ROOM, author.user, delete=False)
                elif kind == "join":
                    await history.join(ROOM, author.user)
                else:
                    versions[by] += 1
                    signers[by] = author.reset()
                    await devices.store_list(author.user, signers[by].device_list(versions[by], reset=True))
            except ChatError as problem:
                if problem.code not in REFUSALS:
                    raise
            held = stored(folder)
            folded = member_log(held)  # raises unless each follows from those before
            assert folded.uid == room.uid
            for each in held:
                verify_member_entry(each)
            members = await history.members(room.room_id)
            assert set(members) <= {member.username for member in folded.members.values()}
    with closing(sqlite3.connect(folder / "history.sqlite")) as db:
        assert db.execute(SCHEMA.violations).fetchall() == []


def logged(entries: Sequence[MemberEntry], user: EntrySigner) -> SignedMember:
    """The user as the log names them."""
    return member_log(entries).members.get(user.user_id, user.member)


def stored(folder: Path) -> list[MemberEntry]:
    with closing(sqlite3.connect(folder / "history.sqlite")) as db:
        rows = db.execute("SELECT entry FROM member_log ORDER BY seq").fetchall()
    return [msgspec.json.decode(text, type=MemberEntry) for (text,) in rows]
