"""The commands that show the user's own keys: status and devices."""

import json

from client.commands.keys.key_output import tell_all
from client.failures import ExitCode
from client.net.keys import key_jobs
from client.net.keys.key_workspace import KeyWorkspace
from client.output import print_result


def status(workspace: KeyWorkspace, *, as_json: bool) -> ExitCode:
    """Print how the user's keys are: backup, devices, recovery key, and how the key store is protected."""
    if as_json:
        state = key_jobs.keys_state(workspace, key_jobs.present_devices(workspace))._asdict()
        state.pop("backup_s")
        facts = {"device": workspace.identity.device_id, **state, "protection": key_jobs.own_protection(workspace)}
        print_result(json.dumps(facts))
    else:
        tell_all(key_jobs.status(workspace))
    return ExitCode.OK


def devices(workspace: KeyWorkspace, *, as_json: bool) -> ExitCode:
    """List the user's devices."""
    if not as_json:
        tell_all(key_jobs.devices(workspace))
        return ExitCode.OK
    current = workspace.identity.device_id
    for each in workspace.api.devices().devices:
        facts = {name: getattr(each, name) for name in ("device", "state", "dehydrated", "since", "seen")}
        print_result(json.dumps(facts | {"current": each.device == current}))
    return ExitCode.OK
