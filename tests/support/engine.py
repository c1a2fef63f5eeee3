"""Finds the container engine. Tests that need it are skipped without one, and the summary reports that in one line."""

import functools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn
from unittest.mock import patch

import pytest

LACKS = pytest.StashKey[frozenset[str]]()
"""In the configuration of a run: why tests were skipped, one sentence each."""
PULL_S = 120


def need_engine(config: pytest.Config) -> None:
    """Skip the test if containers can't run here."""
    if (lack := why_no_engine()) is not None:
        skip_for_lack(config, f"all tests on containers: {lack}")


def need_image(config: pytest.Config, *names: str) -> str:
    """The first of these images that is present, else the first one, pulled; skips the test if that fails."""
    need_engine(config)
    for name in names:
        if docker("image", "inspect", name).returncode == 0:
            return name
    if not _pulled(names[0]):
        skip_for_lack(config, f"all tests on the image {names[0]}: it is not here and can't be pulled")
    return names[0]


def _pulled(name: str) -> bool:
    try:
        return docker("pull", "--quiet", name, timeout_s=PULL_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def skip_for_lack(config: pytest.Config, why: str) -> NoReturn:
    """Skip the test, and let the summary of the run say why."""
    config.stash[LACKS] = config.stash.get(LACKS, frozenset()) | {why}
    pytest.skip(why)


@functools.cache
def why_no_engine() -> str | None:
    """Why containers can't run here, in a few words; None if they can."""
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
    """Disable the helper container of Testcontainers, which not every engine can run: tests remove their containers."""
    with patch.dict(os.environ, {"TESTCONTAINERS_RYUK_DISABLED": "true"}):
        yield


def docker(*arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run `docker ARGUMENTS`; does not raise if it fails."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=timeout_s)
