"""The commands that make and change the user's own keys: init, recover, code, approve, refuse, remove, reset."""

import secrets
import sys
from pathlib import Path
from typing import NoReturn, assert_never

from chatterbox.wire.encryption.key_api import OwnDevice
from chatterbox.wire.errors import Code
from client.commands.keys.key_files import write_private
from client.commands.keys.key_output import tell, tell_all
from client.commands.prompts import ask
from client.encryption.core import recovery_dialog
from client.encryption.core.recovery_dialog import Typed
from client.encryption.core.recovery_key import RecoveryKeyError, format_recovery_key, parse_recovery_key
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.device_setup import DeviceSetupResult, Standing
from client.encryption.device.recovery import new_recovery_key
from client.failures import ExitCode, Failure, ServerRefused, UsageError
from client.net.keys import key_jobs
from client.net.keys.key_workspace import KeyWorkspace
from client.output import print_status
from client.text.encryption import keys_text
from client.text.encryption.encryption_text import STORE_CLONED, STORE_IN_USE
from client.text.encryption.shell_words import for_shell


def init(workspace: KeyWorkspace, recovery_to: Path | None) -> ExitCode:
    """Make keys on this computer, and a recovery key: shown and typed back, or written to a file."""
    _refuse_existing(recovery_to)
    result = workspace.own.set_up()
    identity = _usable(result)
    tell(keys_text.FIRST_USE if result.is_first else f"This device is {identity.device_id}. It can read.")
    if workspace.api.backup() is not None:
        if recovery_to is not None:
            raise UsageError("You have a recovery key already. To make another one: chatterbox keys code")
        tell("You have a recovery key.")
        return ExitCode.OK
    return _first_recovery_key(workspace, recovery_to)


def code(workspace: KeyWorkspace, recovery_to: Path | None) -> ExitCode:
    """Make a recovery key, or another one in place of the present one."""
    _refuse_existing(recovery_to)
    identity = _usable(workspace.own.set_up())
    if workspace.api.backup() is None:
        return _first_recovery_key(workspace, recovery_to)
    present = ask_recovery_key("Present recovery key: ")
    workspace.own.backup.open_header(identity, present)
    made = _shown_key(recovery_to)
    if made is None:
        tell("The present recovery key stays in use.")
        return ExitCode.OK
    workspace.own.recovery.replace_key(identity, present, made)
    tell("The new recovery key is in use. The former one opens nothing any more.")
    return ExitCode.OK


def recover(workspace: KeyWorkspace) -> ExitCode:
    """Let this device in by the recovery key: it can read everything that was backed up."""
    result = workspace.own.set_up()
    identity = _present(result)
    if result.standing not in {Standing.READY, Standing.PENDING}:
        _usable(result)
    recovered = workspace.own.recovery.recover(identity, ask_recovery_key("Recovery key: "), _progress)
    workspace.own.keep_up(workspace.own.set_up())
    for line in keys_text.recovered_lines(len(recovered.restored.arrived), recovered.restored.bad):
        tell(line)
    return ExitCode.OK


def refuse(workspace: KeyWorkspace, device: str, *, confirmed: bool) -> ExitCode:
    """Refuse a new device that waits to be approved."""
    found = key_jobs.pending_device(workspace, device)
    _confirm(f"Refuse {found.device}? [y/n] ", confirmed=confirmed)
    tell_all(key_jobs.refuse(workspace, found))
    return ExitCode.OK


def remove(workspace: KeyWorkspace, device: str, *, stolen: bool, confirmed: bool) -> ExitCode:
    """Remove a device of the user for ever; `stolen`: replace the keys that it has, too."""
    found = key_jobs.other_device(workspace, device)
    if not confirmed:
        tell(f"{found.device} gets no keys any more, for ever. It keeps what it has read.")
    _confirm(f"Remove {found.device}? [y/n] ", confirmed=confirmed)
    identity = _usable(workspace.own.set_up())
    if not stolen:
        tell_all(key_jobs.remove(workspace, found))
        return ExitCode.OK
    workspace.own.recovery.remove_stolen(identity, found.device, ask_recovery_key("Recovery key: "))
    tell_all(keys_text.stolen_lines(found.device, is_logged_out=_is_logged_out(workspace, found)))
    return ExitCode.OK


def _is_logged_out(workspace: KeyWorkspace, stolen: OwnDevice) -> bool:
    """End the login session of a stolen device; whether it has none any more."""
    try:
        if stolen.session:
            workspace.api.end_session(stolen.session)
    except ServerRefused as refusal:
        return refusal.code == Code.SESSION_UNKNOWN
    except Failure:
        return False
    return True


