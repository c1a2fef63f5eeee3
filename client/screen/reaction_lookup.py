"""Asks over HTTP for the user's own reactions to messages on the screen, in the background."""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import copy_context

from client.context import ClientContext
from client.faces.background_jobs import BackgroundJobs
from client.net import http_jobs
from client.screen.model.messages.own_reactions import OwnReactionsWanted

Deliver = Callable[[OwnReactionsWanted, Sequence[tuple[int, str]] | None], None]
"""Takes offsets and emoji; None: the server could not be asked."""


class ReactionLookup:
    """A failure is not shown: a mark at a reaction is missing until the next connection."""

    def __init__(self, context: ClientContext, deliver: Deliver) -> None:
        self._context, self._deliver = context, deliver
        self._jobs = BackgroundJobs(lambda _: None)

    def find(self, wanted: OwnReactionsWanted) -> None:
        """Ask, and deliver the answer in the event loop."""
        loop, variables = asyncio.get_running_loop(), copy_context()

        def job() -> list[str]:
            found = None
            try:
                found = http_jobs.own_reactions(self._context, wanted.room, wanted.first, wanted.last)
            finally:
                loop.call_soon_threadsafe(self._deliver, wanted, found, context=variables)
            return []

        self._jobs.start(job)
