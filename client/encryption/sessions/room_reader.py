"""Decrypts messages of a room, inside one transaction of the key store, and says what is wrong with them."""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import NamedTuple, assert_never

import msgspec
import vodozemac

from chatterbox.wire import direct_names, frames, text_rules
from chatterbox.wire.encryption import envelope
from chatterbox.wire.encryption.device_keys import matrix_room
from chatterbox.wire.encryption.envelope import Envelope, from_base64url
from chatterbox.wire.errors import ChatError
from chatterbox.wire.limits import Limits
from client.encryption.core.member_log_rules import HeldLog
from client.encryption.core.messages import message_payload, sequence_checks
from client.encryption.core.messages.message_payload import (
    Content,
    EditContent,
    LogPlace,
    PayloadError,
    Place,
    ReactionContent,
    TextContent,
    TopicContent,
    UnknownPayloadError,
    WrongRoomError,
)
from client.encryption.core.messages.room_window import HeldMessage, RoomWindow, message_digest
from client.encryption.core.messages.sequence_checks import BLOCK, SeenBlock
from client.encryption.core.trust import DecryptedMessage, Irregularity, Trust, Unreadable
from client.encryption.device.device_identity import PICKLE_KEY
from client.encryption.device.trusted_users import TrustedUser
from client.encryption.message_encryption import EncryptedRoom, counted
from client.encryption.sessions import room_sessions
from client.encryption.sessions.room_sessions import InboundRecord
from client.encryption.sessions.user_directory import UserDirectory
from client.encryption.store.key_store import StoreTransaction, Table

_TEXTS, _OTHERS = "n", "i"
"""Texts are numbered by n, edits and reactions by their Megolm index."""
_FIELDS = frames.Message.__struct_fields__


class UnknownSession(NamedTuple):
    """A session of which this device has no key, or not from its beginning."""

    device: str
    session: str
    username: str


class _Opened(NamedTuple):
    """A session in use."""

    record: InboundRecord
    group: vodozemac.InboundGroupSession
    sender: TrustedUser | None


class _NotReadable(Exception):  # noqa: N818 - every message may be so
    def __init__(self, reason: Unreadable) -> None:
        super().__init__(reason)
        self.reason = reason


def envelopes(messages: Sequence[frames.Message], limits: Limits) -> Iterator[tuple[str, Envelope]]:
    """All envelopes in messages, those of reactions included, with the username that each bears."""
    for message in messages:
        if not message.deleted and (parsed := _parsed(message.content, limits)) is not None:
            yield message.username, parsed
        for reaction in message.reactions:
            if (parsed := _parsed(reaction.envelope, limits)) is not None and reaction.by:
                yield reaction.by[0], parsed


def _parsed(text: str, limits: Limits) -> Envelope | None:
    try:
        return envelope.parse(text, limits.envelope_bytes)
    except ChatError:
        return None


