"""The parts of a running history that its routes and its append server use."""

from typing import NamedTuple

from chatterbox.chassis.core.caller_keys import CallerKeys
from chatterbox.chassis.token_verifier import TokenVerifier
from services.history.device_messages import DeviceMessages
from services.history.history import HistoryService
from services.history.public_pages import PublicPages


class HistoryContext(NamedTuple):
    """Everything that the app's lifespan opens."""

    callers: CallerKeys
    verifier: TokenVerifier
    history: HistoryService
    pages: PublicPages
    device_messages: DeviceMessages
