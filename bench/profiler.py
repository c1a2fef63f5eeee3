"""`python -m bench.profiler`: run one workload on separate processes, and sample where one spends its time.

It samples with py-spy, installed into `bench/.build`, and writes a flame graph (SVG) and a list of the functions that
were on top of the stack most often. The kernel may require root to sample another process.
"""

import argparse
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from bench.apart_subject import ChatterboxApart
from bench.chatterbox_subject import Chatterbox
from bench.loadgen import BUILD, Load, build, generating
from bench.peers.installer import from_pypi
from bench.processes import allow_open_files, choose_cores
from bench.subject import Running
from bench.workloads import WORKLOADS, Against, Workload

PINS = {"py-spy": "0.4.3"}
SAMPLES_PER_S = 250
SHOWN = 40
_PROFILED = [each for each in WORKLOADS if each.against is not Against.NOTHING and each.load.senders]


def main() -> None:
    options = _options()
    (workload,) = (each for each in _PROFILED if each.name == options.workload)
    load = workload.at(options.rate or _rate(workload))
    spy = from_pypi("py-spy", PINS).with_name("py-spy")
    build()
    allow_open_files(2000 + load.members)
    cores, folder = choose_cores(), BUILD / "run"
    shutil.rmtree(folder / "made", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    Chatterbox(folder, None).prepare(with_residents=False)
    with ChatterboxApart(folder, cores.server).running() as running:
        raw = _profile(running, load, options.process, spy, cores.load)
    print(top(raw.read_text(), SHOWN))
    print(f"written to {raw} (stacks with sample counts) and {raw.with_suffix('.svg')}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.profiler", description=__doc__)
    parser.add_argument("--workload", choices=[each.name for each in _PROFILED], default="w1", help="default: w1")
    parser.add_argument("--rate", type=float, help="messages/s (default: the workload's rate)")
    parser.add_argument("--process", choices=["gateway", "history", "auth"], default="gateway")
    return parser.parse_args()


def _rate(workload: Workload) -> float:
    """The workload's rate, or the middle rate of its ladder."""
    if workload.ladder is not None:
        return workload.ladder.rates[len(workload.ladder.rates) // 2]
    assert workload.load.rate is not None
    return workload.load.rate


def _profile(running: Running, load: Load, process: str, spy: Path, core: int | None) -> Path:
    """Sample the process while the load runs, once for each format; returns the file with the stacks."""
    pid = running.pid if process == "gateway" else running.others[process]
    raw = BUILD / f"profile-{process}.txt"
    for kind, output in (("raw", raw), ("flamegraph", raw.with_suffix(".svg"))):
        with generating(load, running.dialect, core) as generator:
            generator.await_word("ready")
            generator.go()
            generator.await_word("run")
            command = [
                str(spy),
                "record",
                "--function",
                "--pid",
                str(pid),
                "--duration",
                f"{max(1, int(load.run_s) - 1)}",
            ]
            options = ["--rate", str(SAMPLES_PER_S), "--format", kind, "--output", str(output)]
            done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"bench: py-spy can't sample the process:\n{done.stderr[-500:]}")
    return raw


def top(stacks: str, shown: int) -> str:
    """The most frequent functions of `stacks`, which has lines of `frame;frame;frame count`. Pure."""
    seen: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        seen[frames.rpartition(";")[2]] += int(count)
    whole = seen.total() or 1
    return "\n".join(f"{count / whole:6.1%}  {name}" for name, count in seen.most_common(shown))


if __name__ == "__main__":
    main()
