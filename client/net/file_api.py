"""Client of the HTTP routes of files: resumable uploads (tus 1.0.0), and downloads from any byte on."""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

from chatterbox.wire.errors import Code
from client.failures import ServerRefused
from client.net.http_api import TIMEOUT_S, HttpApi

if TYPE_CHECKING:
    import httpx

_TUS = {"Tus-Resumable": "1.0.0"}
_CHUNK = {"Content-Type": "application/offset+octet-stream"}
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME = re.compile(r"filename\*=UTF-8''([^;\s]+)", re.IGNORECASE)
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")
CHECKED_S = 120.0
"""How long the server may check a complete file before it answers (seconds)."""


class FileBody(NamedTuple):
    """A file that is being read: its name as the server tells it (or empty), its size, and bytes from `first` on."""

    name: str
    size: int
    first: int
    blocks: Iterator[bytes]


class FileApi(HttpApi):
    """HTTP calls about files. They raise `Failure`, as those of `HttpApi`."""

    def begin_upload(self, room: str, name: str, size: int) -> str:
        """Begin an upload for a room; returns its id, which is the id of the file once it is complete."""
        metadata = ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in _named(room, name))
        headers = {**_TUS, "Upload-Length": str(size), "Upload-Metadata": metadata}
        try:
            response = self._call("POST", "/files/uploads", headers=headers)
        except ServerRefused as refusal:
            if refusal.code != Code.NOT_FOUND:
                raise
            raise ServerRefused("This server takes no files.", refusal.code) from None
        location: str = response.headers.get("Location", "")
        upload_id = location.rstrip("/").rpartition("/")[2]
        if not _ID.fullmatch(upload_id):
            raise self._not_chatterbox(response)
        return upload_id

    def upload_offset(self, upload_id: str) -> int | None:
        """How many bytes of an upload the server has; None if there is no such upload any more."""
        response = self._exchange("HEAD", _upload(upload_id), headers=_TUS)
        if response.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            return None
        if not response.is_success:
            raise self._refusal(response)
        return self._offset(response)

    def append(self, upload_id: str, offset: int, blocks: Iterable[bytes], length: int) -> int:
        """Send `length` bytes of a file from `offset` on; returns how many the server has now."""
        import httpx

        headers = {**_TUS, **_CHUNK, "Upload-Offset": str(offset), "Content-Length": str(length)}
        timeout = httpx.Timeout(TIMEOUT_S, read=CHECKED_S)
        response = self._call("PATCH", _upload(upload_id), headers=headers, content=blocks, timeout=timeout)
        return self._offset(response)

    def end_upload(self, upload_id: str) -> None:
        """Give up an upload; the server erases what it has of it."""
        self._call("DELETE", _upload(upload_id), headers=_TUS)

    def set_avatar(self, picture: bytes) -> None:
        """Set the picture of the user's profile."""
        import httpx

        timeout = httpx.Timeout(TIMEOUT_S, read=CHECKED_S)
        self._call("PUT", "/me/avatar", content=picture, timeout=timeout)

    def remove_avatar(self) -> None:
        self._call("DELETE", "/me/avatar")

    def preview(self, file_id: str, pixels: int) -> bytes:
        """The preview of a picture whose longer side has at most `pixels` pixels (256 or 1280): a WebP."""
        return self._call("GET", f"/files/{quote(file_id, safe='')}/previews/{pixels}").content

    @contextmanager
    def file(self, file_id: str, first: int = 0) -> Iterator[FileBody]:
        """Read a file from byte `first` on. The server may begin earlier; a file without that byte has no size."""
        import httpx

        headers = {"Range": f"bytes={first}-"} if first else {}
        with ExitStack() as stack:
            with self._as_failures():
                path = f"/files/{quote(file_id, safe='')}"
                got = stack.enter_context(self._http.stream("GET", path, headers=headers))
                is_beyond = got.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
                if not (got.is_success or is_beyond):
                    raise self._refusal(httpx.Response(got.status_code, content=self._body(got)))
            yield FileBody("", 0, 0, iter(())) if is_beyond else self._file_body(got)

    def _file_body(self, response: "httpx.Response") -> FileBody:
        length = response.headers.get("Content-Length", "")
        found = _NAME.search(response.headers.get("Content-Disposition", ""))
        name = unquote(found[1]) if found else ""
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            part = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if part is None:
                raise self._not_chatterbox(response)
            return FileBody(name, int(part[2]), int(part[1]), self._blocks(response))
        if not (length.isascii() and length.isdigit()):
            raise self._not_chatterbox(response)
        return FileBody(name, int(length), 0, self._blocks(response))

    def _blocks(self, response: "httpx.Response") -> Iterator[bytes]:
        with self._as_failures():
            yield from response.iter_raw()

    def _offset(self, response: "httpx.Response") -> int:
        text = response.headers.get("Upload-Offset", "")
        if not (text.isascii() and text.isdigit() and len(text) < 18):
            raise self._not_chatterbox(response)
        return int(text)


def _named(room: str, name: str) -> list[tuple[str, str]]:
    return [("filename", name), ("room", room)]


def _upload(upload_id: str) -> str:
    return f"/files/uploads/{upload_id}"
