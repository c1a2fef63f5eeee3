"""The command `keys doctor`: looks for problems with the user's keys, by using them, and names the next step."""

import json
import stat
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from chatterbox.wire.encryption.key_api import BackupItem, DeviceState, OwnDevice, OwnDevices
from client.commands.keys.key_output import ask_passphrase
from client.commands.keys.key_setup import ask_recovery_key
from client.commands.prompts import ask
from client.context import ClientContext
from client.encryption.core.backup_format import KeyBackupError, decrypt_item
from client.encryption.core.trust import Trust
from client.encryption.device import backup_queue
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.key_backup import BackupProblem
from client.encryption.sessions import inbox
from client.encryption.sessions.own_one_time_keys import LEAST_KEYS
from client.encryption.store.key_store import KeyStore, Table
from client.encryption.store.store_key import Protection, protection
from client.failures import ExitCode, Failure
from client.net.keys.key_workspace import KeyWorkspace, key_workspace
from client.output import print_result
from client.store.key_store_files import key_store_path
from client.text.sanitize import inert, inert_name

_CLOCK_S = 300
"""A clock that is further off lets requests to compare keys look too old, or of the future."""


class KeyCheck(StrEnum):
    """The checks, in order."""

    FILES = "files"
    STORE = "key store"
    PROTECTION = "protection"
    DEVICE = "device"
    CLOCK = "clock"
    ONE_TIME = "one-time keys"
    LIST = "device list"
    KNOWN = "known keys"
    INBOX = "inbox"
    BACKUP = "key backup"
    RECOVERY = "recovery key"


_WIDTH = max(map(len, KeyCheck))


@dataclass(frozen=True, slots=True)
class KeyFinding:
    """The result of a check; `advice` is empty if all is well. `is_problem`: the exit code tells it."""

    check: KeyCheck
    seen: str
    advice: str = ""
    is_problem: bool = False


def doctor(context: ClientContext, *, as_json: bool) -> ExitCode:
    """Check everything, print a line each, and return `UNREACHABLE` if there is a problem, as `doctor` does."""
    findings = []
    for finding in _findings(context, as_json=as_json):
        findings.append(finding)
        for line in [json.dumps(asdict(finding))] if as_json else lines(finding):
            print_result(line)
    problems = [finding.check.value for finding in findings if finding.is_problem]
    if not as_json:
        print_result(f"Problem found: {', '.join(problems)}." if problems else "No problems found.")
    return ExitCode.UNREACHABLE if problems else ExitCode.OK


def lines(finding: KeyFinding) -> list[str]:
    """A finding as text, with the advice on a line of its own."""
    status = "FAILED" if finding.is_problem else "warning" if finding.advice else "ok"
    left = f"{status:<7}  {finding.check:<{_WIDTH}}"
    shown = [inert(f"{left}  {finding.seen}")]
    return [*shown, inert(f"{'':<{len(left)}}  -> {finding.advice}")] if finding.advice else shown


def _findings(context: ClientContext, *, as_json: bool) -> Iterator[KeyFinding]:
    session = context.tokens.session()
    path = key_store_path(context.home, context.server, session.username)
    yield files(path)
    try:
        with key_workspace(context, ask_passphrase=ask_passphrase) as workspace:
            identity = workspace.identity
            yield store(workspace.store)
            yield kept(protection(context.home, context.server, session.username))
            yield from _of_server(workspace, identity, asks=sys.stdin.isatty() and not as_json)
    except Failure as failure:
        yield KeyFinding(KeyCheck.STORE, str(failure), "See above: nothing else can be checked.", is_problem=True)


def _of_server(workspace: KeyWorkspace, identity: DeviceIdentity, *, asks: bool) -> Iterator[KeyFinding]:
    at_server = workspace.api.devices()
    yield clock(workspace.api.clock_ahead_s())
    mine = next((each for each in at_server.devices if each.device == identity.device_id), None)
    yield device(mine)
    if mine is not None:
        yield one_time(mine)
        yield inbox_of(workspace.store, mine)
    yield own_list(workspace, identity, at_server)
    yield known(workspace, identity)
    yield backup(workspace)
    yield recovery(workspace, identity, asks=asks)