class RoomReader:
    """Decrypts messages of one room while a transaction is held. Call `save` before it is committed."""

    def __init__(
        self,
        transaction: StoreTransaction,
        room: EncryptedRoom,
        users: UserDirectory,
        window: RoomWindow,
        limits: Limits,
        reasons: Mapping[tuple[str, str], Unreadable],
        log: HeldLog | None = None,
        asked: Container[str] = (),
    ) -> None:
        """`reasons`: why sessions are unknown, by session and device, if that is known.

        `log`: the member log, in a room; `asked`: the questions for which it was read from the server.
        """
        self.questions: dict[str, str] = {}
        """What `log` does not answer: a username whom it does not name, or an entry that the user in the value named.
        """
        self._transaction = transaction
        self._room = room
        self._users = users
        self._window = window
        self._limits = limits
        self._reasons = reasons
        self._log = log
        self._asked = asked
        self._people = set(map(text_rules.folded, direct_names.people(room.name)))
        self.newer_lists: dict[str, int] = {}
        """Users whose messages name a newer device list than the one that is held, and its version."""
        self._opened: dict[tuple[str, str], _Opened | None] = {}
        self._blocks: dict[str, SeenBlock] = {}
        self._stored: dict[str, bytes] = {}

    def unknown(self, messages: Sequence[frames.Message]) -> set[UnknownSession]:
        """The sessions whose keys are missing."""
        return {
            UnknownSession(found.device, found.session, username)
            for username, found in envelopes(messages, self._limits)
            if self._session(found) is None
        }

    def save(self) -> None:
        """Write where messages stood."""
        for row, block in self._blocks.items():
            encoded = msgspec.msgpack.encode(block)
            if encoded != self._stored.get(row):
                self._transaction.put(Table.SEEN, row, encoded)
                self._stored[row] = encoded

    def read(self, message: frames.Message) -> DecryptedMessage:
        """Decrypt one message. Messages of a room are read in order."""
        if message.deleted:
            read, place = _shown(message, content="", trust=None), None
        else:
            try:
                read, place = self._read(message)
            except _NotReadable as problem:
                read, place = _shown(message, content="", unreadable=problem.reason, files=()), None
        if read.at.epoch == self._window.epoch:
            digest = message_digest(message.at.offset, message.username, message.content)
            is_changed = bool(message.edited or message.deleted)
            self._window.put(message.at.offset, HeldMessage(digest, message.username, place, is_changed))
        return msgspec.structs.replace(read, reactions=self._reactions(message)) if message.reactions else read

    def _read(self, message: frames.Message) -> tuple[DecryptedMessage, Place | None]:
        if not message.content.startswith(f"{envelope.ALGORITHM}."):
            raise _NotReadable(Unreadable.PLAIN)
        found = _parsed(message.content, self._limits)
        if found is None:
            raise _NotReadable(Unreadable.PLAIN)
        content, index, sender = self._decrypted(found, message.username)
        match content:
            case TextContent():
                return self._text(message, found, content, sender)
            case EditContent():
                return self._edit(message, found, content, index, sender)
            case ReactionContent() | TopicContent():
                raise _NotReadable(Unreadable.FORGED)
            case _:
                assert_never(content)

    def _text(
        self, message: frames.Message, found: Envelope, content: TextContent, sender: TrustedUser | None
    ) -> tuple[DecryptedMessage, Place | None]:
        place = Place(found.device, found.session, content.n)
        if not self._note(_TEXTS, place.session, place.device, content.n, message):
            raise _NotReadable(Unreadable.REPLAYED)
        epoch = message.at.epoch
        irregularity = sequence_checks.irregularity(
            content,
            place,
            message.username,
            message.at.offset,
            lambda other: self._block(_TEXTS, other.session, other.device, other.n).offset(other.n, epoch),
            self._window,
        )
        if content.log is not None and self._contradicts(content.log, message.username):
            irregularity = irregularity or Irregularity.TWO_MEMBER_LOGS
        shown = _shown(
            message,
            content=self._checked(content.text, content.files),
            **self._proof(found, sender),
            irregularity=irregularity,
            files=content.files,
            reply_to=content.reply_to,
            edited="",
        )
        return shown, place

    def _edit(
        self, message: frames.Message, found: Envelope, content: EditContent, index: int, sender: TrustedUser | None
    ) -> tuple[DecryptedMessage, Place | None]:
        self._require_about(message, content)
        if not self._note(_OTHERS, found.session, found.device, index, message):
            raise _NotReadable(Unreadable.REPLAYED)
        shown = _shown(
            message,
            content=self._checked(content.text, content.files),
            **self._proof(found, sender),
            files=content.files,
            reply_to=content.reply_to,
        )
        return shown, content.of or self._window.place(message.at.offset)

    def _require_about(self, message: frames.Message, content: EditContent | ReactionContent) -> None:
        """Refuse an edit or reaction that its sender made for another message."""
        held = self._window.place(message.at.offset)
        other = content.of is not None and held is not None and content.of != held
        if content.offset != message.at.offset or other:
            raise _NotReadable(Unreadable.REPLAYED)

    def _checked(self, text: str, files: Sequence[frames.AttachedFile]) -> str:
        """The text, if it keeps the rules that a server keeps in rooms that it can read."""
        try:
            return text_rules.caption(text, self._limits) if files else text_rules.content(text, self._limits)
        except ChatError:
            raise _NotReadable(Unreadable.FORGED) from None

    def _reactions(self, message: frames.Message) -> tuple[frames.Reaction, ...]:
        """The reactions that can be read, counted; what the server added itself is left out."""
        by_user = []
        for reaction in message.reactions:
            if len(reaction.by) != 1 or (found := _parsed(reaction.envelope, self._limits)) is None:
                continue
            try:
                by_user.append((reaction.by[0], self._emoji(message, found, reaction.by[0])))
            except _NotReadable:
                continue
        return counted(by_user)

    def _emoji(self, message: frames.Message, found: Envelope, username: str) -> tuple[str, ...]:
        content, index, _ = self._decrypted(found, username)
        if not isinstance(content, ReactionContent):
            raise _NotReadable(Unreadable.FORGED)
        self._require_about(message, content)
        if not self._note(_OTHERS, found.session, found.device, index, message):
            raise _NotReadable(Unreadable.REPLAYED)
        emoji = []
        for each in content.emoji:
            try:
                emoji.append(text_rules.reaction(each, self._limits))
            except ChatError:
                continue
        return tuple(dict.fromkeys(emoji))

    def topic(self, text: str) -> str | None:
        """The topic of the room, which a member set; None: it can't be read."""
        if (found := _parsed(text, self._limits)) is None:
            return None
        try:
            content, _, _ = self._decrypted(found, None)
            return text_rules.topic(content.topic, self._limits) if isinstance(content, TopicContent) else None
        except (_NotReadable, ChatError):
            return None

    def unknown_of(self, text: str) -> set[UnknownSession]:
        """The session of an envelope, if its key is missing."""
        found = _parsed(text, self._limits)
        return {UnknownSession(found.device, found.session, "")} if found and self._session(found) is None else set()

    def _require_member(self, record: InboundRecord) -> None:
        """Refuse what is by neither a member nor a former one; in a direct conversation, by another than the two."""
        if self._log is None:
            if text_rules.folded(record.username) not in self._people:
                raise _NotReadable(Unreadable.UNINVITED)
        elif not self._log.has_had(record.user_id):
            name = text_rules.folded(record.username)
            self.questions[f"@{name}"] = record.username
            raise _NotReadable(Unreadable.UNINVITED if f"@{name}" in self._asked else Unreadable.AWAITING)

    def _contradicts(self, place: LogPlace, username: str) -> bool:
        """Whether a member was shown another member log."""
        if self._log is None:
            return False
        if place.seq > self._log.seq:
            self.questions[str(place.seq)] = username
        held = self._log.hash_at(place.seq)
        return held is not None and held != place.hash

    def _decrypted(self, found: Envelope, username: str | None) -> tuple[Content, int, TrustedUser | None]:
        """What is in an envelope, its Megolm index, and its sender, who must be `username` if that is given."""
        opened = self._session(found)
        if opened is None:
            reason = self._reasons.get((found.session, found.device), Unreadable.LOST)
            raise _NotReadable(reason)
        try:
            message = vodozemac.MegolmMessage.from_bytes(from_base64url(found.body))
            decrypted = opened.group.decrypt(message)
        except ValueError as problem:
            raise _NotReadable(_why_not(problem, self._reasons.get((found.session, found.device)))) from None
        if username is not None and text_rules.folded(opened.record.username) != text_rules.folded(username):
            raise _NotReadable(Unreadable.FORGED)
        self._require_member(opened.record)
        try:
            content = message_payload.parse(decrypted.plaintext, matrix_room(self._room.uid))
        except WrongRoomError:
            raise _NotReadable(Unreadable.WRONG_ROOM) from None
        except UnknownPayloadError:
            raise _NotReadable(Unreadable.NEWER) from None
        except PayloadError:
            raise _NotReadable(Unreadable.FORGED) from None
        if (sender := opened.sender) is not None and content.list_version > sender.version:
            newest = max(content.list_version, self.newer_lists.get(sender.username, 0))
            self.newer_lists[sender.username] = newest
        return content, decrypted.message_index, sender

    def _proof(self, found: Envelope, sender: TrustedUser | None) -> dict[str, object]:
        """How it is known whose message it is. Verified keys of the author prove nothing if others gave the key."""
        opened = self._session(found)
        key_from = opened.record.key_from if opened else ""
        trust = sender.trust if sender else None
        return {"trust": Trust.SEEN if key_from and trust is Trust.VERIFIED else trust, "key_from": key_from}

    def _session(self, found: Envelope) -> _Opened | None:
        key = (found.session, found.device)
        if key not in self._opened:
            self._opened[key] = self._open(found)
        return self._opened[key]

    def _open(self, found: Envelope) -> _Opened | None:
        row = room_sessions.inbound_row(self._room.uid, found.session, found.device)
        record = room_sessions.inbound(self._transaction, row)
        if record is None:
            return None
        group = vodozemac.InboundGroupSession.from_pickle(record.pickle, PICKLE_KEY)
        return _Opened(record, group, self._users.user(self._transaction, record.username))

    def _note(self, kind: str, session: str, device: str, number: int, message: frames.Message) -> bool:
        """Note where a message stands; false if it stood elsewhere: a replay."""
        block = self._block(kind, session, device, number)
        return block.is_at(number, message.at.epoch, message.at.offset)

    def _block(self, kind: str, session: str, device: str, number: int) -> SeenBlock:
        row = f"{self._room.uid}/{session}/{device}/{kind}{number // BLOCK:08d}"
        block = self._blocks.get(row)
        if block is None:
            stored = self._transaction.get(Table.SEEN, row)
            block = SeenBlock() if stored is None else msgspec.msgpack.decode(stored, type=SeenBlock)
            self._blocks[row] = block
            self._stored[row] = stored or msgspec.msgpack.encode(block)
        return block


def _why_not(problem: ValueError, known: Unreadable | None) -> Unreadable:
    """Why a message of a known session can't be decrypted: it is from before the key, or not by it."""
    if "unknown message index" in str(problem).lower() or "ratchet" in str(problem).lower():
        return known or Unreadable.BEFORE_DEVICE
    return Unreadable.FORGED


def _shown(message: frames.Message, **changed: object) -> DecryptedMessage:
    fields = {name: getattr(message, name) for name in _FIELDS}
    fields.update(changed, reactions=())
    return DecryptedMessage(**fields)
