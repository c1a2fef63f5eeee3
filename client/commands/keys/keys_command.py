"""The command `keys`: which part of it runs, with which options."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from client.commands.keys import contact_keys, key_files, key_setup, own_devices, store_passphrase
from client.commands.keys.key_diagnosis import doctor
from client.commands.keys.key_output import ask_passphrase, tell_all
from client.context import ClientContext
from client.failures import ExitCode, UsageError
from client.net.keys import key_jobs
from client.net.keys.key_workspace import KeyWorkspace, key_workspace

_TARGETS = {
    **dict.fromkeys(("approve", "refuse", "remove"), "ID of a device, from `chatterbox keys devices`"),
    **dict.fromkeys(("number", "verify", "unverify", "accept"), "USERNAME"),
    **dict.fromkeys(("export", "import"), "FILE"),
}
"""What each action needs to be told."""


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """What was given beside the action."""

    target: str = ""
    """A device, a user or a file."""
    is_stolen: bool = False
    by_number: bool = False
    recovery_to: Path | None = None
    passphrase_file: Path | None = None
    confirmed: bool = False
    as_json: bool = False


def keys(context: ClientContext, what: str, options: KeyOptions) -> ExitCode:
    """Run `keys WHAT`; raises `Failure`."""
    if what in _TARGETS and not options.target:
        raise UsageError(f"`keys {what}` needs the {_TARGETS[what]}.")
    if options.target and what not in _TARGETS:
        raise UsageError(f"`keys {what}` takes no {options.target!r}.")
    if what == "doctor":
        return doctor(context, as_json=options.as_json)
    if what == "approve" or (what == "verify" and not options.by_number):
        from client.commands.keys import verify_command

        if what == "approve":
            return verify_command.approve(context, options.target)
        return verify_command.verify(context, _user(options))
    with key_workspace(context, creates=what in {"init", "recover"}, ask_passphrase=ask_passphrase) as workspace:
        return _ACTIONS[what](workspace, options)


_ACTIONS: dict[str, Callable[[KeyWorkspace, KeyOptions], ExitCode]] = {
    "status": lambda keys, options: own_devices.status(keys, as_json=options.as_json),
    "devices": lambda keys, options: own_devices.devices(keys, as_json=options.as_json),
    "init": lambda keys, options: key_setup.init(keys, options.recovery_to),
    "recover": lambda keys, _: key_setup.recover(keys),
    "code": lambda keys, options: key_setup.code(keys, options.recovery_to),
    "refuse": lambda keys, options: key_setup.refuse(keys, options.target, confirmed=options.confirmed),
    "remove": lambda keys, options: key_setup.remove(
        keys, options.target, stolen=options.is_stolen, confirmed=options.confirmed
    ),
    "reset": lambda keys, options: key_setup.reset(keys, confirmed=options.confirmed),
    "number": lambda keys, options: contact_keys.number(keys, _user(options), as_json=options.as_json),
    "verify": lambda keys, options: contact_keys.verify_by_number(keys, _user(options)),
    "unverify": lambda keys, options: _told(key_jobs.unverify(keys, _user(options))),
    "accept": lambda keys, options: _told(key_jobs.accept(keys, _user(options))),
    "passphrase": lambda keys, options: store_passphrase.change(keys, options.passphrase_file),
    "export": lambda keys, options: key_files.export_keys(keys, Path(options.target)),
    "import": lambda keys, options: key_files.import_keys(keys, Path(options.target)),
}


def _told(lines: list[str]) -> ExitCode:
    tell_all(lines)
    return ExitCode.OK


def _user(options: KeyOptions) -> str:
    return options.target.removeprefix("@")
