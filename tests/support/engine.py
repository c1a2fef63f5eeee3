"""The container engine, where there is one: what needs it is skipped otherwise, and the summary says so in one line."""

import functools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn
from unittest.mock import patch

import pytest

LACKS = pytest.StashKey[frozenset[str]]()
"""In the configuration of a run: what tests were skipped because of what, a sentence each."""
PULL_S = 120


def need_engine(config: pytest.Config) -> None:
    """Skip the test where nothing can be run in containers."""
    if (lack := why_no_engine()) is not None:
        _skip(config, f"all tests on containers: {lack}")


def need_image(config: pytest.Config, *names: str) -> str:
    """The first of these images that is here, else the first pulled; skip the test where neither can be had."""
    need_engine(config)
    for name in names:
        if docker("image", "inspect", name).returncode == 0:
            return name
    if not _pulled(names[0]):
        _skip(config, f"all tests on the image {names[0]}: it is not here and can't be pulled")
    return names[0]


def _pulled(name: str) -> bool:
    try:
        return docker("pull", "--quiet", name, timeout_s=PULL_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _skip(config: pytest.Config, why: str) -> NoReturn:
    config.stash[LACKS] = config.stash.get(LACKS, frozenset()) | {why}
    pytest.skip(why)


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
