"""What people read about their own keys: first use, recovery key, devices, key backup. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from chatterbox.wire.encryption.key_api import DeviceState
from client.text.sanitize import inert, inert_name

FIRST_USE = "Private messages are encrypted with keys that only your devices have. They were made on this computer."
RECOVERY_KEY_INTRO = "This is your recovery key. Write it down, or put it into a password manager:"
RECOVERY_KEY_MEANING = (
    "With it and your password, all your messages can be read. Without it, a lost computer is a lost history."
)
RECOVERY_KEY_LATER = "Type `later` to do this another time."
RECOVERY_KEY_WRONG = "That is not what the recovery key says. Look again, and type both groups."
RECOVERY_KEY_KEPT = "Your recovery key is set up. Your keys are backed up from now on."
RECOVERY_KEY_POSTPONED = "No recovery key yet: if this computer is lost, so are your encrypted messages. /keys code"
NEW_DEVICE_INTRO = "This device can't read your encrypted messages yet. There are three ways to change that:"
NEW_DEVICE_WAYS = (
    "1. Enter your recovery key: /keys recover",
    "2. Approve this device on another one of yours: type /keys approve {device} there",
    "3. Start again with new keys: /keys reset. Your contacts are told, and earlier messages stay locked.",
)


def recovery_key_question(groups: Sequence[int]) -> str:
    """Asks for groups of the recovery key, to be sure that it was written down. `groups` count from 1.

    >>> recovery_key_question([2, 6])
    'Type groups 2 and 6 of it: '
    """
    return f"Type groups {' and '.join(map(str, groups))} of it: "


def new_device_lines(device: str) -> list[str]:
    """What a new device says that has no keys yet."""
    return [NEW_DEVICE_INTRO, *(way.format(device=inert_name(device)) for way in NEW_DEVICE_WAYS)]


def new_device_line(device: str) -> str:
    """The same in one sentence."""
    return (
        f"This device can't read your encrypted messages yet. Enter your recovery key (/keys recover), approve it on "
        f"another device of yours (/keys approve {inert_name(device)}), or start again with new keys (/keys reset)."
    )


DEVICE_REMOVED = "Another device of yours removed this one. Log in again as a new device: /logout, then log in."


def pending_device_lines(device: str, name: str = "") -> list[str]:
    """What the owner reads when a new device of theirs waits to be listed."""
    shown = inert_name(device)
    called = f' "{inert(name)}"' if name else ""
    return [
        f"A new login{called} wants your keys (device {shown}).",
        f"If it is you: /keys approve {shown}. If not: /keys refuse {shown}, then change your password (/passwd).",
    ]


class ShownDevice(NamedTuple):
    """A device of the user, as it is listed."""

    device: str
    state: DeviceState
    name: str = ""
    seen: str = ""
    since: str = ""
    current: bool = False
    dehydrated: bool = False


_STATES = {
    DeviceState.PENDING: "waits for your approval: /keys approve {device}",
    DeviceState.LISTED: "can read",
    DeviceState.ASLEEP: "asleep: it can read again when it connects",
    DeviceState.ENDED: "logged out: it can't read new messages",
    DeviceState.REMOVED: "removed",
}


def device_line(row: ShownDevice) -> str:
    """One device of the user.

    >>> device_line(ShownDevice("ABCDEFGHIJ", DeviceState.LISTED, current=True))
    'ABCDEFGHIJ  can read (this device)'
    """
    device = inert_name(row.device)
    if row.dehydrated:
        return f"{device}  stands in while no device of yours is there (dehydrated device)"
    marks = [*([inert(row.name)] if row.name else []), *(["this device"] if row.current else [])]
    if row.seen and not row.current:
        marks.append(f"last seen {inert(row.seen[:10])}")
    return f"{device}  {_STATES[row.state].format(device=device)}" + (f" ({', '.join(marks)})" if marks else "")


class KeysState(NamedTuple):
    """The state of a user's keys, in the words of `chatterbox keys`."""

    devices: int
    """That can read, without the dehydrated device."""
    pending: int = 0
    recovery_key: bool = False
    backup_s: float | None = None
    """How long ago the last key went into the backup; None: never."""
    backup_waiting: int = 0
    """Keys that are not in the backup yet."""


def status_line(state: KeysState) -> str:
    """The state of the keys in one line.

    >>> status_line(KeysState(2, recovery_key=True, backup_s=3.0))
    'keys: backed up 3 s ago · 2 devices · recovery key set up'
    """
    parts = [_backup_words(state), f"{state.devices} device{'' if state.devices == 1 else 's'}"]
    if state.pending:
        parts.append(f"{state.pending} waiting for approval (chatterbox keys devices)")
    parts.append("recovery key set up" if state.recovery_key else "no recovery key (chatterbox keys code)")
    return f"keys: {' · '.join(parts)}"


def _backup_words(state: KeysState) -> str:
    if not state.recovery_key:
        return "not backed up"
    if state.backup_waiting:
        return f"backed up, but for {state.backup_waiting:,} that wait"
    return "backed up" if state.backup_s is None else f"backed up {_ago(state.backup_s)}"


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    return f"{seconds / 60:.0f} min ago" if seconds < 7200 else f"{seconds / 3600:.0f} h ago"


def removal_lines(device: str) -> list[str]:
    """Confirm that a device was removed."""
    return [f"Removed {inert_name(device)}. It can't read new messages; it keeps what it has read."]


def stolen_lines(device: str, *, is_logged_out: bool) -> list[str]:
    """Confirm that a stolen device was removed, and say what is left to do."""
    shown = inert_name(device)
    replaced = f"Removed {shown}, and replaced the keys that it had. It keeps what it has read."
    if is_logged_out:
        return [replaced, "Its login is ended. Change your password, too: chatterbox passwd"]
    return [
        replaced,
        "Its login could not be ended: chatterbox sessions, then chatterbox logout ID. Then change your password.",
    ]


def refusal_lines(device: str) -> list[str]:
    """Confirm that a new device was refused, and say what is left to do."""
    return [
        f"Refused {inert_name(device)}: it gets no keys.",
        "If you did not log in there, another person knows your password. Change it: chatterbox passwd",
    ]


def recovered_lines(keys: int, bad: int) -> list[str]:
    """Confirm that the recovery key opened the backup. `bad`: items that could not be read.

    >>> recovered_lines(1204, 0)
    ['This device can read your encrypted messages now. The backup had 1,204 keys of earlier ones.']
    """
    found = f"{keys:,} key{'' if keys == 1 else 's'}" if keys else "no keys"
    lines = [f"This device can read your encrypted messages now. The backup had {found} of earlier ones."]
    if bad:
        lines.append(f"{bad:,} items of the backup could not be read: they are damaged, or from before a reset.")
    return lines


def reset_lines(locked: int, devices: int) -> list[str]:
    """What starting again with new keys costs. `locked`: keys in the backup; `devices`: other devices of the user."""
    lines = [
        "Your contacts are told that your keys changed, your safety numbers change, and verifications end.",
    ]
    if locked:
        lines.insert(0, f"Of the {locked:,} keys in the backup, those that this device does not have stay locked.")
    if devices:
        lines.append(f"{devices} other device{'' if devices == 1 else 's'} of yours must be approved again.")
    return lines
