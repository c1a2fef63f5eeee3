"""The commands that show the user's own keys: status and devices."""

import json
from collections.abc import Sequence

from chatterbox.wire.encryption.key_api import DeviceState, OwnDevice
from client.commands.keys.key_output import tell
from client.commands.keys.key_workspace import KeyWorkspace
from client.encryption.device import backup_queue
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.store.store_key import Protection, protection
from client.failures import ExitCode
from client.output import print_result
from client.text.encryption.keys_text import (
    DEVICE_REMOVED,
    KeysState,
    ShownDevice,
    device_line,
    new_device_lines,
    status_line,
)

_PROTECTIONS = {
    Protection.KEYRING: "The key store is protected by the keyring of this system.",
    Protection.PASSPHRASE: "The key store is protected by a passphrase.",
    Protection.FILE: (
        "The key store is protected by file permissions only: who can read your files can read your messages."
    ),
}


def status(workspace: KeyWorkspace, *, as_json: bool) -> ExitCode:
    """Print how the user's keys are: backup, devices, recovery key, and how the key store is protected."""
    identity = workspace.identity
    at_server, header = workspace.api.devices(), workspace.api.backup()
    with workspace.store.transaction() as transaction:
        waiting = backup_queue.waiting(transaction)
        has_backup = bool(identity.secrets(transaction).item_keys)
    present = [each for each in at_server.devices if not each.dehydrated]
    state = KeysState(
        devices=sum(each.state in {DeviceState.LISTED, DeviceState.ASLEEP} for each in present),
        pending=sum(each.state is DeviceState.PENDING for each in present),
        recovery_key=has_backup or (header is not None and not _is_listed(identity, present)),
        backup_waiting=waiting,
    )
    kept = protection(workspace.context.home, workspace.context.server, workspace.session.username)
    if as_json:
        facts = {"device": identity.device_id, **state._asdict(), "protection": kept}
        facts.pop("backup_s")
        print_result(json.dumps(facts))
        return ExitCode.OK
    print_result(status_line(state))
    if kept is not None:
        tell(_PROTECTIONS[kept])
    for line in pending_lines(workspace, identity, present):
        tell(line)
    return ExitCode.OK


def devices(workspace: KeyWorkspace, *, as_json: bool) -> ExitCode:
    """List the user's devices."""
    identity = workspace.identity
    for each in workspace.api.devices().devices:
        if as_json:
            names = ("device", "state", "dehydrated", "since", "seen")
            facts = {name: getattr(each, name) for name in names}
            print_result(json.dumps(facts | {"current": each.device == identity.device_id}))
        else:
            tell(device_line(row_of(each, identity)))
    return ExitCode.OK


def _is_listed(identity: DeviceIdentity, present: Sequence[OwnDevice]) -> bool:
    return any(each.device == identity.device_id and each.state is DeviceState.LISTED for each in present)


def row_of(device: OwnDevice, identity: DeviceIdentity) -> ShownDevice:
    return ShownDevice(
        device.device,
        device.state,
        seen=device.seen,
        since=device.since,
        current=device.device == identity.device_id,
        dehydrated=device.dehydrated,
    )


def pending_lines(workspace: KeyWorkspace, identity: DeviceIdentity, present: Sequence[OwnDevice]) -> list[str]:
    """What to do if this device is not in the user's list."""
    mine = next((each for each in present if each.device == identity.device_id), None)
    user = workspace.own.list.refresh(identity)
    if user is not None and identity.device_id in user.removed:
        return [DEVICE_REMOVED]
    if mine is None:
        return ["The server does not have this device yet: /keys init"]
    return new_device_lines(identity.device_id) if mine.state is DeviceState.PENDING else []
