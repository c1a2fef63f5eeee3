"""Auth's numbered list of revocations, in memory."""

from dataclasses import dataclass, field

from chatterbox.wire.auth_api import Revocations


@dataclass
class RevocationList:
    """Answers as `/internal/revocations` does; tests append to `sids`, and change `epoch` as a restart of auth does."""

    sids: list[str] = field(default_factory=list)
    epoch: str = "e1"
    per_page: int = 1000

    def page(self, epoch: str, since: int) -> Revocations:
        since = since if epoch == self.epoch else 0
        sids = self.sids[since : since + self.per_page]
        return Revocations(self.epoch, since + len(sids), len(sids) < self.per_page, sids)
