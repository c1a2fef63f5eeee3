"""HTTP jobs about the user's own profile, privacy and status, and their results as lines."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chatterbox.wire.limits import Limits
from client.context import ClientContext
from client.failures import Failure, ServerRefused
from client.net.file_api import FileApi
from client.net.file_transfers import LocalFile
from client.net.http_api import HttpApi, UserSettings
from client.text.people_text import OLDER_SERVER, PICTURE, privacy_lines, profile_lines, status_words
from client.text.sanitize import inert


def current(context: ClientContext, changes: dict[str, Any] | None = None) -> UserSettings:
    """The user's settings, after `changes`."""
    changed = dict(changes or {})
    picture = changed.pop(PICTURE, None)
    if picture is not None:
        _change_picture(context, picture)
    with HttpApi(context.server, context.tokens.token()) as api:
        if changed:
            api.change_settings(changed)
        return api.settings()


def _change_picture(context: ClientContext, picture: str) -> None:
    """Upload the picture at a path, or with an empty one remove the present picture."""
    content = _read(Path(picture).expanduser()) if picture else b""
    with FileApi(context.server, context.tokens.token()) as api:
        if content:
            api.set_avatar(content)
        else:
            api.remove_avatar()


def _read(path: Path) -> bytes:
    """The bytes of a picture; raises `Failure` if it can't be read, is empty or too large."""
    source = LocalFile.of(path, Limits().avatar_bytes)
    if not source.size:
        raise Failure(f"{inert(path.name)} is empty.")
    try:
        return source.path.read_bytes()
    except OSError as problem:
        raise Failure(f"Can't read {inert(str(path))} ({problem.strerror or problem}).") from problem


def changed(context: ClientContext, changes: dict[str, Any]) -> UserSettings:
    """Change settings of the user (none: only read them), and return them as they are now.

    Raises `ServerRefused`, also for a server that is too old to have profiles.
    """
    settings = current(context, changes)
    if not settings.has_profile:
        raise ServerRefused(OLDER_SERVER)
    return settings


def profile(settings: UserSettings) -> list[str]:
    """The user's own profile, and who may see it."""
    return profile_lines(settings.profile, settings.visible, datetime.now(UTC))


def privacy(settings: UserSettings) -> list[str]:
    """What others see of what the user does."""
    presence = settings.presence == "everyone"
    return privacy_lines(presence=presence, typing=settings.typing, receipts=settings.receipts)


def status(settings: UserSettings) -> list[str]:
    """The user's own status."""
    words = status_words(settings.profile, datetime.now(UTC))
    return [f"Your status: {words}" if words else "You have no status."]
