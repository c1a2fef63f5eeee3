"""The parts of one history app that its routes and its append server use."""

from dataclasses import dataclass

from chatterbox.chassis.token_verifier import TokenVerifier
from services.history.history import HistoryService
from services.history.revocation_sync import RevocationSync


@dataclass(slots=True)
class HistoryContext:
    """Created with the app. The app's lifespan sets the service, which needs the open database."""

    service_key: str
    verifier: TokenVerifier
    revocations: RevocationSync
    _service: HistoryService | None = None

    @property
    def service(self) -> HistoryService:
        """The service; raises `RuntimeError` before the lifespan has begun."""
        if self._service is None:
            raise RuntimeError("history is called before its app has started")
        return self._service

    def serve(self, service: HistoryService) -> None:
        """Let the routes call `service` from now on."""
        self._service = service
