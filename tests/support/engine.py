"""The container engine, where there is one: what needs it is skipped otherwise, and the summary says so in one line."""

import functools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest

LACK = pytest.StashKey[str]()
"""In the configuration of a run in which tests were skipped: why nothing can be run in containers."""


def need_engine(config: pytest.Config) -> None:
    """Skip the test where nothing can be run in containers."""
    if (lack := why_no_engine()) is not None:
        config.stash[LACK] = lack
        pytest.skip(f"containers: {lack}")


@functools.cache
def why_no_engine() -> str | None:
    """Why nothing can be run in containers here, in a few words; None where it can."""
    for command, lack in (
        (["compose", "version"], "no `docker compose` here"),
        (["info", "--format", "{{.ServerVersion}}"], "no container engine answers"),
    ):
        try:
            done = docker(*command)
        except (OSError, subprocess.TimeoutExpired):
            return lack
        if done.returncode != 0:
            return lack
    return None


@contextmanager
def no_reaper() -> Iterator[None]:
    """Testcontainers without its helper container, which not every engine may run: tests remove what they made."""
    with patch.dict(os.environ, {"TESTCONTAINERS_RYUK_DISABLED": "true"}):
        yield


def docker(*arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """`docker ARGUMENTS`, however it ends."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=timeout_s)
