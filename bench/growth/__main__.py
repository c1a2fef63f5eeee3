"""`python -m bench.growth`: measure how cost grows; write GROWTH.md."""

import argparse
import datetime
import shutil
import sys
from pathlib import Path

from bench.apart_subject import ChatterboxApart
from bench.chatterbox_subject import Chatterbox
from bench.growth import crowds, stored
from bench.growth.tables import Table
from bench.loadgen import BUILD, HERE, build
from bench.machine import describe
from bench.processes import allow_open_files, choose_cores

PARTS = ("stored", "members", "rooms")


def main() -> None:
    if not sys.platform.startswith("linux"):
        raise SystemExit("bench: the load generator needs Linux (epoll); try it in a container or virtual machine")
    options = _options()
    parts = options.only or PARTS
    build()
    allow_open_files(12_000)
    cores, folder = choose_cores(), options.data
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    Chatterbox(folder, None).prepare(with_residents=False)
    apart = ChatterboxApart(folder, cores.server)
    tables: list[Table] = []
    if "stored" in parts:
        sizes = [size for size in stored.SIZES if size <= options.most]
        tables.append(stored.table(stored.measure(apart, folder / "made", sizes, cores.load)))
    if "members" in parts:
        tables.append(crowds.members(apart, cores.load))
    if "rooms" in parts:
        tables.append(crowds.rooms(apart, cores.load))
    machine = {**describe(cores, folder), "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")}
    written = (BUILD if options.only else HERE) / "GROWTH.md"
    written.write_text(_as_markdown(machine, tables))
    print(f"\n{written.read_text()}\nwritten to {written}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description="Measure how cost grows.")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part alone; GROWTH.md stays as it is")
    parser.add_argument("--most", type=int, default=stored.SIZES[-1], help="no more stored messages than so many")
    parser.add_argument("--data", type=Path, default=BUILD / "growth", help="folder on the disk to measure (7 GB)")
    return parser.parse_args()


def _as_markdown(machine: dict[str, str], tables: list[Table]) -> str:
    parts = [
        "# Growth, measured",
        "Written by `python -m bench.growth`; [README.md](README.md) says what is measured.",
        "\n".join(f"- **{name}**: {value}" for name, value in machine.items()),
        *(table.as_markdown() for table in tables),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
