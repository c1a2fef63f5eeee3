"""Incidents are logged once per cause, and their recovery once."""

import logging

import pytest

from chatterbox.chassis.observability.incident import Incident

LOG = logging.getLogger("chatterbox.test")


@pytest.fixture
def incident() -> Incident:
    return Incident(LOG, down="part.failed", up="part.recovered", part="disk")


def test_a_repeated_failure_is_logged_once(incident: Incident, caplog: pytest.LogCaptureFixture) -> None:
    assert [incident.fail("full") for _ in range(3)] == [True, False, False]
    assert caplog.messages == ["part.failed"]
    assert (vars(caplog.records[0])["why"], vars(caplog.records[0])["part"]) == ("full", "disk")


def test_a_new_cause_of_an_ongoing_failure_is_logged(incident: Incident, caplog: pytest.LogCaptureFixture) -> None:
    incident.fail("full")
    incident.fail("read-only")
    assert [vars(record)["why"] for record in caplog.records] == ["full", "read-only"]


def test_the_recovery_is_logged_once_and_only_after_a_failure(
    incident: Incident, caplog: pytest.LogCaptureFixture
) -> None:
    assert incident.recover() is False
    incident.fail("full")
    assert [incident.recover(), incident.recover()] == [True, False]
    assert caplog.messages == ["part.failed", "part.recovered"]
    assert not incident.is_open


def test_the_next_failure_after_a_recovery_is_logged(incident: Incident, caplog: pytest.LogCaptureFixture) -> None:
    incident.fail("full")
    incident.recover()
    incident.fail("full")
    assert caplog.messages == ["part.failed", "part.recovered", "part.failed"]
