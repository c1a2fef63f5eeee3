"""The least speed of uploads: who keeps it is never refused, who does not is."""

from hypothesis import given
from hypothesis import strategies as st

from services.files.core.upload_speed import GRACE_S, LEAST_BYTES_PER_S, patience_s


@given(st.lists(st.tuples(st.integers(1, 2**20), st.floats(0, 100)), max_size=50), st.floats(1.0, 10))
def test_an_upload_at_the_least_speed_is_never_refused(chunks: list[tuple[int, float]], factor: float) -> None:
    received, waited_s = 0, 0.0
    for size, _ in chunks:
        takes_s = size / LEAST_BYTES_PER_S / factor
        assert patience_s(received, waited_s) >= min(takes_s, GRACE_S)
        received += size
        waited_s += takes_s


@given(st.integers(0, 2**30))
def test_an_upload_that_stands_still_is_refused_after_the_grace(received: int) -> None:
    assert patience_s(received, received / LEAST_BYTES_PER_S + GRACE_S) < 0.001
