"""Headers of tus are read, or refused with a sentence; nothing else is raised."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.files.core import tus_headers
from services.files.core.tus_headers import TusHeaderError


@given(st.text(max_size=200))
def test_any_header_is_read_or_refused(text: str) -> None:
    for parse in (tus_headers.metadata, tus_headers.checksum, lambda text: tus_headers.number("Upload-Offset", text)):
        with contextlib.suppress(TusHeaderError):
            parse(text)


@given(st.dictionaries(st.sampled_from(["room", "filename", "name", "keep_metadata"]), st.text(max_size=20)))
def test_metadata_is_read_back(pairs: dict[str, str]) -> None:
    text = ",".join(
        f"{key} {base64.b64encode(value.encode(errors='replace')).decode()}" for key, value in pairs.items()
    )
    assert tus_headers.metadata(text) == {key: value.encode(errors="replace").decode() for key, value in pairs.items()}


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1e3", " 1", "\u0661", "9" * 19, None])
def test_a_number_that_is_not_whole_is_refused(text: str | None) -> None:
    with pytest.raises(TusHeaderError, match="Upload-Length must be a whole number"):
        tus_headers.number("Upload-Length", text)
