"""Selects the subjects of each workload, and records why a peer is missing."""

from collections.abc import Sequence
from pathlib import Path

from bench.apart_subject import ChatterboxApart
from bench.chatterbox_subject import Chatterbox
from bench.machine import first_line
from bench.peers.installer import NotInstalledError
from bench.peers.kinds import KINDS, PAGE_KINDS
from bench.peers.peer import Kind, Peer
from bench.raw_subject import RawSend
from bench.subject import Subject
from bench.targets import OURS
from bench.workloads import Against, Workload
from services.processes.program_paths import redis_program

JOINED_US = 20_000
REPLICAS = (1, 2, 4)


class Field:
    """Subjects by `Against`; peers are installed when a workload needs them."""

    def __init__(self, workloads: Sequence[Workload], folder: Path, core: int | None, peers: Sequence[str]) -> None:
        """`peers` selects names of `KINDS`; empty selects all."""
        self.missing: dict[str, str] = {}
        """Peers that can't be installed here, with the reason."""
        wanted = {workload.against for workload in workloads}
        self._has_redis = not wanted <= {Against.NOTHING, Against.PAGES}
        self._apart = ChatterboxApart(folder, core)
        self.whole = Chatterbox(folder, core)
        self._replicas = [ChatterboxApart(folder, core, number, _of(number)) for number in REPLICAS]
        self._raw = RawSend(folder, core)
        self._joined = RawSend(folder, core, JOINED_US)
        self._peers = self._installed(KINDS, folder, core, peers) if Against.PEERS in wanted else []
        self._page_peers = self._installed(PAGE_KINDS, folder, core, peers) if Against.PAGES in wanted else []

    def subjects(self, workload: Workload) -> list[Subject]:
        """The C send loop comes first, so that the runs compared with it follow immediately."""
        if workload.against is Against.NOTHING:
            return [self.whole]
        if workload.against is Against.PAGES:
            return [self.whole, *self._page_peers]
        if workload.against is Against.APART:
            return [self._apart]
        if workload.against is Against.REPLICAS:
            return [*self._replicas]
        joined = [self._joined] if workload.ladder else []
        return [self._raw, *joined, self._apart, *self._peers]

    def versions(self) -> dict[str, str]:
        """Versions that the machine's description does not contain: name to value, in display order."""
        pinned = {
            f"{name} {version}" for peer in (*self._peers, *self._page_peers) for name, version in peer.pins.items()
        }
        found = {
            "Redis": first_line([str(redis_program()), "--version"]) if self._has_redis else "",
            "Node": first_line(["node", "--version"]) if self._peers else "",
            "peers": ", ".join(sorted(pinned)),
        }
        return {name: value for name, value in found.items() if value}

    def _installed(self, kinds: Sequence[Kind], folder: Path, core: int | None, names: Sequence[str]) -> list[Peer]:
        found = []
        for kind in kinds:
            if names and kind.name not in names:
                continue
            try:
                found.append(Peer(kind, folder, core))
            except NotInstalledError as problem:
                self.missing[kind.title] = str(problem)
        return found


def _of(gateways: int) -> str:
    return f"{OURS}, {gateways} gateway{'s' * (gateways > 1)}"
