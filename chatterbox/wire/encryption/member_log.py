"""The member log of an encrypted room: how it was created, and who was invited and removed, signed by members. Pure.

Each entry names the hash of the one before, so that all members have the same log, and only a member can add a
user who gets keys. The uid of a room is the hash of its first entry. Signatures are checked in `signatures`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, assert_never

import msgspec
from msgspec import Meta

from chatterbox.wire.encryption.device_keys import CrossSigningKey, Signatures, signed_part
from chatterbox.wire.encryption.envelope import to_base64url
from chatterbox.wire.position import Whole

MAX_MEMBER_ENTRIES = 200
"""Entries in one reply."""
MIN_NONCE_CHARS = 22


class MemberEntryKind(StrEnum):
    """What an entry says."""

    CREATE = "create"
    """The first entry: `by` created the room, and is its first member."""
    INVITE = "invite"
    """`member` may join, and get keys. Of a present member: that these are the user's keys now."""
    REMOVE = "remove"
    """`member` gets no more keys: the creator removed them, or they left."""


class NewcomerHistory(StrEnum):
    """What new members of a room can read."""

    JOINING = "joining"
    """Messages from their joining on."""
    ALL = "all"
    """All that the member can read who invites them."""


class SignedMember(msgspec.Struct, frozen=True, kw_only=True):
    """A user, as an entry names them."""

    user_id: Whole
    username: Annotated[str, Meta(max_length=64)]
    master: Annotated[str, Meta(max_length=64)]
    """The public half of the user's master key."""


class MemberEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of the member log, signed by the self-signing key of `by`, which the master key of `by` signed."""

    room: Annotated[str, Meta(max_length=64)]
    """The name of the room."""
    seq: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    """The place in the log: 1, 2, 3 …"""
    kind: MemberEntryKind
    by: SignedMember
    self_signing: CrossSigningKey
    signatures: Signatures
    previous: Annotated[str, Meta(max_length=64)] = ""
    """The hash of the entry before; empty in the first."""
    member: SignedMember | None = None
    """Who is invited or removed."""
    history: NewcomerHistory = NewcomerHistory.JOINING
    """In the first entry."""
    nonce: Annotated[str, Meta(max_length=64)] = ""
    """In the first entry: at least 16 random bytes in base64url, so that no two rooms have the same uid."""


class MemberLogError(ValueError):
    """An entry does not follow from those before it; the text says why."""


def entry_hash(entry: MemberEntry) -> str:
    """The hash of an entry: SHA-256 of what is signed, in base64url."""
    return to_base64url(hashlib.sha256(signed_part(entry)).digest())


@dataclass(frozen=True, slots=True)
class MemberLog:
    """What a member log says as of its last entry. Whether the entries are signed is another question."""

    room: str = ""
    uid: str = ""
    seq: int = 0
    head: str = ""
    """The hash of the last entry."""
    history: NewcomerHistory = NewcomerHistory.JOINING
    creator: int = 0
    """User id."""
    members: Mapping[int, SignedMember] = field(default_factory=dict)
    """By user id, who may get keys: those who were invited, whether they joined or not, and not removed since."""
    former: frozenset[int] = frozenset()
    """Users who were in `members` and are not any more."""

    def with_entry(self, entry: MemberEntry) -> "MemberLog":
        """The log with one more entry. Raises `MemberLogError` if the entry can't follow."""
        if entry.seq != self.seq + 1 or entry.previous != self.head:
            raise MemberLogError("It does not follow the last entry of the room's member log.")
        if entry.kind is MemberEntryKind.CREATE:
            return self._created(entry)
        if not self.seq:
            raise MemberLogError("A member log begins with the creation of the room.")
        if entry.room != self.room:
            raise MemberLogError("It is of another room.")
        if entry.member is None or entry.history is not NewcomerHistory.JOINING or entry.nonce:
            raise MemberLogError("It must name a member, and nothing of a first entry.")
        if self.members.get(entry.by.user_id) != entry.by:
            raise MemberLogError("Its author is no member of the room, or has other keys than the log has.")
        match entry.kind:
            case MemberEntryKind.INVITE:
                members, former = self._invited(entry.by, entry.member)
            case MemberEntryKind.REMOVE:
                members, former = self._removed(entry.by, entry.member)
            case _:
                assert_never(entry.kind)
        return replace(self, seq=entry.seq, head=entry_hash(entry), members=members, former=former)

    def _created(self, entry: MemberEntry) -> "MemberLog":
        if self.seq:
            raise MemberLogError("The room was created before.")
        if entry.member is not None or len(entry.nonce) < MIN_NONCE_CHARS:
            raise MemberLogError("A first entry names no member, and has a nonce of 16 random bytes.")
        uid = entry_hash(entry)
        return MemberLog(
            room=entry.room,
            uid=uid,
            seq=1,
            head=uid,
            history=entry.history,
            creator=entry.by.user_id,
            members={entry.by.user_id: entry.by},
        )

    def _invited(self, by: SignedMember, member: SignedMember) -> tuple[dict[int, SignedMember], frozenset[int]]:
        """The present and the former members then."""
        if member.user_id == by.user_id:
            raise MemberLogError("Members can't invite themselves.")
        return {**self.members, member.user_id: member}, self.former - {member.user_id}

    def _removed(self, by: SignedMember, member: SignedMember) -> tuple[dict[int, SignedMember], frozenset[int]]:
        """The present and the former members then."""
        if by.user_id not in {self.creator, member.user_id}:
            raise MemberLogError("Only the creator of the room can remove others.")
        if self.members.get(member.user_id) != member:
            raise MemberLogError("The user who is removed is no member, or has other keys than the log has.")
        members = {user_id: each for user_id, each in self.members.items() if user_id != member.user_id}
        return members, self.former | {member.user_id}


def member_log(entries: Iterable[MemberEntry]) -> MemberLog:
    """What these entries say, from the first one on; raises `MemberLogError`."""
    log = MemberLog()
    for entry in entries:
        log = log.with_entry(entry)
    return log
