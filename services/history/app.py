"""Composition root of history: `create_app` builds the service from its settings and ports."""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TypeAlias

import httpx

from chatterbox.chassis.broker import Broker
from chatterbox.chassis.core.caller_keys import CallerKeys
from chatterbox.chassis.http.http_app import ServiceApp
from chatterbox.chassis.observability.metrics import Metrics
from chatterbox.chassis.operator_socket import operator_socket
from chatterbox.chassis.revoked_sessions import RevokedSessions
from chatterbox.chassis.sqlite.service_database import ServiceDatabase, open_database
from chatterbox.chassis.tasks import background
from chatterbox.chassis.token_verifier import AuthClient, TokenVerifier
from chatterbox.wire.limits import Limits
from services.history import operator_commands
from services.history.core.page_cache import PageCache
from services.history.core.recent_senders import RecentSenders
from services.history.device_messages import DeviceMessages
from services.history.encryption.core import upload_checks
from services.history.encryption.delivery.sqlite_inbox_store import SqliteInboxStore
from services.history.encryption.devices.device_upkeep import DeviceUpkeep
from services.history.encryption.devices.sqlite_device_store import SqliteDeviceStore
from services.history.erasure.copy_erasure import CopyErasure
from services.history.erasure.erasure_ledger import ErasureLedger
from services.history.erasure.pending_erasures import PendingErasures
from services.history.history import HistoryService
from services.history.history_context import HistoryContext
from services.history.http import (
    direct_routes,
    health_routes,
    internal_file_routes,
    internal_people_routes,
    internal_routes,
    invitation_routes,
    message_routes,
    people_routes,
    reaction_routes,
    read_routes,
    room_routes,
)
from services.history.http.encryption import (
    backup_routes,
    device_routes,
    internal_encryption_routes,
    internal_key_routes,
    key_documents,
    member_log_routes,
)
from services.history.http.page_endpoint import PageEndpoint
from services.history.keys import KeyDirectory, ListCheck
from services.history.messages.commit_publisher import CommitPublisher, CommittedChanges
from services.history.messages.writer import Writer
from services.history.metrics import HistoryMetrics
from services.history.public_pages import PublicPages
from services.history.reads.signal_publisher import SignalPublisher
from services.history.rooms.room_cleanup import RoomCleanup
from services.history.schema import SCHEMA
from services.history.settings import HistorySettings
from services.history.sqlite_store import SqliteStore
from services.history.user_rates import UserRates

log = logging.getLogger("chatterbox.history")

HistoryApp: TypeAlias = ServiceApp[HistoryContext]
DatabaseOpener: TypeAlias = Callable[..., AbstractAsyncContextManager[ServiceDatabase]]
"""Opens the database; called as `open_database` is."""
WriterFactory: TypeAlias = Callable[..., Writer]
"""Makes the writer; called as `Writer` is."""

RELOAD_REVOCATIONS_S = 5.0
"""Time between requests for new revocations (seconds): a lost event takes effect at most this much later."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def create_app(
    settings: HistorySettings,
    *,
    broker: Broker,
    auth: httpx.AsyncClient,
    callers: CallerKeys,
    limits: Limits,
    now_ms: Callable[[], int] = _now_ms,
    open_database: DatabaseOpener = open_database,
    make_writer: WriterFactory = Writer,
    check_list: ListCheck = upload_checks.check_list,
) -> HistoryApp:
    """Create the app; its lifespan opens and closes the database. `auth` calls the auth service's internal address, and
    `callers` are the keys of the services that call this one.

    To let gateways append over the network, serve it with an `append_server.append_protocol`.

    Starting raises `DatabaseInUseError` or `DatabaseDamagedError` if the database can't be served.
    """
    auth_client = AuthClient(auth)
    verifier = TokenVerifier(auth_client.jwks, lambda: now_ms() / 1000)
    metrics = HistoryMetrics(Metrics("history"))

    async def open_context(stack: AsyncExitStack) -> HistoryContext:
        """The stack closes in reverse order, so that everything is closed before what it uses."""
        database = await stack.enter_async_context(open_database(settings.database, SCHEMA, readers=settings.readers))
        if callers.is_shared:
            log.warning("service_key.shared")  # not before: a start that is refused prints one sentence
        metrics.watch_disk(settings.data)
        metrics.watch_reserve(database.reserve)
        metrics.watch_damage(database.damage)
        pending = PendingErasures(settings.data)
        copies = CopyErasure(settings.database, pending)
        await stack.enter_async_context(background(copies.run(), "history.copy_erasure"))
        publisher = await stack.enter_async_context(CommitPublisher(broker, metrics=metrics).running())
        signals = await stack.enter_async_context(SignalPublisher(broker).running())
        senders = RecentSenders()
        pages = PageCache()

        def publish(committed: CommittedChanges) -> None:
            pages.follow(committed.events, committed.plan)
            committed.tell_senders(senders)
            publisher.offer(committed)

        writer = make_writer(
            database.writer,
            limits=limits,
            now_ms=now_ms,
            publish=publish,
            metrics=metrics,
            reserve=database.reserve,
            damage=database.damage,
            ledger=ErasureLedger(settings.data),
            pending=pending,
            policy=settings.encryption,
            on_erased=copies.request,
            on_failed=pages.clear,
        )
        await stack.enter_async_context(writer.running())
        devices = SqliteDeviceStore(database.readers, writer, limits)
        upkeep = DeviceUpkeep(devices, settings.asleep_days, now_ms)
        await stack.enter_async_context(background(upkeep.run_sessions(), "history.ended_sessions"))
        await stack.enter_async_context(background(upkeep.run_checks(), "history.device_checks"))
        revoked = RevokedSessions(
            verifier, auth_client, broker, reload_s=RELOAD_REVOCATIONS_S, on_ended=upkeep.note_ended
        )
        await stack.enter_async_context(revoked.following())
        cleanup = RoomCleanup(writer, settings.empty_room_days, now_ms)
        await stack.enter_async_context(background(cleanup.run(), "history.room_cleanup"))
        store = SqliteStore(database, writer, limits, metrics, senders=senders)
        rates = UserRates(limits)
        keys = KeyDirectory(
            devices,
            rates,
            settings.encryption,
            on_claimed=metrics.claimed,
            is_ended=verifier.is_revoked,
            check_list=check_list,
        )
        history = HistoryService(
            store,
            auth_client,
            limits,
            rates=rates,
            keys=keys,
            now_ms=now_ms,
            signals=signals,
            on_deleted=cleanup.request,
            policy=settings.encryption,
        )
        answer = operator_commands.answering(history.delete_any_room)
        await stack.enter_async_context(operator_socket(operator_commands.socket_path(settings), answer))
        inboxes = SqliteInboxStore(database.readers, writer, limits, now_ms)
        return HistoryContext(
            callers, verifier, history, PublicPages(history, pages), DeviceMessages(inboxes, metrics.delivered)
        )

    app = HistoryApp("Chatterbox history", metrics.metrics, open_context, schemas=key_documents.schemas)
    public = (
        message_routes, reaction_routes, read_routes, room_routes, direct_routes, invitation_routes, people_routes,
        device_routes, backup_routes, member_log_routes
    )  # fmt: skip
    # internal routes first: a request is matched with one router after the other
    internal = (
        internal_routes, internal_people_routes, internal_file_routes, internal_key_routes, internal_encryption_routes
    )  # fmt: skip
    for routes in (*internal, *public, health_routes):
        app.include_router(routes.router)
    app.add_middleware(PageEndpoint, lambda: app.context, message_routes.page_route())
    return app
