"""The parts of a running history that its routes and its append server use."""

from typing import NamedTuple

from chatterbox.chassis.token_verifier import TokenVerifier
from services.history.history import HistoryService
from services.history.revocation_sync import RevocationSync


class HistoryContext(NamedTuple):
    """Everything that the app's lifespan opens."""

    service_key: str
    verifier: TokenVerifier
    revocations: RevocationSync
    history: HistoryService
