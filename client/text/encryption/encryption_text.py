"""What people read about encrypted conversations: headers, unreadable messages, changed keys, waiting messages. Pure.

Each sentence says what happened, and what to do next. Text from others is made inert here.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, assert_never

from chatterbox.wire.frames import Message
from chatterbox.wire.frames.encryption import WithheldReason
from client.encryption.core.trust import DecryptedMessage, Irregularity, Trust, Unreadable
from client.encryption.message_encryption import WaitReason
from client.text.note_text import messages
from client.text.sanitize import inert, inert_name

NOT_ENCRYPTED = "not encrypted"
"""The header of every other room."""
BACKUP_MISSING = "Your keys are not backed up yet: type /keys code to get a recovery key."
"""Said once a day while there is no recovery key."""
STORE_CLONED = (
    "The key store of this computer is an old copy, or in use on another computer. New keys were made; messages that "
    "you send can be read as before. If you use the other computer, too, log in there as a new device."
)
STORE_IN_USE = (
    "This key store is also in use on another computer, so nothing is encrypted with it here. Log in here as a new "
    "device: /logout, then log in again."
)
RECIPIENTS_CHANGING = "The devices in this conversation keep changing."
ENCRYPTION_UNSUPPORTED = "This server does not support encryption, so the message was not sent."


def header_words(trust: Trust | None, since: str = "", *, encrypted: bool = True) -> str:
    """What the header says of a conversation. `since`: the day on which the other's key was first seen.

    >>> header_words(Trust.SEEN, "2026-11-02"), header_words(Trust.VERIFIED), header_words(None, encrypted=False)
    ('encrypted · seen since 2026-11-02', 'encrypted · verified', 'not encrypted')
    """
    if not encrypted:
        return NOT_ENCRYPTED
    match trust:
        case Trust.VERIFIED:
            return "encrypted · verified"
        case Trust.CHANGED:
            return "encrypted · keys changed"
        case Trust.SEEN:
            return f"encrypted · seen since {inert_name(since)}" if since else "encrypted · seen"
        case None:
            return "encrypted"
        case _:
            assert_never(trust)


class _Sentence(NamedTuple):
    one: str
    many: str = ""
    """For several messages, if it differs."""

    def of(self, count: int, name: str) -> str:
        text = self.one if count == 1 else self.many or self.one
        return text.format(count=messages(count), name=inert_name(name) if name else "its sender")


_UNREADABLE: dict[Unreadable, _Sentence] = {
    Unreadable.BEFORE_JOINED: _Sentence(
        "{count} from before you joined. Only those who were members then can read it.",
        "{count} from before you joined. Only those who were members then can read them.",
    ),
    Unreadable.NOT_GIVEN: _Sentence(
        "{count} from before you joined. The text appears when the member who invited you connects.",
        "{count} from before you joined. The texts appear when the member who invited you connects.",
    ),
    Unreadable.BEFORE_DEVICE: _Sentence(
        "{count} from before this device. To read it, enter your recovery key: /keys recover",
        "{count} from before this device. To read them, enter your recovery key: /keys recover",
    ),
    Unreadable.AWAITING: _Sentence(
        "{count}: the key has not arrived yet. The text appears when it does.",
        "{count}: the keys have not arrived yet. The texts appear when they do.",
    ),
    Unreadable.WITHHELD_REMOVED: _Sentence(
        "{count} that this device can't read, because you removed it. To read here, log in again as a new device.",
    ),
    Unreadable.WITHHELD_UNSIGNED: _Sentence(
        "{count} that this device can't read yet. Enter your recovery key (/keys recover), or approve this device on "
        "another one (/keys approve).",
    ),
    Unreadable.WITHHELD_BLOCKED: _Sentence(
        "{count} that {name} does not let this device read. Ask {name} why.",
    ),
    Unreadable.WITHHELD_CHANGED: _Sentence(
        "{count} that you can't read: your keys changed, and {name} has not accepted that yet. Ask {name} to type "
        "/verify with your name.",
    ),
    Unreadable.WITHHELD_FULL: _Sentence(
        "{count} that this device can't read: too much waited for it. Your key backup may have the key: /keys recover",
        "{count} that this device can't read: too much waited for it. Your key backup may have the keys: /keys recover",
    ),
    Unreadable.FORGED: _Sentence(
        "{count} that is damaged or forged: it was not encrypted by {name}. Ask {name} what was sent.",
        "{count} that are damaged or forged: they were not encrypted by {name}. Ask {name} what was sent.",
    ),
    Unreadable.REPLAYED: _Sentence(
        "{count} that the server shows a second time. Nothing is missing.",
    ),
    Unreadable.WRONG_ROOM: _Sentence(
        "{count} that {name} sent to another conversation; the server put it here. Ask the operator of the server why.",
        "{count} that {name} sent to another conversation; the server put them here. Ask the operator of the server "
        "why.",
    ),
    Unreadable.PLAIN: _Sentence(
        "{count} that is not encrypted: it may be by the server, not by {name}. Ask {name} whether it was sent.",
        "{count} that are not encrypted: they may be by the server, not by {name}. Ask {name} whether they were sent.",
    ),
    Unreadable.UNINVITED: _Sentence(
        "{count} of {name}, whom no member of the room invited: the server added {name}. It is not shown. Ask a "
        "member of the room who that is.",
        "{count} of {name}, whom no member of the room invited: the server added {name}. They are not shown. Ask a "
        "member of the room who that is.",
    ),
    Unreadable.NEWER: _Sentence(
        "{count} from a newer chatterbox. Update this program to read it.",
        "{count} from a newer chatterbox. Update this program to read them.",
    ),
    Unreadable.STORE_DAMAGED: _Sentence(
        "{count} whose key is damaged on this computer. Look for the cause: chatterbox keys doctor",
        "{count} whose keys are damaged on this computer. Look for the cause: chatterbox keys doctor",
    ),
    Unreadable.LOST: _Sentence(
        "{count} whose key is lost. Ask {name} to send it again.",
        "{count} whose keys are lost. Ask {name} to send them again.",
    ),
}


def unreadable_line(reason: Unreadable, name: str, count: int = 1) -> str:
    """Why `count` messages of `name` can't be read, and what to do. `name` is empty if they are of several users.

    >>> unreadable_line(Unreadable.NEWER, "bob", 12)
    '12 messages from a newer chatterbox. Update this program to read them.'
    """
    return _UNREADABLE[reason].of(count, name)


class UnreadableRun(NamedTuple):
    """Messages that follow each other and can't be read for the same reason: one line stands for all of them."""

    reason: Unreadable
    messages: tuple[Message, ...]

    @property
    def line(self) -> str:
        names = {message.username for message in self.messages}
        return unreadable_line(self.reason, names.pop() if len(names) == 1 else "", len(self.messages))