def reset(workspace: KeyWorkspace, *, confirmed: bool) -> ExitCode:
    """Start again with new keys: what only the former ones open is lost."""
    result = workspace.own.set_up()
    identity = _present(result)
    if result.standing not in {Standing.READY, Standing.PENDING}:
        _usable(result)
    cost = workspace.own.recovery.cost_of_reset(identity)
    for line in keys_text.reset_lines(cost.locked_items, cost.devices):
        tell(line)
    if not confirmed and ask("Type `reset` to start again with new keys: ").casefold() != "reset":
        raise UsageError("Cancelled.")
    workspace.own.recovery.reset(identity)
    tell("Your keys are new. Now a recovery key for them:")
    return _first_recovery_key(workspace, None)


def ask_recovery_key(question: str) -> bytes:
    """Ask for a recovery key until it is well formed; without a terminal, it is the next line of the input."""
    while True:
        typed = ask(question) if sys.stdin.isatty() else sys.stdin.readline()
        try:
            return parse_recovery_key(typed)
        except RecoveryKeyError as problem:
            if not sys.stdin.isatty():
                raise Failure(str(problem)) from None
            print_status(str(problem))


def _first_recovery_key(workspace: KeyWorkspace, recovery_to: Path | None) -> ExitCode:
    made = _shown_key(recovery_to)
    if made is None:
        with workspace.store.transaction() as transaction:
            workspace.own.recovery.postpone(transaction)
        tell(keys_text.RECOVERY_KEY_POSTPONED)
        return ExitCode.OK
    tell_all(key_jobs.adopt_recovery_key(workspace, made))
    return ExitCode.OK


def _shown_key(recovery_to: Path | None) -> bytes | None:
    """A new recovery key that the user has written down, or that is in a file; None: later."""
    made = new_recovery_key()
    if recovery_to is not None:
        write_private(recovery_to, f"{format_recovery_key(made)}\n")
        tell(f"The recovery key is in {recovery_to}. Keep it safe; it opens all your messages.")
        return made
    if not sys.stdin.isatty():
        print_status("No recovery key was made: without a terminal, use --recovery-to FILE.")
        return None
    dialog = recovery_dialog.begin(made, secrets.token_bytes(2))
    for line in (keys_text.RECOVERY_KEY_INTRO, "", f"    {dialog.shown}", "", keys_text.RECOVERY_KEY_MEANING):
        tell(line)
    tell(keys_text.RECOVERY_KEY_LATER)
    while True:
        typed, dialog = recovery_dialog.answer(dialog, ask(keys_text.recovery_key_question(dialog.groups)))
        match typed:
            case Typed.RIGHT:
                return made
            case Typed.LATER:
                return None
            case Typed.WRONG:
                tell(keys_text.RECOVERY_KEY_WRONG)
            case _:
                assert_never(typed)


def _present(result: DeviceSetupResult) -> DeviceIdentity:
    if result.identity is None:
        _unusable(result.standing, "")
    if result.was_superseded and result.standing is not Standing.CLASHES:
        print_status(STORE_CLONED)
    return result.identity


def _usable(result: DeviceSetupResult) -> DeviceIdentity:
    """The device, if it may read and write; raises `Failure` if not."""
    identity = _present(result)
    if result.standing is not Standing.READY:
        _unusable(result.standing, identity.device_id)
    return identity


def _unusable(standing: Standing, device: str) -> NoReturn:
    match standing:
        case Standing.OFF:
            raise ServerRefused("This server has no end-to-end encryption, or it is switched off.")
        case Standing.PENDING:
            raise ServerRefused(for_shell(keys_text.new_device_line(device)))
        case Standing.ENDED | Standing.REMOVED:
            raise ServerRefused(for_shell(keys_text.DEVICE_REMOVED))
        case Standing.CLASHES:
            raise Failure(STORE_IN_USE)
        case Standing.READY:
            raise AssertionError(standing)
        case _:
            assert_never(standing)


def _confirm(question: str, *, confirmed: bool) -> None:
    if not confirmed and ask(question).casefold() not in {"y", "yes"}:
        raise UsageError("Cancelled.")


def _progress(items: int) -> None:
    print_status(f"{items:,} keys read from the backup ...")


def _refuse_existing(recovery_to: Path | None) -> None:
    if recovery_to is not None and recovery_to.exists():
        raise UsageError(f"{recovery_to} exists. Choose another name.")
