"""HTTP jobs about the user's own profile, privacy and status, and their results as lines."""

from datetime import UTC, datetime
from typing import Any

from client.context import ClientContext
from client.failures import ServerRefused
from client.net.http_api import HttpApi, UserSettings
from client.text.people_text import OLDER_SERVER, privacy_lines, profile_lines, status_words


def current(context: ClientContext, changes: dict[str, Any] | None = None) -> UserSettings:
    """The user's settings, after `changes`."""
    with HttpApi(context.server, context.tokens.token()) as api:
        if changes:
            api.change_settings(changes)
        return api.settings()


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
