import sys
from pathlib import Path

from bench.machine import cpu_model, file_system, first_line, memory_gib

MOUNTS = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /srv/data xfs rw 0 0\n"


def test_the_processors_name_is_read() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: Fast 9000\n") == "Fast 9000"


def test_a_processor_without_a_name_is_its_architecture() -> None:
    assert cpu_model("processor\t: 0\n")


def test_memory_is_read() -> None:
    assert memory_gib("MemFree: 1 kB\nMemTotal:       16777216 kB\n") == 16


def test_the_innermost_mount_counts() -> None:
    assert file_system(MOUNTS, Path("/srv/data/x")) == "xfs"
    assert file_system(MOUNTS, Path("/srv/database")) == "ext4"
    assert file_system(MOUNTS, Path("/tmp/x")) == "tmpfs"


def test_a_program_says_what_it_is_in_its_first_line() -> None:
    assert first_line([sys.executable, "-c", "print('one\\ntwo')"]) == "one"


def test_a_program_that_is_not_there_says_nothing() -> None:
    assert first_line(["no-such-program", "--version"]) == ""