def with_unreadable_runs(shown: Iterable[Message]) -> Iterator[Message | UnreadableRun]:
    """The messages in their order, with unreadable neighbours of the same room and reason collapsed into one run.

    A message in clear that an encrypted room does not take (`Unreadable.PLAIN`) stays by itself: its text is shown.
    """
    for (reason, _), group in groupby(shown, key=lambda message: (_reason(message), message.room)):
        if reason is None:
            yield from group
        else:
            yield UnreadableRun(reason, tuple(group))


def _reason(message: Message) -> Unreadable | None:
    reason = message.unreadable if isinstance(message, DecryptedMessage) else None
    return None if reason is Unreadable.PLAIN else reason


def plain_line(name: str, text: str) -> str:
    """A message in clear in an encrypted conversation, which is never shown under the name that it bears.

    >>> plain_line("bob", "call me")
    'the server says, not bob: call me'
    """
    return f"the server says, not {inert_name(name)}: {inert(text)}"


def irregularity_line(irregularity: Irregularity, name: str) -> str:
    """What is wrong with where a message stands, and what to do.

    >>> irregularity_line(Irregularity.REORDERED, "ada")
    'The next message stands in another order than ada sent it.'
    """
    who = inert_name(name)
    match irregularity:
        case Irregularity.MISSING_BEFORE:
            return f"A message that {who} sent here is missing: the server left it out. Ask {who} what it said."
        case Irregularity.REORDERED:
            return f"The next message stands in another order than {who} sent it."
        case Irregularity.TWO_HISTORIES:
            return (
                f"The server shows you and {who} different messages before this one. Ask {who} what you have both read."
            )
        case Irregularity.TWO_MEMBER_LOGS:
            return f"The server shows you and {who} different members of this room. Compare with {who} who was invited."
        case _:
            assert_never(irregularity)


