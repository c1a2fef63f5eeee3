"""What logging out means for the keys of this computer: they are backed up, or the user is asked, and deleted."""

import sys
from contextlib import closing, suppress

from client.commands.prompts import ask
from client.context import ClientContext
from client.encryption.device import backup_queue
from client.encryption.device.backup_queue import BackupKind
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.own_keys import OwnKeys
from client.encryption.store.store_key import delete_key_store, open_key_store
from client.failures import Failure
from client.net.keys.key_workspace import now_ms
from client.net.keys_api import KeysApi
from client.output import print_status
from client.store.session_file import SavedSession

NOTHING_RECEIVES = (
    "What others write while you are logged out everywhere can't be read later: the server did not take the device "
    "that receives its keys. To keep those messages, log out when the server answers again."
)


def leave(context: ClientContext, session: SavedSession) -> bool:
    """Back up what the backup lacks, and take this device out of the user's list; the dehydrated one stays.

    Returns whether the key store is to be deleted once the session is ended. If keys would be lost, the user is asked;
    without a terminal the key store stays. Raises `Failure` if the user does not want to log out then.
    """
    try:
        store = open_key_store(context.home, context.server, session.username)
    except Failure as problem:
        return _is_wanted(f"{problem}\nLogging out deletes the key store.")
    with closing(store), KeysApi(context.server, session.token) as api:
        keys = OwnKeys(store, api, username=session.username, session=session.session, now_ms=now_ms)
        with store.transaction() as transaction:
            identity = DeviceIdentity.load(transaction)
        if identity is None:
            return True
        _back_up(keys, identity)
        with store.transaction() as transaction:
            lost = backup_queue.waiting(transaction, BackupKind.ROOM_SESSION)
            is_only = bool(identity.secrets(transaction).master)
        if is_only and not lost:  # a user who never wrote encrypted keeps the same keys, and is not asked
            return False
        loss = _loss(lost, is_only=is_only) if lost else ""
        if not is_only and keys.dehydrated.is_missing(identity):
            loss = f"{loss}\n{NOTHING_RECEIVES}".strip()
        if loss and not _is_wanted(loss):
            return False
        with suppress(Failure):  # the session ends all the same, and the device with it
            if not is_only:
                keys.recovery.remove(identity, identity.device_id)
    return True


def delete(context: ClientContext, session: SavedSession) -> None:
    """Delete the key store; raises `Failure`."""
    delete_key_store(context.home, context.server, session.username)


def _back_up(keys: OwnKeys, identity: DeviceIdentity) -> None:
    with suppress(Failure):  # what is not backed up is counted
        keys.set_up()
        keys.backup.upload_all(identity)
        keys.ensure_dehydrated(identity)


def _loss(lost: int, *, is_only: bool) -> str:
    """What is lost with the key store."""
    series = "1 series of messages" if lost == 1 else f"{lost:,} series of messages"
    lines = [f"The keys of {series} are on this computer only. Without them the messages can't be read again."]
    if is_only:
        lines.append("You have no recovery key: after the next login you start with new keys, which your contacts see.")
        lines.append("To keep your keys, make a recovery key first: chatterbox keys code")
    return "\n".join(lines)


def _is_wanted(loss: str) -> bool:
    for line in loss.splitlines():
        print_status(line)
    if not sys.stdin.isatty():
        print_status("The key store stays on this computer. To delete it, log out in a terminal.")
        return False
    if ask("Log out and delete the keys? [y/N] ").casefold() not in {"y", "yes"}:
        raise Failure("You are still logged in.")
    return True
