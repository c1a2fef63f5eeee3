"""Uploads and downloads: continued after a lost connection and after a restart, stopped, and refused."""

import base64
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chatterbox.wire.frames import AttachedFile
from client.encryption import attachments
from client.failures import Failure, ServerRefused, Unreachable
from client.net import file_transfers
from client.net.file_api import FileApi
from client.net.file_transfers import FileTransfers, LocalFile, TransferStopped
from client.store.text_cipher import TextCipher

MIB = 2**20


class FilesServer(httpx.BaseTransport):
    """A files service in memory, which loses the connection after some bytes as often as it is told."""

    def __init__(self) -> None:
        self.uploads: dict[str, tuple[int, bytearray]] = {}
        """Length and bytes of each upload, by id."""
        self.names: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.losses: list[int] = []
        """After how many bytes each of the next requests with a body loses its connection."""
        self.requests: list[str] = []
        self.refusal: httpx.Response | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.path} {request.headers.get('range', '')}".rstrip())
        if self.refusal is not None:
            return self.refusal
        name = request.url.path.rpartition("/")[2]
        match request.method:
            case "POST":
                return self._begin(request)
            case "HEAD":
                found = self.uploads.get(name)
                return httpx.Response(404) if found is None else _at(len(found[1]))
            case "PATCH":
                return self._append(request, *self.uploads[name])
        return self._read(request, self.files[name])

    def _begin(self, request: httpx.Request) -> httpx.Response:
        upload_id = f"upload{len(self.uploads)}"
        self.uploads[upload_id] = (int(request.headers["upload-length"]), bytearray())
        self.names[upload_id] = request.headers["upload-metadata"]
        return httpx.Response(201, headers={"Location": f"http://behind.a.proxy/files/uploads/{upload_id}"})

    def _append(self, request: httpx.Request, length: int, received: bytearray) -> httpx.Response:
        if int(request.headers["upload-offset"]) != len(received):
            return httpx.Response(409, json={"code": "upload_conflict", "detail": "At another offset."})
        assert int(request.headers["content-length"]) <= length - len(received)
        lost_after = self.losses.pop(0) if self.losses else -1
        stream = request.stream
        assert isinstance(stream, httpx.SyncByteStream)
        for block in stream:
            if 0 <= lost_after <= len(received):
                raise httpx.ReadError("connection lost")
            received += block
        return _at(len(received), status=204)

    def _read(self, request: httpx.Request, content: bytes) -> httpx.Response:
        first = int(request.headers.get("range", "bytes=0-")[6:-1])
        if first and first >= len(content):
            return httpx.Response(416)
        lost_after = self.losses.pop(0) if self.losses else -1
        headers = {
            "Content-Length": str(len(content) - first),
            "Content-Disposition": "attachment; filename=\"x\"; filename*=UTF-8''..%2F%C3%BCber.txt",
        }
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"

        def blocks() -> Iterator[bytes]:
            for start in range(first, len(content), 1000):
                if 0 <= lost_after <= start:
                    raise httpx.ReadError("connection lost")
                yield content[start : start + 1000]

        return httpx.Response(206 if first else 200, headers=headers, content=blocks())