def files(path: Path) -> KeyFinding:
    """Whether others on this computer can read the files."""
    if not path.exists():
        return KeyFinding(KeyCheck.FILES, f"{path} is missing", "Make keys: chatterbox keys init", is_problem=True)
    open_ones = [each for each in (path.parent, *path.parent.glob(f"{path.stem}*")) if _is_open(each)]
    if open_ones:
        names = " ".join(str(each) for each in open_ones)
        return KeyFinding(KeyCheck.FILES, "others can read them", f"chmod go-rwx {names}", is_problem=True)
    return KeyFinding(KeyCheck.FILES, f"{path}, readable only by you")


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def store(key_store: KeyStore) -> KeyFinding:
    """Whether every value decrypts."""
    with key_store.transaction() as transaction:
        count = sum(len(transaction.rows(table)) for table in Table)
    return KeyFinding(KeyCheck.STORE, f"{count:,} values, all of them decrypt")


def kept(where: Protection | None) -> KeyFinding:
    """How the key of the key store is protected."""
    if where is Protection.FILE:
        advice = "Install a keyring (pip install keyring), or encrypt the disk of this computer."
        return KeyFinding(KeyCheck.PROTECTION, "file permissions only", advice)
    return KeyFinding(KeyCheck.PROTECTION, str(where))


def device(mine: OwnDevice | None) -> KeyFinding:
    """Whether the server has this device, and lets it read."""
    if mine is None:
        advice = "Connect once: chatterbox keys init"
        return KeyFinding(KeyCheck.DEVICE, "the server does not have this device", advice, is_problem=True)
    advice = {
        DeviceState.LISTED: "",
        DeviceState.ASLEEP: "It wakes up when it connects: chatterbox chat",
        DeviceState.PENDING: f"chatterbox keys recover here, or chatterbox keys approve {mine.device} elsewhere",
        DeviceState.ENDED: "Log in again: chatterbox login",
        DeviceState.REMOVED: "Another device removed it. Log in as a new device: chatterbox logout, then login",
    }[mine.state]
    is_problem = mine.state not in {DeviceState.LISTED, DeviceState.ASLEEP}
    return KeyFinding(KeyCheck.DEVICE, f"{mine.device}, {mine.state}", advice, is_problem)


def one_time(mine: OwnDevice) -> KeyFinding:
    """Whether others can begin sessions with this device."""
    seen = f"the server holds {len(mine.one_time)}"
    if mine.fallback_used and not mine.one_time:
        advice = "Others can't begin to write to this device. Connect: chatterbox chat"
        return KeyFinding(KeyCheck.ONE_TIME, f"{seen}, and the fallback key was used", advice, is_problem=True)
    if len(mine.one_time) < LEAST_KEYS:
        return KeyFinding(KeyCheck.ONE_TIME, seen, "More are uploaded at the next connection.")
    return KeyFinding(KeyCheck.ONE_TIME, seen)


def inbox_of(key_store: KeyStore, mine: OwnDevice) -> KeyFinding:
    """Whether this device and the server agree about what was delivered."""
    with key_store.transaction() as transaction:
        at = inbox.position(transaction)
        to_send = len(transaction.names(Table.TO_DEVICE_QUEUE))
    waiting = mine.head - mine.inbox.offset
    seen = f"{waiting} to read, {to_send} to send"
    if at is not None and at.epoch == mine.inbox.epoch and at.offset < mine.inbox.offset:
        advice = "The store is an old copy, or used twice. Get the missing keys: chatterbox keys recover"
        return KeyFinding(
            KeyCheck.INBOX, f"{seen}; the server has delivered more than is here", advice, is_problem=True
        )
    return KeyFinding(KeyCheck.INBOX, seen, "Connect: chatterbox chat" if waiting + to_send else "")


def own_list(workspace: KeyWorkspace, identity: DeviceIdentity, at_server: OwnDevices) -> KeyFinding:
    """Whether the server shows the list that this user signed, and no other devices than it names."""
    user = workspace.own.list.refresh(identity)
    if user is None:
        advice = "Connect once: chatterbox keys init"
        return KeyFinding(KeyCheck.LIST, "the server has none of you", advice, is_problem=True)
    if user.problem is not None or user.trust is Trust.CHANGED:
        why = user.problem or "other keys"
        advice = "The server shows another list than you signed. If you did not reset your keys, ask its operator."
        return KeyFinding(KeyCheck.LIST, f"not yours: {why}", advice, is_problem=True)
    ghosts = [each.device for each in at_server.devices if _is_ghost(each, user.devices.keys())]
    if ghosts:
        advice = f"They get no keys, as you did not sign them. Remove them: chatterbox keys refuse {ghosts[0]}"
        return KeyFinding(KeyCheck.LIST, f"the server lists {', '.join(ghosts)}, too", advice, is_problem=True)
    return KeyFinding(KeyCheck.LIST, f"version {user.version}, {len(user.devices)} devices, signed by you")


