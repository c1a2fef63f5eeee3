"""The commands about other users' keys: number, verify by number, unverify, accept."""

import json
from datetime import UTC, datetime

from client.commands.keys.key_output import tell
from client.commands.keys.key_workspace import KeyWorkspace
from client.commands.prompts import ask
from client.encryption.core.known_keys import VerifiedFirst
from client.encryption.core.trust import Trust
from client.encryption.core.verification.safety_number import normalized
from client.encryption.core.verification.verification_state import VerificationEnd
from client.encryption.device.trusted_users import TrustedUser
from client.failures import ExitCode, KeysChanged
from client.output import print_result
from client.text.encryption.encryption_text import header_words, key_change_lines, keys_changed_refusal
from client.text.encryption.shell_words import for_shell
from client.text.encryption.verification_text import ended_lines, safety_number_lines
from client.text.sanitize import inert_name

YES, NO = {"y", "yes"}, {"n", "no"}


def number(workspace: KeyWorkspace, username: str, *, as_json: bool) -> ExitCode:
    """Print the safety number with a user."""
    user = workspace.user(username)
    if as_json:
        facts = {
            "username": user.username,
            "number": workspace.number(user),
            "trust": user.trust,
            "since": day_of(user),
        }
        print_result(json.dumps(facts))
        return ExitCode.OK
    _print_number(workspace, user)
    return ExitCode.OK


def verify_by_number(workspace: KeyWorkspace, username: str) -> ExitCode:
    """Show the safety number, ask whether the other sees the same, and mark them as verified."""
    user = workspace.user(username)
    _print_number(workspace, user)
    end = VerificationEnd.VERIFIED if asked_whether_same() else VerificationEnd.MISMATCH
    if end is VerificationEnd.VERIFIED:
        with workspace.store.transaction() as transaction:
            workspace.users.mark_verified(transaction, user.user_id, user.master)
    for line in ended_lines(end, user.username):
        tell(line)
    return ExitCode.OK if end is VerificationEnd.VERIFIED else ExitCode.REFUSED


def unverify(workspace: KeyWorkspace, username: str) -> ExitCode:
    """Remove the mark of a user who was verified; messages may be sent to new keys then."""
    user = workspace.user(username)
    with workspace.store.transaction() as transaction:
        workspace.users.unverify(transaction, user.user_id)
    who = inert_name(user.username)
    tell(f"{who} does not count as verified any more. To compare keys again: chatterbox keys verify {who}")
    return ExitCode.OK


def accept(workspace: KeyWorkspace, username: str) -> ExitCode:
    """Take the new keys of a user, so that messages are sent to them again."""
    user = workspace.user(username)
    who = inert_name(user.username)
    if user.trust is not Trust.CHANGED:
        tell(f"The keys of {who} have not changed: {header_words(user.trust, day_of(user))}")
        return ExitCode.OK
    try:
        with workspace.store.transaction() as transaction:
            workspace.users.accept_change(transaction, user.user_id, user.master)
    except VerifiedFirst:
        raise changed_keys(workspace, user) from None
    tell(f"Accepted the new keys of {who}. To be sure that they are right: chatterbox keys verify {who}")
    return ExitCode.OK


def accept_by_number(workspace: KeyWorkspace, username: str, digits: str) -> None:
    """Take changed keys of a user if they have this safety number; raises `KeysChanged` if they have another one."""
    user = workspace.user(username)
    if user.trust is not Trust.CHANGED:
        return
    if normalized(digits) != normalized(workspace.number(user)):
        raise changed_keys(workspace, user)
    with workspace.store.transaction() as transaction:
        if user.was_verified:
            workspace.users.mark_verified(transaction, user.user_id, user.master)
        else:
            workspace.users.accept_change(transaction, user.user_id, user.master)


def changed_keys(workspace: KeyWorkspace, user: TrustedUser) -> KeysChanged:
    """The failure of a script: the keys of a recipient changed."""
    return KeysChanged(
        for_shell(keys_changed_refusal(user.username, workspace.number(user), verified=user.was_verified))
    )


def asked_whether_same() -> bool:
    """Ask on the terminal until the answer is yes or no."""
    while True:
        answer = ask("Is it the same? [y/n] ").casefold()
        if answer in YES | NO:
            return answer in YES


def day_of(user: TrustedUser) -> str:
    """Since when the user's keys are known, or changed."""
    return f"{datetime.fromtimestamp(user.since_ms / 1000, UTC).astimezone():%Y-%m-%d}"


def _print_number(workspace: KeyWorkspace, user: TrustedUser) -> None:
    if user.trust is Trust.CHANGED:
        tell(key_change_lines(user.username, day_of(user), verified=user.was_verified)[0])
    is_verified = user.trust is Trust.VERIFIED
    for line in safety_number_lines(user.username, workspace.number(user), verified=is_verified):
        tell(line)