def key_change_lines(name: str, day: str, *, verified: bool) -> list[str]:
    """What is said when the keys of a user changed. `day`: since when; `verified`: the old ones were verified.

    >>> key_change_lines("bob", "2026-11-30", verified=False)[1]
    'Your next message waits: press Enter again to send it, or type /verify bob to be sure.'
    """
    who = inert_name(name)
    if verified:
        next_step = f"Nothing is sent until you compare the new keys (/verify {who}) or do without (/unverify {who})."
    else:
        next_step = f"Your next message waits: press Enter again to send it, or type /verify {who} to be sure."
    first = f"{who} has new keys since {inert_name(day)}: {who} lost the old ones, or another person poses as {who}."
    return [first, next_step]


def keys_changed_refusal(name: str, number: str, *, verified: bool) -> str:
    """Why a script's message is not sent: the keys of the recipient changed. `number`: the new safety number."""
    who = inert_name(name)
    if verified:
        return (
            f"Not sent: {who}, whom you verified, has new keys. Compare them (chatterbox keys verify {who}) or do "
            f"without (chatterbox keys unverify {who})."
        )
    return f"Not sent: {who} has new keys. If this safety number is right, add --accept-keys {number.replace(' ', '')}"


def withheld_line(reason: WithheldReason, name: str) -> str:
    """Why a device of another user is not given the keys of a conversation; said once.

    >>> withheld_line(WithheldReason.UNSIGNED, "bob")
    'The server lists a device of bob that bob did not sign. It gets no keys.'
    """
    who = inert_name(name)
    match reason:
        case WithheldReason.UNSIGNED:
            return f"The server lists a device of {who} that {who} did not sign. It gets no keys."
        case WithheldReason.REMOVED:
            return f"A device of {who} gets no keys: {who} removed it."
        case WithheldReason.CHANGED:
            return f"The devices of {who} get no keys until you accept the new keys: /verify {who}"
        case WithheldReason.BLOCKED:
            return f"The devices of {who} get no keys, because you block {who}. To change that: /unblock {who}"
        case WithheldReason.FULL:
            return f"A device of {who} gets no keys for now: too much waits for it. It reads on when it is back."
        case WithheldReason.NO_KEYS:
            return f"A device of {who} gets no keys for now: it has left none with the server. It must connect once."
        case _:
            assert_never(reason)


def ghost_member_line(name: str, room: str) -> str:
    """A member who was not invited by a member; said once."""
    return f"The server lists {inert_name(name)} in {inert(room)}, but no member invited them. They get no keys."


def old_list_line(name: str) -> str:
    """The server shows an older device list than one that was seen before; said once."""
    who = inert_name(name)
    return f"The server shows an old list of the devices of {who}. The newer one stays in use."


def invalid_keys_line(name: str) -> str:
    """The server shows keys of a user that the user did not sign; said once."""
    who = inert_name(name)
    return f"The server shows keys of {who} that {who} did not sign. They are not used; your messages wait."


