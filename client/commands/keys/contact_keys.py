"""Commands about other users' keys that print JSON or ask: number, verify by number, `--accept-keys`."""

import json

from client.commands.keys.key_output import tell_all
from client.commands.prompts import ask
from client.encryption.core.trust import Trust
from client.encryption.core.verification.safety_number import normalized
from client.encryption.core.verification.verification_state import VerificationEnd
from client.failures import ExitCode
from client.net.keys import key_jobs
from client.net.keys.key_news import since
from client.net.keys.key_workspace import KeyWorkspace
from client.output import print_result
from client.text.encryption.verification_text import ended_lines

YES, NO = {"y", "yes"}, {"n", "no"}


def number(workspace: KeyWorkspace, username: str, *, as_json: bool) -> ExitCode:
    """Print the safety number with a user."""
    if as_json:
        user = workspace.user(username)
        facts = {"username": user.username, "number": workspace.number(user)}
        print_result(json.dumps(facts | {"trust": user.trust, "since": since(user)}))
    else:
        tell_all(key_jobs.number(workspace, username))
    return ExitCode.OK


def verify_by_number(workspace: KeyWorkspace, username: str) -> ExitCode:
    """Show the safety number, ask whether the other sees the same, and mark them as verified."""
    user = workspace.user(username)
    tell_all(key_jobs.number(workspace, username))
    end = VerificationEnd.VERIFIED if asked_whether_same() else VerificationEnd.MISMATCH
    if end is VerificationEnd.VERIFIED:
        with workspace.store.transaction() as transaction:
            workspace.users.mark_verified(transaction, user.user_id, user.master)
    tell_all(ended_lines(end, user.username))
    return ExitCode.OK if end is VerificationEnd.VERIFIED else ExitCode.REFUSED


def accept_by_number(workspace: KeyWorkspace, username: str, digits: str) -> None:
    """Take changed keys of a user if they have this safety number; raises `KeysChanged` if they have another one."""
    user = workspace.user(username)
    if user.trust is not Trust.CHANGED:
        return
    if normalized(digits) != normalized(workspace.number(user)):
        raise key_jobs.changed_keys(workspace, user)
    with workspace.store.transaction() as transaction:
        if user.was_verified:
            workspace.users.mark_verified(transaction, user.user_id, user.master)
        else:
            workspace.users.accept_change(transaction, user.user_id, user.master)


def asked_whether_same() -> bool:
    """Ask on the terminal until the answer is yes or no."""
    while True:
        answer = ask("Is it the same? [y/n] ").casefold()
        if answer in YES | NO:
            return answer in YES
