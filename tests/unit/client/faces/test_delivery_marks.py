"""Delivery marks: every message is reported once as queued or stored."""

from hypothesis import given
from hypothesis import strategies as st

from client.core.outbox_entry import OutboxEntry
from client.faces.delivery_marks import DeliveryMarks


@given(st.lists(st.sampled_from(["write", "store", "refuse", "say"])))
def test_delivery_reports_add_up_to_what_happened(steps: list[str]) -> None:
    own, waiting, written = DeliveryMarks(), list[OutboxEntry](), 0
    counts = {"queued": 0, "stored": 0}
    happened = {"stored": 0}
    for step in [*steps, "say"]:
        if step == "write":
            written += 1
            waiting.append(OutboxEntry(f"k{written}", "ops", "x"))
            own.queue(waiting[-1])
        elif step == "store" and waiting:
            own.store(waiting.pop(0))
            happened["stored"] += 1
        elif step == "refuse" and waiting:
            own.refuse(waiting.pop(0))
        elif step == "say":
            for part in filter(None, own.take_report().split(", ")):
                number, _, word = part.rpartition(" ")
                counts[word] += int(number or 1)
    assert counts["stored"] == happened["stored"]
    assert counts["queued"] <= written
    assert own.is_done == (not waiting)
    assert own.take_report() == ""
