"""Entries of member logs, signed with real keys: an implementation of its own, to be compared with the client's."""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption.device_keys import CrossSigningKey, DeviceList, matrix_user, signed_part
from chatterbox.wire.encryption.envelope import to_base64url
from chatterbox.wire.encryption.key_api import DeviceListUpload
from chatterbox.wire.encryption.member_log import MemberEntry, MemberEntryKind, NewcomerHistory, SignedMember
from tests.support.encryption.model_device import ModelUser, public_key, standard_base64
from tests.support.key_user import KeyUser
from tests.support.olm_device import OlmUser


@dataclass
class EntrySigner:
    """A user with a master key and a self-signing key, who signs entries."""

    user_id: int
    username: str
    master_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    self_signing_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @classmethod
    def of(cls, user: KeyUser | ModelUser | OlmUser) -> "EntrySigner":
        """One with the keys of a user of other tests."""
        if isinstance(user, OlmUser):
            return cls(user.user_id, user.username, user.master, user.self_signing)
        if isinstance(user, ModelUser):
            return cls(user.user_id, user.username, user._master, user._self_signing)
        seeds = map(Ed25519PrivateKey.from_private_bytes, (user.master_seed, user.self_signing_seed))
        return cls(user.user.user_id, user.user.username, *seeds)

    @property
    def user(self) -> UserInfo:
        return UserInfo(self.user_id, self.username)

    @property
    def member(self) -> SignedMember:
        """The user as entries name them."""
        return SignedMember(user_id=self.user_id, username=self.username, master=public_key(self.master_key))

    @property
    def master(self) -> CrossSigningKey:
        return self._cross_signing("master", self.master_key)

    @property
    def self_signing(self) -> CrossSigningKey:
        key = self._cross_signing("self_signing", self.self_signing_key)
        return msgspec.structs.replace(key, signatures=self._signatures(self.master_key, key))

    def signed(self, entry: MemberEntry) -> MemberEntry:
        """The entry with this user's signature in place of all others."""
        return msgspec.structs.replace(entry, signatures=self._signatures(self.self_signing_key, entry))

    def device_list(self, version: int = 1, *, reset: bool = False) -> DeviceListUpload:
        """A signed list without devices: enough for the server to know the user's keys."""
        name = matrix_user(self.user_id)
        unsigned = DeviceList(
            user_id=name,
            username=self.username,
            generation=version,
            version=version,
            devices={},
            removed=(),
            dehydrated="",
            signatures={},
        )
        signed = msgspec.structs.replace(unsigned, signatures=self._signatures(self.self_signing_key, unsigned))
        return DeviceListUpload(
            master=self.master, self_signing=self.self_signing, list=signed, device_keys={}, reset=reset
        )

    def reset(self) -> "EntrySigner":
        """The same user with new keys."""
        return EntrySigner(self.user_id, self.username)

    def _cross_signing(self, usage: str, key: Ed25519PrivateKey) -> CrossSigningKey:
        public = public_key(key)
        return CrossSigningKey(user_id=matrix_user(self.user_id), usage=(usage,), keys={f"ed25519:{public}": public})

    def _signatures(self, key: Ed25519PrivateKey, item: msgspec.Struct) -> dict[str, dict[str, str]]:
        signature = standard_base64(key.sign(signed_part(item)))
        return {matrix_user(self.user_id): {f"ed25519:{public_key(key)}": signature}}


@dataclass
class SignedLog:
    """A member log that its members write. Each method signs the next entry and appends it."""

    room: str
    entries: list[MemberEntry] = field(default_factory=list)

    @property
    def uid(self) -> str:
        """The room's name inside encrypted messages."""
        return hash_of(self.entries[0])

    def create(self, by: EntrySigner, history: NewcomerHistory = NewcomerHistory.JOINING) -> MemberEntry:
        return self._append(by, kind=MemberEntryKind.CREATE, history=history, nonce=secrets.token_urlsafe(16))

    def invite(self, by: EntrySigner, member: EntrySigner) -> MemberEntry:
        return self._append(by, kind=MemberEntryKind.INVITE, member=member.member)

    def remove(self, by: EntrySigner, member: EntrySigner) -> MemberEntry:
        return self._append(by, kind=MemberEntryKind.REMOVE, member=member.member)

    def leave(self, by: EntrySigner) -> MemberEntry:
        return self.remove(by, by)

    def next(self, by: EntrySigner, /, **fields: Any) -> MemberEntry:
        """The next entry, signed, which is not appended; `fields` replace what it would have."""
        entry = MemberEntry(
            **{
                "room": self.room,
                "seq": len(self.entries) + 1,
                "previous": hash_of(self.entries[-1]) if self.entries else "",
                "by": by.member,
                "self_signing": by.self_signing,
                "signatures": {},
                **fields,
            }
        )
        return by.signed(entry)

    def copy(self) -> "SignedLog":
        return SignedLog(self.room, list(self.entries))

    def _append(self, by: EntrySigner, **fields: Any) -> MemberEntry:
        entry = self.next(by, **fields)
        self.entries.append(entry)
        return entry


def hash_of(entry: MemberEntry) -> str:
    """The hash by which the next entry names this one."""
    return to_base64url(hashlib.sha256(signed_part(entry)).digest())