def waiting_line(reason: WaitReason, names: Sequence[str] = (), detail: str = "") -> str:
    """Why a message waits in the outbox, and what to do. `names`: about whom it is.

    >>> waiting_line(WaitReason.KEYS_CHANGED, ["bob"])
    'Your message to bob waits, because bob has new keys: Enter again sends it, /verify bob makes sure.'
    """
    who = " and ".join(map(inert_name, names)) or "a member"
    has, their = ("has", f"{who}'s program is") if len(names) < 2 else ("have", "their programs are")
    match reason:
        case WaitReason.NO_KEYS:
            return f"{who} {has} no keys yet ({their} older, or never connected). Your message waits in the outbox."
        case WaitReason.KEYS_CHANGED:
            choice = f"Enter again sends it, /verify {who} makes sure"
            return f"Your message to {who} waits, because {who} {has} new keys: {choice}."
        case WaitReason.VERIFIED_KEYS_CHANGED:
            return (
                f"Your message waits: {who}, whom you verified, {has} new keys. Compare them (/verify {who}) or do "
                f"without (/unverify {who})."
            )
        case WaitReason.DEVICE_PENDING:
            return (
                "Your message waits: this device has no keys yet. Enter your recovery key (/keys recover), or approve "
                "this device on another one (/keys approve)."
            )
        case WaitReason.NO_RECOVERY_KEY:
            return "Your message waits until you have seen your recovery key: /keys code"
        case WaitReason.STORE_SUPERSEDED:
            return STORE_IN_USE
        case WaitReason.MEMBER_LOG_INVALID:
            return (
                "Your message waits: the server shows other members of this room than its members signed. Ask the "
                "operator of the server why."
            )
        case WaitReason.ROOM_REPLACED:
            return (
                "Your message waits: this room was deleted, and another one has its name. Look at its members "
                "(/who); Enter again sends the message to them."
            )
        case WaitReason.MARKED_PLAIN:
            return (
                "Your message waits: the server says that this room is not encrypted, though its name says that it "
                "is. Nothing is sent in clear. Ask the operator of the server."
            )
        case WaitReason.RECIPIENTS_CHANGING:
            return RECIPIENTS_CHANGING
        case WaitReason.FAILED:
            return f"Your message can't be encrypted and waits in the outbox: {inert(detail)}"
        case _:
            assert_never(reason)


def refused_line(reason: WaitReason, names: Sequence[str] = (), detail: str = "") -> str:
    """Why a room is not created, no user invited or removed, no topic set or nothing edited, and what to do.

    >>> refused_line(WaitReason.NO_RECOVERY_KEY)
    'Nothing was done: first look at your recovery key (/keys code), then try again.'
    """
    who = " and ".join(map(inert_name, names)) or "a member"
    has = "has" if len(names) < 2 else "have"
    match reason:
        case WaitReason.NO_KEYS:
            return f"Nothing was done: {who} {has} no keys yet. They must connect once with a client that encrypts."
        case WaitReason.KEYS_CHANGED:
            return (
                f"Nothing was done: {who} {has} new keys. Take them (/keys accept {who}) or compare them "
                f"(/verify {who}), then try again."
            )
        case WaitReason.VERIFIED_KEYS_CHANGED:
            return (
                f"Nothing was done: {who}, whom you verified, {has} new keys. Compare them (/verify {who}) or do "
                f"without (/unverify {who})."
            )
        case WaitReason.DEVICE_PENDING:
            return (
                "Nothing was done: this device has no keys yet. Enter your recovery key (/keys recover), or approve "
                "this device on another one (/keys approve)."
            )
        case WaitReason.NO_RECOVERY_KEY:
            return "Nothing was done: first look at your recovery key (/keys code), then try again."
        case WaitReason.STORE_SUPERSEDED:
            return STORE_IN_USE
        case WaitReason.MEMBER_LOG_INVALID:
            return (
                "Nothing was done: the server shows other members of this room than its members signed. Ask the "
                "operator of the server."
            )
        case WaitReason.ROOM_REPLACED:
            return (
                "Nothing was done: this room was deleted, and another one has its name. Look at its members (/who), "
                "and write a message to accept it."
            )
        case WaitReason.MARKED_PLAIN:
            return (
                "Nothing was done: the server says that this room is not encrypted, though its name says that it is. "
                "Ask the operator of the server."
            )
        case WaitReason.RECIPIENTS_CHANGING:
            return f"{RECIPIENTS_CHANGING} Nothing was done; try again."
        case WaitReason.FAILED:
            return inert(detail)
        case _:
            assert_never(reason)


def first_message_line(name: str) -> str:
    """The notification of the first message of a user in an encrypted conversation."""
    return f"{inert_name(name)} wrote to you privately"
