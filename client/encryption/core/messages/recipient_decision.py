"""Who is given the keys of a room: the server's recipients against what their owners signed. Pure.

The server says which devices can read; each must be in the list that its owner signed, under a master key that this
user knows. A device that fails is withheld from, with a reason that its owner is told. When someone lost access, or
after enough messages or time, a new session begins, so that no key reaches further than it must.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chatterbox.wire.frames.encryption import DeviceAddress, Withheld, WithheldReason
from client.encryption.core.trust import Trust

DIRECT_MESSAGES = 50
DIRECT_S = 24 * 3600
ROOM_MESSAGES = 100
ROOM_S = 7 * 24 * 3600
"""Messages and seconds after which a session of a direct conversation, or of a room, is replaced."""


@dataclass(frozen=True, slots=True)
class RecipientMember:
    """A user as the signed keys show them."""

    trust: Trust
    devices: frozenset[str]
    removed: frozenset[str]


class OutboundFacts(NamedTuple):
    """What is known of the session with which this device encrypts for a room."""

    messages: int
    age_s: float
    shared: frozenset[DeviceAddress]
    """Devices that may have its key."""
    unrecorded: frozenset[DeviceAddress]
    """Those of them to which it has to be shared again, since the server has no record of it."""
    began_at: int | None
    """The version of the recipients at which its key was first shared; None: it never was."""
    has_lost: bool = False
    """Whether the member log has removed someone since the session began."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do before a message can be encrypted."""

    share: tuple[DeviceAddress, ...]
    """Devices to give the session's key to."""
    withheld: tuple[Withheld, ...]
    holders: frozenset[str]
    """Users who have a device that holds the key already."""
    new_session: bool
    waits_for: tuple[str, ...]
    """Users whose changed master key must be accepted before anything is sent."""


def is_worn_out(messages: int, age_s: float, *, direct: bool) -> bool:
    """Whether a session has encrypted enough: a new one must begin. A clock that was set back counts as worn out."""
    most, longest_s = (DIRECT_MESSAGES, DIRECT_S) if direct else (ROOM_MESSAGES, ROOM_S)
    return messages >= most or not 0 <= age_s < longest_s


def decide(
    devices: Sequence[DeviceAddress],
    own: DeviceAddress,
    members: Mapping[str, RecipientMember],
    outbound: OutboundFacts | None,
    *,
    closed_at: int,
    direct: bool,
) -> Decision:
    """Decide who gets the keys. `closed_at`: the version at which someone last lost access.

    `members`: by the username that the server uses in `devices`; users without keys that were proven right are absent.
    In a direct conversation a changed master key holds the message back; in a room its devices are withheld from.
    """
    withheld = []
    entitled = []
    for device in devices:
        if device == own:
            continue
        reason = _reason(members.get(device.username), device.device)
        if reason is None:
            entitled.append(device)
        else:
            withheld.append(Withheld(device.username, device.device, reason))
    new_session = (
        outbound is None
        or outbound.has_lost
        or is_worn_out(outbound.messages, outbound.age_s, direct=direct)
        or not outbound.shared <= set(entitled)
        or (outbound.began_at is not None and outbound.began_at < closed_at)
    )
    shared = frozenset[DeviceAddress]() if outbound is None or new_session else outbound.shared - outbound.unrecorded
    changed = {each.username for each in withheld if each.reason is WithheldReason.CHANGED}
    return Decision(
        share=tuple(device for device in entitled if device not in shared),
        withheld=tuple(withheld),
        holders=frozenset(device.username for device in entitled if device in shared),
        new_session=new_session,
        waits_for=tuple(sorted(changed)) if direct else (),
    )


def _reason(member: RecipientMember | None, device: str) -> WithheldReason | None:
    """Why a device gets no key; None: it does."""
    if member is None:
        return WithheldReason.UNSIGNED
    if device in member.removed:
        return WithheldReason.REMOVED
    if device not in member.devices:
        return WithheldReason.UNSIGNED
    return WithheldReason.CHANGED if member.trust is Trust.CHANGED else None