def _at(offset: int, status: int = 200) -> httpx.Response:
    return httpx.Response(status, headers={"Upload-Offset": str(offset)})


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost connections are opened again without a wait."""
    monkeypatch.setattr(file_transfers, "RETRY_S", 0.0)


@pytest.fixture
def server() -> FilesServer:
    return FilesServer()


def transfers(server: FilesServer, **more: object) -> FileTransfers:
    return FileTransfers(lambda: FileApi("http://chat.example.org", "t", server), **more)  # type: ignore[arg-type]


def source(folder: Path, content: bytes, name: str = "plan.pdf") -> LocalFile:
    path = folder / name
    path.write_bytes(content)
    return LocalFile.of(path, 100 * MIB)


class TestUploads:
    def test_file_is_uploaded_in_parts_with_its_name_and_room(self, server: FilesServer, tmp_path: Path) -> None:
        content = bytes(range(256)) * 40_000
        seen: list[tuple[int, int]] = []
        upload = transfers(server, progress=lambda done, size: seen.append((done, size)))
        file = upload.upload(source(tmp_path, content), "ops", tmp_path / "uploads")
        assert file == AttachedFile(id="upload0", name="plan.pdf", type="", size=len(content))
        assert bytes(server.uploads["upload0"][1]) == content
        assert server.names["upload0"] == "filename cGxhbi5wZGY=,room b3Bz"
        assert [request.split()[0] for request in server.requests] == ["POST", "PATCH", "PATCH"]
        assert (seen[0], seen[-1]) == ((0, len(content)), (len(content), len(content)))

    def test_upload_continues_where_the_server_is_after_lost_connections(
        self, server: FilesServer, tmp_path: Path
    ) -> None:
        content = bytes(5 * MIB)
        server.losses = [MIB, 2 * MIB, 3 * MIB]
        transfers(server).upload(source(tmp_path, content), "ops", tmp_path / "uploads")
        assert bytes(server.uploads["upload0"][1]) == content
        assert len(server.uploads) == 1

    def test_upload_continues_after_a_restart_and_is_forgotten_at_its_end(
        self, server: FilesServer, tmp_path: Path
    ) -> None:
        server.losses = [MIB] + [0] * 20
        file = source(tmp_path, bytes(3 * MIB))
        with pytest.raises(Unreachable):
            transfers(server).upload(file, "ops", tmp_path / "uploads")
        server.losses = []
        assert transfers(server).upload(file, "ops", tmp_path / "uploads").id == "upload0"
        assert len(server.uploads["upload0"][1]) == 3 * MIB
        assert list((tmp_path / "uploads").iterdir()) == []
        assert transfers(server).upload(file, "ops", tmp_path / "uploads").id == "upload1"

    def test_other_room_or_other_content_is_another_upload(self, server: FilesServer, tmp_path: Path) -> None:
        server.losses = [0] * 100
        for room, content in (("ops", b"abc"), ("dev", b"abc"), ("ops", b"other")):
            with pytest.raises(Unreachable):
                transfers(server).upload(source(tmp_path, content), room, tmp_path / "uploads")
        assert len(server.uploads) == 3

    def test_upload_that_the_server_has_forgotten_begins_again(self, server: FilesServer, tmp_path: Path) -> None:
        file = source(tmp_path, bytes(MIB))
        server.losses = [0] * 20
        with pytest.raises(Unreachable):
            transfers(server).upload(file, "ops", tmp_path / "uploads")
        server.losses = []
        server.uploads.clear()
        assert transfers(server).upload(file, "ops", tmp_path / "uploads").size == MIB
        assert len(server.uploads["upload0"][1]) == MIB

    def test_empty_file_needs_no_bytes(self, server: FilesServer, tmp_path: Path) -> None:
        transfers(server).upload(source(tmp_path, b""), "ops", tmp_path / "uploads")
        assert [request.split()[0] for request in server.requests] == ["POST"]

    def test_refusal_is_reported_at_once(self, server: FilesServer, tmp_path: Path) -> None:
        server.refusal = httpx.Response(507, json={"code": "quota_full", "detail": "Delete some files."})
        with pytest.raises(ServerRefused, match="Delete some files"):
            transfers(server).upload(source(tmp_path, b"abc"), "ops", tmp_path / "uploads")
        assert len(server.requests) == 1

    def test_server_without_files_is_named_as_such(self, server: FilesServer, tmp_path: Path) -> None:
        server.refusal = httpx.Response(404, json={"code": "not_found", "detail": "Not found."})
        with pytest.raises(ServerRefused, match=r"This server takes no files\."):
            transfers(server).upload(source(tmp_path, b"abc"), "ops", tmp_path / "uploads")

    def test_stopped_upload_is_kept_and_continues(self, server: FilesServer, tmp_path: Path) -> None:
        stop = threading.Event()
        upload = transfers(server, stop=stop, progress=lambda done, _: stop.set() if done >= MIB else None)
        file = source(tmp_path, bytes(3 * MIB))
        with pytest.raises(TransferStopped):
            upload.upload(file, "ops", tmp_path / "uploads")
        assert MIB <= len(server.uploads["upload0"][1]) < 3 * MIB
        assert transfers(server).upload(file, "ops", tmp_path / "uploads").id == "upload0"

    def test_file_that_changes_meanwhile_is_not_uploaded(self, server: FilesServer, tmp_path: Path) -> None:
        file = source(tmp_path, bytes(9 * MIB))
        upload = transfers(server, progress=lambda *_: file.path.write_bytes(b"other"))
        with pytest.raises(Failure, match="changed while it was uploaded"):
            upload.upload(file, "ops", tmp_path / "uploads")

    def test_what_is_no_readable_file_or_too_large_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "large").write_bytes(bytes(11))
        for path, sentence in (
            (tmp_path, "is not a file"),
            (tmp_path / "none", "No such file"),
            (tmp_path / "large", "has 11 bytes, and at most 10 bytes"),
        ):
            with pytest.raises(Failure, match=sentence):
                LocalFile.of(path, 10)


class TestDownloads:
    CONTENT = bytes(range(256)) * 100

    def test_file_is_saved_under_its_cleaned_name(self, server: FilesServer, tmp_path: Path) -> None:
        server.files["f1"] = self.CONTENT
        saved = transfers(server).download("f1", tmp_path)
        assert (saved, saved.read_bytes()) == (tmp_path / "über.txt", self.CONTENT)
        assert list(tmp_path.iterdir()) == [saved]

    def test_download_continues_after_lost_connections(self, server: FilesServer, tmp_path: Path) -> None:
        server.files["f1"] = self.CONTENT
        server.losses = [5000, 12000]
        saved = transfers(server).download("f1", tmp_path / "a.txt")
        assert saved.read_bytes() == self.CONTENT
        assert server.requests == ["GET /files/f1", "GET /files/f1 bytes=4999-", "GET /files/f1 bytes=12998-"]

    def test_partial_file_of_an_earlier_run_is_continued(self, server: FilesServer, tmp_path: Path) -> None:
        server.files["f1"] = self.CONTENT
        server.losses = [5000] + [0] * 20
        with pytest.raises(Unreachable):
            transfers(server).download("f1", tmp_path / "a.txt")
        assert (tmp_path / "a.txt.f1.part").read_bytes() == self.CONTENT[:5000]
        server.losses = []
        server.requests.clear()
        assert transfers(server).download("f1", tmp_path / "a.txt").read_bytes() == self.CONTENT
        assert server.requests == ["GET /files/f1 bytes=4999-"]
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]

    @pytest.mark.parametrize("extra", [0, 1])
    def test_partial_file_that_is_whole_or_too_long_is_no_problem(
        self, server: FilesServer, tmp_path: Path, extra: int
    ) -> None:
        server.files["f1"] = self.CONTENT
        (tmp_path / "a.txt.f1.part").write_bytes(self.CONTENT + bytes(extra))
        assert transfers(server).download("f1", tmp_path / "a.txt").read_bytes() == self.CONTENT

    def test_existing_file_is_never_overwritten(self, server: FilesServer, tmp_path: Path) -> None:
        server.files["f1"] = self.CONTENT
        (tmp_path / "a.txt").write_text("mine")
        with pytest.raises(Failure, match="exists"):
            transfers(server).download("f1", tmp_path / "a.txt")
        assert (tmp_path / "a.txt").read_text() == "mine"
        assert server.requests == []

    def test_empty_file_is_saved(self, server: FilesServer, tmp_path: Path) -> None:
        server.files["f1"] = b""
        assert transfers(server).download("f1", tmp_path / "a.txt").read_bytes() == b""

    def test_stopped_download_keeps_what_it_has(self, server: FilesServer, tmp_path: Path) -> None:
        server.files["f1"] = self.CONTENT
        stop = threading.Event()
        download = transfers(server, stop=stop, progress=lambda done, _: stop.set() if done >= 3000 else None)
        with pytest.raises(TransferStopped):
            download.download("f1", tmp_path / "a.txt")
        assert (tmp_path / "a.txt.f1.part").stat().st_size == 3000


class TestEncryptedUpload:
    """An upload for an encrypted room; the key of its file is kept, encrypted, until it is done."""

    ROOM = "@alice~bob"

    def _transfers(self, server: FilesServer, store_key: bytes = bytes(range(32))) -> FileTransfers:
        return transfers(server, cipher=TextCipher(lambda: store_key))

    def _interrupted(self, server: FilesServer, file: LocalFile, folder: Path) -> bytes:
        server.losses = [300_000, *[0] * 20]
        with pytest.raises(Unreachable):
            self._transfers(server).upload(file, self.ROOM, folder)
        server.losses = []
        return bytes(server.uploads["upload0"][1])

    def test_goes_on_with_the_same_key_after_a_restart(self, server: FilesServer, tmp_path: Path) -> None:
        plan, folder = source(tmp_path, os.urandom(MIB)), tmp_path / "uploads"
        before = self._interrupted(server, plan, folder)
        assert before
        file = self._transfers(server).upload(plan, self.ROOM, folder)
        assert file.id == "upload0"
        assert bytes(server.uploads["upload0"][1][: len(before)]) == before
        self._assert_is(plan, file, server)
        assert list(folder.iterdir()) == []

    def test_no_key_is_on_the_disk_in_clear(self, server: FilesServer, tmp_path: Path) -> None:
        plan, folder = source(tmp_path, os.urandom(MIB)), tmp_path / "uploads"
        self._interrupted(server, plan, folder)
        [record] = folder.iterdir()
        kept = record.read_bytes()
        secret = self._transfers(server).upload(plan, self.ROOM, folder).secret  # type: ignore[attr-defined]
        assert len(kept) > len(secret.key.k)
        for encoded in (kept, base64.b64decode(kept.split(b"\n")[1])):
            assert secret.key.k.encode() not in encoded

    @pytest.mark.parametrize("change", ["bytes", "store key"])
    def test_begins_again_with_another_key_if_the_file_or_the_key_store_is_another_one(
        self, server: FilesServer, tmp_path: Path, change: str
    ) -> None:
        plan, folder = source(tmp_path, os.urandom(MIB)), tmp_path / "uploads"
        self._interrupted(server, plan, folder)
        if change == "bytes":  # and the same size and time
            plan.path.write_bytes(bytes(MIB))
            os.utime(plan.path, ns=(plan.modified_ns, plan.modified_ns))
        store_key = bytes(32) if change == "store key" else bytes(range(32))
        file = self._transfers(server, store_key).upload(LocalFile.of(plan.path), self.ROOM, folder)
        assert file.id == "upload1"
        self._assert_is(plan, file, server)

    def _assert_is(self, plan: LocalFile, file: AttachedFile, server: FilesServer) -> None:
        """What the server has decrypts to the file."""
        clear = io.BytesIO()
        attachments.decrypt(file.secret, io.BytesIO(bytes(server.uploads[file.id][1])), clear)  # type: ignore[attr-defined]
        assert clear.getvalue() == plan.path.read_bytes()
