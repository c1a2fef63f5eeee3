"""An encrypted room at the model of a server, which can lie about its members."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from chatterbox.wire.encryption.device_keys import UserKeys, matrix_user
from chatterbox.wire.encryption.member_log import (
    MAX_MEMBER_ENTRIES,
    MemberEntry,
    MemberEntryKind,
    MemberLog,
    MemberLogError,
    NewcomerHistory,
    SignedMember,
    entry_hash,
    member_log,
)
from chatterbox.wire.frames import CreateRoom, Invite, Leave, Remove
from chatterbox.wire.frames.encryption import DeviceAddress, ReadRecipients, Recipients
from client.encryption.core.cross_signatures import public_key, signed_by
from client.encryption.core.member_log_rules import HeldLog, extended
from client.encryption.message_encryption import EncryptedRoom
from client.failures import Failure
from tests.support.encryption_model import ModelDevice, ModelServer, ModelUser

ROOM = "plans~"


class RoomModel(ModelServer):
    """A server with one encrypted room. Members are those of the log, and whom the server adds by itself."""

    def __init__(self, folder: Path, *names: str) -> None:
        super().__init__(folder, *names)
        self.entries: list[MemberEntry] = []
        self.added: set[str] = set()
        """Members whom no entry names."""
        self.is_restored = False
        self.page = MAX_MEMBER_ENTRIES

    def present(self) -> set[str]:
        log = MemberLog()
        with suppress(MemberLogError):  # a forged entry: the server shows it
            for entry in self.entries:
                log = log.with_entry(entry)
        return {member.username for member in log.members.values()} | self.added

    def devices(self) -> list[DeviceAddress]:
        present = self.present()
        return [each for each in super().devices() if each.username in present]

    def _recipients(self, command: ReadRecipients) -> Recipients:
        shown = super()._recipients(command)
        present = self.present()
        return msgspec.structs.replace(
            shown,
            lists=[keys for keys in shown.lists if keys.username in present],
            without=tuple(name for name in shown.without if name in present),
            entries=tuple(self.entries[command.after : command.after + self.page]),
            log=len(self.entries),
        )

    def take_back(self, entries: Sequence[MemberEntry]) -> None:
        if not self.is_restored:
            raise Failure("The server was not restored.")
        held = extended(HeldLog(), self.entries, room=ROOM, uid=self.room.uid)
        extended(held, entries, room=ROOM, uid=self.room.uid)
        self.entries += entries
        self.changed(lost=True)

    def store_entry(self, entry: MemberEntry) -> None:
        self.entries.append(entry)
        self.changed(lost=entry.kind is MemberEntryKind.REMOVE)

    # what members do

    async def create(self, by: ModelDevice, history: NewcomerHistory = NewcomerHistory.JOINING) -> None:
        signed = await by.encryption.sign(CreateRoom(id=1, room=ROOM, private=True), None, history=history)
        assert isinstance(signed, CreateRoom)
        assert isinstance(signed.entry, MemberEntry)
        self.store_entry(signed.entry)
        self.room = EncryptedRoom(ROOM, entry_hash(signed.entry))

    async def invite(self, by: ModelDevice, username: str) -> None:
        await self.change(by, Invite(id=1, room=ROOM, username=username))

    async def remove_user(self, by: ModelDevice, username: str) -> None:
        await self.change(by, Remove(id=1, room=ROOM, username=username))

    async def leave(self, by: ModelDevice) -> None:
        await self.change(by, Leave(id=1, room=ROOM))

    async def change(self, by: ModelDevice, command: Invite | Remove | Leave) -> None:
        signed = await by.encryption.sign(command, self.room)
        assert not isinstance(signed, CreateRoom)
        entry = getattr(signed, "entry", None)
        assert isinstance(entry, MemberEntry)
        self.store_entry(entry)

    # what the server does by itself

    def add_ghost(self, username: str) -> None:
        """The server makes a member of a user whom nobody invited."""
        self.added.add(username)
        self.changed()

    def forge(self, by: ModelUser, kind: MemberEntryKind, member: ModelUser | None = None, *, after: int = -1) -> None:
        """An entry with these keys, in place of those after entry `after`."""
        if after >= 0:
            del self.entries[after:]
        log = member_log(self.entries)
        unsigned = MemberEntry(
            room=ROOM,
            seq=log.seq + 1,
            kind=kind,
            by=named(by),
            self_signing=(by.shown or by.sign()).self_signing,
            signatures={},
            previous=log.head,
            member=named(member) if member else None,
            nonce="" if log.seq else "n" * 22,
        )
        entry = signed_by(unsigned, matrix_user(by.user_id), by.self_signing)
        self.entries.append(entry)
        self.changed()


def named(user: ModelUser) -> SignedMember:
    """A user as entries name them."""
    return SignedMember(user_id=user.user_id, username=user.username, master=public_key(user.master))


def other_keys(user: ModelUser) -> UserKeys:
    """New keys of a user, which the server shows from now on, without any device."""
    fresh = ModelUser(user.user_id, user.username)
    user.master, user.self_signing = fresh.master, fresh.self_signing
    return user.sign()