def _is_ghost(device: OwnDevice, listed: Collection[str]) -> bool:
    return device.state in {DeviceState.LISTED, DeviceState.ASLEEP} and device.device not in listed


def known(workspace: KeyWorkspace, identity: DeviceIdentity) -> KeyFinding:
    """Whether the server shows the keys of others that are known here."""
    with workspace.store.transaction() as transaction:
        ids = [int(row) for row in transaction.names(Table.KNOWN_KEYS)]
        names = [user.username for each in ids if (user := workspace.users.user(transaction, each)) is not None]
    others = [name for name in names if name != identity.username]
    shown = workspace.api.users(others)
    with workspace.store.transaction() as transaction:
        checked = [workspace.users.accept(transaction, each) for each in shown]
    wrong = [user for user in checked if user is not None and user.problem is not None]
    changed = [user for user in checked if user is not None and user.trust is Trust.CHANGED]
    verified = sum(user is not None and user.trust is Trust.VERIFIED for user in checked)
    if wrong:
        advice = "The server shows keys that are old, or that their owner did not sign. They are not used."
        names = [inert_name(user.username) for user in wrong]
        return KeyFinding(KeyCheck.KNOWN, f"wrong for {', '.join(names)}", advice, is_problem=True)
    if changed:
        who = inert_name(changed[0].username)
        return KeyFinding(KeyCheck.KNOWN, f"new keys of {len(changed)} users", f"chatterbox keys number {who}")
    return KeyFinding(KeyCheck.KNOWN, f"of {len(others)} users, {verified} verified")


def backup(workspace: KeyWorkspace) -> KeyFinding:
    """Whether everything is in the key backup."""
    header = workspace.api.backup()
    if header is None:
        advice = "If this computer is lost, so are your messages. Make a recovery key: chatterbox keys code"
        return KeyFinding(KeyCheck.BACKUP, "none", advice)
    with workspace.store.transaction() as transaction:
        waiting = backup_queue.waiting(transaction)
    seen = f"{header.items:,} keys, {waiting:,} waiting"
    return KeyFinding(KeyCheck.BACKUP, seen, "They are added at the next connection." if waiting else "")


def recovery(workspace: KeyWorkspace, identity: DeviceIdentity, *, asks: bool) -> KeyFinding:
    """Whether the recovery key opens the backup, if the user types it."""
    if workspace.api.backup() is None:
        return KeyFinding(KeyCheck.RECOVERY, "none")
    if not asks or ask("Test your recovery key, too? [y/n] ").casefold() not in {"y", "yes"}:
        return KeyFinding(KeyCheck.RECOVERY, "not tested" if asks else "not tested; on a terminal, it can be")
    try:
        header, _ = workspace.own.backup.open_header(identity, ask_recovery_key("Recovery key: "))
        workspace.own.backup.check_header(identity, header)
    except BackupProblem as problem:
        return KeyFinding(KeyCheck.RECOVERY, str(problem), "Make another one: chatterbox keys code", is_problem=True)
    page = workspace.api.backup_items(0, 1)
    return KeyFinding(KeyCheck.RECOVERY, _tested(header.item_keys, page.items))


def _tested(item_keys: tuple[bytes, ...], items: Sequence[BackupItem]) -> str:
    """What opening an item of the backup shows."""
    if not items:
        return "opens the backup, which is empty"
    try:
        decrypt_item(item_keys, items[0])
    except KeyBackupError:
        return "opens the backup, but its first item does not decrypt (it may be from before a reset)"
    return "opens the backup; its first item decrypts"


def clock(ahead_s: float | None) -> KeyFinding:
    """Whether this computer's clock agrees with the server's."""
    if ahead_s is None:
        return KeyFinding(KeyCheck.CLOCK, "the server did not tell the time")
    if abs(ahead_s) > _CLOCK_S:
        seen = f"{abs(ahead_s):,.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the server"
        return KeyFinding(KeyCheck.CLOCK, seen, "Set the clock: else comparing keys fails.", is_problem=True)
    return KeyFinding(KeyCheck.CLOCK, "agrees with the server")
