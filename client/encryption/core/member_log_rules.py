"""What a client makes of a member log: verifies and adds entries, and decides whose keys they vouch for. Pure.

An entry names the one before, so its signature covers the whole log up to it. A log that is held only grows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chatterbox.wire.encryption.device_keys import CrossSigningKey, matrix_user
from chatterbox.wire.encryption.member_log import (
    MemberEntry,
    MemberEntryKind,
    MemberLog,
    MemberLogError,
    NewcomerHistory,
    SignedMember,
    entry_hash,
)
from chatterbox.wire.encryption.signatures import SignatureError, verify_member_entry
from client.encryption.core.cross_signatures import signed_by
from client.encryption.core.known_keys import KnownKey
from client.encryption.core.trust import Trust


@dataclass(frozen=True, slots=True)
class HeldLog:
    """A member log, all of whose entries were verified."""

    log: MemberLog = field(default_factory=MemberLog)
    hashes: tuple[str, ...] = ()
    """Of all entries, in order."""

    @property
    def seq(self) -> int:
        return self.log.seq

    def hash_at(self, seq: int) -> str | None:
        """The hash of entry `seq`; None: the log does not reach that far."""
        return self.hashes[seq - 1] if 1 <= seq <= len(self.hashes) else None

    def has_had(self, user_id: int) -> bool:
        """Whether the user is a member, or was one."""
        return user_id in self.log.members or user_id in self.log.former


def with_entry(held: HeldLog, entry: MemberEntry) -> HeldLog:
    """The log with an entry that was verified before, or that this device signed. Raises `MemberLogError`."""
    log = held.log.with_entry(entry)
    return HeldLog(log, (*held.hashes, log.head))


def extended(held: HeldLog, entries: Iterable[MemberEntry], *, room: str, uid: str) -> HeldLog:
    """The log with entries that the server shows, which may repeat the last one that is held.

    Raises `MemberLogError` unless each one follows and is signed by its author, and the log is that of `room`.
    """
    log, hashes = held.log, list(held.hashes)
    for entry in entries:
        if entry.seq <= held.seq:
            if entry_hash(entry) != held.hash_at(entry.seq):
                raise MemberLogError("It contradicts the entries that were shown before.")
            continue
        log = log.with_entry(entry)
        try:
            verify_member_entry(entry)
        except SignatureError as problem:
            raise MemberLogError(f"It is not signed: {problem}.") from problem
        hashes.append(log.head)
    if log.seq and (log.room, log.uid) != (room, uid):
        raise MemberLogError("It is of another room.")
    return HeldLog(log, tuple(hashes))


def is_vouched_for(entries: Iterable[MemberEntry], known: Mapping[int, KnownKey]) -> bool:
    """Whether the entries of a log that is read first are by users as this device knows them, so no server made it up.

    One author is enough, since each signature covers all entries before. Where none of the authors is known, the log
    is believed as first keys are. An author whose new keys this user accepted without verifying them may be in it with
    the old ones.
    """
    authors = {entry.by for entry in entries}
    of_known = [(author, known[author.user_id]) for author in authors if author.user_id in known]
    return not of_known or any(
        author.master == key.master or (key.decided_ms > 0 and not key.verified) for author, key in of_known
    )


def member_trust(log_master: str, key: KnownKey) -> Trust:
    """How a member's devices count in a room whose log names `log_master`; CHANGED: they get no keys.

    A member who was invited, or invited again, with the keys that the server shows is as another member signed it: a
    change needs no second answer, unless this user verified the former keys. Keys that the log does not name count if
    this user verified or accepted them.
    """
    if key.shown == log_master:
        return Trust.SEEN if key.trust is Trust.CHANGED and not key.verified else key.trust
    return key.trust if key.decided_ms > 0 else Trust.CHANGED


def entry_after(
    held: HeldLog,
    kind: MemberEntryKind,
    by: SignedMember,
    self_signing: CrossSigningKey,
    seed: bytes,
    *,
    room: str,
    member: SignedMember | None = None,
    history: NewcomerHistory = NewcomerHistory.JOINING,
    nonce: str = "",
) -> MemberEntry:
    """The next entry of a log, signed with the self-signing key whose seed is `seed`.

    Raises `MemberLogError` if its author may not add it.
    """
    unsigned = MemberEntry(
        room=room,
        seq=held.seq + 1,
        kind=kind,
        by=by,
        self_signing=self_signing,
        signatures={},
        previous=held.log.head,
        member=member,
        history=history,
        nonce=nonce,
    )
    held.log.with_entry(unsigned)
    return signed_by(unsigned, matrix_user(by.user_id), seed)


def named_keys(entries: Sequence[MemberEntry]) -> dict[int, SignedMember]:
    """The users in entries, each with the keys that are named last."""
    named: dict[int, SignedMember] = {}
    for entry in entries:
        named.setdefault(entry.by.user_id, entry.by)
        if entry.member is not None:
            named[entry.member.user_id] = entry.member
    return named
