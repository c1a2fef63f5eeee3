"""Which sentences the user is told about this device, and about keys of others that changed or are wrong."""

from datetime import UTC, datetime
from typing import assert_never

from client.encryption.core.trust import Trust
from client.encryption.device.device_setup import DeviceSetupResult, Standing
from client.encryption.device.trusted_users import KeyProblem, TrustedUser
from client.text.encryption import encryption_text, keys_text


def setup_lines(result: DeviceSetupResult) -> list[str]:
    """What the setup of this device tells; nothing if all is as before."""
    lines = [keys_text.FIRST_USE] if result.is_first else []
    device = result.identity.device_id if result.identity else ""
    match result.standing:
        case Standing.PENDING:
            lines += keys_text.new_device_lines(device)
        case Standing.ENDED | Standing.REMOVED:
            lines.append(keys_text.DEVICE_REMOVED)
        case Standing.CLASHES:
            return [encryption_text.STORE_IN_USE]
        case Standing.READY | Standing.OFF:
            pass
        case _:
            assert_never(result.standing)
    return [*lines, encryption_text.STORE_CLONED] if result.was_superseded else lines


def key_news_lines(user: TrustedUser) -> list[str]:
    """What is told once of a user whose keys changed, or whose keys the server shows wrongly."""
    if not user.is_news:
        return []
    match user.problem:
        case KeyProblem.UNSIGNED:
            return [encryption_text.invalid_keys_line(user.username)]
        case KeyProblem.LOWER_LIST | KeyProblem.CONFLICTING_LIST | KeyProblem.WITHHELD_LIST:
            return [encryption_text.old_list_line(user.username)]
        case None if user.trust is Trust.CHANGED:
            return encryption_text.key_change_lines(user.username, since(user), verified=user.was_verified)
        case None:
            return []
        case _:
            assert_never(user.problem)


def since(user: TrustedUser) -> str:
    """The day since which the user's keys are known, or changed."""
    return f"{datetime.fromtimestamp(user.since_ms / 1000, UTC).astimezone():%Y-%m-%d}"
