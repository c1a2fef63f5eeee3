"""What commands and chats do with keys over HTTP. Each returns lines for the user, or raises `Failure`."""

from collections.abc import Sequence

from chatterbox.wire.encryption.key_api import DeviceState, OwnDevice
from client.encryption.core.known_keys import VerifiedFirst
from client.encryption.core.trust import Trust
from client.encryption.device import backup_queue
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.trusted_users import TrustedUser
from client.encryption.store.store_key import Protection, protection
from client.failures import KeysChanged, ServerRefused, UsageError
from client.net.keys.key_news import since
from client.net.keys.key_workspace import KeyWorkspace
from client.text.encryption import keys_text
from client.text.encryption.encryption_text import header_words, key_change_lines, keys_changed_refusal
from client.text.encryption.keys_text import KeysState, ShownDevice
from client.text.encryption.shell_words import for_shell
from client.text.encryption.verification_text import safety_number_lines
from client.text.sanitize import inert_name

_PROTECTIONS = {
    Protection.KEYRING: "The key store is protected by the keyring of this system.",
    Protection.PASSPHRASE: "The key store is protected by a passphrase.",
    Protection.FILE: (
        "The key store is protected by file permissions only: who can read your files can read your messages."
    ),
}


def number(workspace: KeyWorkspace, username: str) -> list[str]:
    """The safety number with a user."""
    user = workspace.user(username)
    lines = []
    if user.trust is Trust.CHANGED:
        lines.append(key_change_lines(user.username, since(user), verified=user.was_verified)[0])
    is_verified = user.trust is Trust.VERIFIED
    return lines + safety_number_lines(user.username, workspace.number(user), verified=is_verified)


def unverify(workspace: KeyWorkspace, username: str) -> list[str]:
    """Remove the mark of a user who was verified; messages may be sent to new keys then."""
    user = workspace.user(username)
    with workspace.store.transaction() as transaction:
        workspace.users.unverify(transaction, user.user_id)
    who = inert_name(user.username)
    return [f"{who} does not count as verified any more. To compare keys again: /verify {who}"]


def accept(workspace: KeyWorkspace, username: str) -> list[str]:
    """Take the new keys of a user, so that messages are sent to them again. Raises `KeysChanged`."""
    user = workspace.user(username)
    who = inert_name(user.username)
    if user.trust is not Trust.CHANGED:
        return [f"The keys of {who} have not changed: {header_words(user.trust, since(user))}"]
    try:
        with workspace.store.transaction() as transaction:
            workspace.users.accept_change(transaction, user.user_id, user.master)
    except VerifiedFirst:
        raise changed_keys(workspace, user) from None
    return [f"Accepted the new keys of {who}. To be sure that they are right: /verify {who}"]


def changed_keys(workspace: KeyWorkspace, user: TrustedUser) -> KeysChanged:
    """The failure of a script: the keys of a recipient changed."""
    refusal = keys_changed_refusal(user.username, workspace.number(user), verified=user.was_verified)
    return KeysChanged(for_shell(refusal))


def keys_state(workspace: KeyWorkspace, present: Sequence[OwnDevice]) -> KeysState:
    """How the user's keys are; `present`: the devices at the server."""
    identity = workspace.identity
    with workspace.store.transaction() as transaction:
        waiting = backup_queue.waiting(transaction)
        has_backup = bool(identity.secrets(transaction).item_keys)
    is_listed = any(each.device == identity.device_id and each.state is DeviceState.LISTED for each in present)
    return KeysState(
        devices=sum(each.state in {DeviceState.LISTED, DeviceState.ASLEEP} for each in present),
        pending=sum(each.state is DeviceState.PENDING for each in present),
        recovery_key=has_backup or (not is_listed and workspace.own.backup.exists()),
        backup_waiting=waiting,
    )


def own_protection(workspace: KeyWorkspace) -> Protection | None:
    """How the key of the key store is protected."""
    return protection(workspace.context.home, workspace.context.server, workspace.session.username)


def status(workspace: KeyWorkspace) -> list[str]:
    """Backup, devices, recovery key, how the key store is protected, and what this device lacks."""
    present = present_devices(workspace)
    kept = own_protection(workspace)
    lines = [keys_text.status_line(keys_state(workspace, present)), *([_PROTECTIONS[kept]] if kept else [])]
    return lines + _missing(workspace, workspace.identity, present)


def devices(workspace: KeyWorkspace) -> list[str]:
    """A line for each device of the user."""
    current = workspace.identity.device_id
    return [
        keys_text.device_line(
            ShownDevice(
                each.device,
                each.state,
                seen=each.seen,
                since=each.since,
                current=each.device == current,
                dehydrated=each.dehydrated,
            )
        )
        for each in workspace.api.devices().devices
    ]


def present_devices(workspace: KeyWorkspace) -> list[OwnDevice]:
    """The devices of the user, without the dehydrated one."""
    return [each for each in workspace.api.devices().devices if not each.dehydrated]


def own_device(workspace: KeyWorkspace, start: str) -> OwnDevice:
    """The device of the user whose id begins so."""
    found = [each for each in present_devices(workspace) if each.device.startswith(start.upper())]
    if not found:
        raise ServerRefused(f"You have no device {inert_name(start)}. List them: chatterbox keys devices")
    if len(found) > 1:
        raise UsageError(f"Several devices begin with {inert_name(start)}. Type more of the id.")
    return found[0]


def pending_device(workspace: KeyWorkspace, start: str) -> OwnDevice:
    """The same, if it waits to be approved."""
    found = own_device(workspace, start)
    if found.state is not DeviceState.PENDING:
        raise ServerRefused(f"{found.device} does not wait for your approval. To remove it: keys remove {found.device}")
    return found


def refuse(workspace: KeyWorkspace, found: OwnDevice) -> list[str]:
    """Refuse a new device that waits to be approved."""
    workspace.own.approval.refuse(found.device)
    return keys_text.refusal_lines(found.device)


def other_device(workspace: KeyWorkspace, start: str) -> OwnDevice:
    """The device whose id begins so, if it is another one than this."""
    found = own_device(workspace, start)
    if found.device == workspace.identity.device_id:
        raise UsageError("That is this device. To remove it, log out: chatterbox logout")
    return found


def remove(workspace: KeyWorkspace, found: OwnDevice) -> list[str]:
    """Remove a device of the user for ever."""
    workspace.own.recovery.remove(workspace.identity, found.device)
    return keys_text.removal_lines(found.device)


def adopt_recovery_key(workspace: KeyWorkspace, key: bytes) -> list[str]:
    """Make the key backup that `key` opens, which the user has written down."""
    workspace.own.recovery.adopt(workspace.identity, key)
    workspace.own.keep_up(workspace.own.set_up())
    workspace.own.ensure_dehydrated(workspace.identity)
    return [keys_text.RECOVERY_KEY_KEPT]


def _missing(workspace: KeyWorkspace, identity: DeviceIdentity, present: Sequence[OwnDevice]) -> list[str]:
    """What to do if this device is not in the user's list."""
    mine = next((each for each in present if each.device == identity.device_id), None)
    user = workspace.own.list.refresh(identity)
    if user is not None and identity.device_id in user.removed:
        return [keys_text.DEVICE_REMOVED]
    if mine is None:
        return ["The server does not have this device yet: chatterbox keys init"]
    return keys_text.new_device_lines(identity.device_id) if mine.state is DeviceState.PENDING else []
