from pathlib import Path

from bench.peers.kinds import KINDS, PAGE_KINDS
from bench.workloads import WORKLOADS

README = (Path(__file__).parents[3] / "bench" / "README.md").read_text()


def test_every_workload_and_every_peer_is_described() -> None:
    names = [workload.name for workload in WORKLOADS] + [kind.name for kind in (*KINDS, *PAGE_KINDS)]
    assert [name for name in names if f"`{name}`" not in README] == []
