"""`/upload` and `/save` in a chat."""

from pathlib import Path

import httpx
import msgspec
import pytest

from chatterbox.wire.frames import AttachedFile
from client.core import notes
from client.faces.messages import chat_files
from client.net.file_api import FileApi
from client.store.session_file import SavedSession
from tests.support.waiting import MOST_S, until
from tests.unit.client.faces.face import Face
from tests.unit.client.net.test_file_transfers import FilesServer
from tests.unit.client.world import message

PLAN = AttachedFile(id="f1", name="plan.pdf", type="application/pdf", size=4)


@pytest.fixture
def face(tmp_path: Path) -> Face:
    face = Face(tmp_path)
    context = face.lines._slash_commands.context
    context.session_file.save(SavedSession(context.server, "alice", "t", "s", 2e9, 1e9))
    return face


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FilesServer:
    server = FilesServer()
    monkeypatch.setattr(chat_files, "FileApi", lambda url, token: FileApi(url, token, server))
    monkeypatch.chdir(tmp_path)
    return server


async def test_upload_sends_the_file_once_it_is_complete(face: Face, server: FilesServer, tmp_path: Path) -> None:
    (tmp_path / "my plan.pdf").write_bytes(b"plan")
    assert await face.type("/upload my plan.pdf") == []
    await until(lambda: bool(face.connection.done), MOST_S)
    file = AttachedFile(id="upload0", name="my plan.pdf", type="", size=4)
    assert face.connection.done == [("general", "", (file,))]
    assert face.shown == ["-- Uploading my plan.pdf (4 bytes) to #general."]
    assert bytes(server.uploads["upload0"][1]) == b"plan"


async def test_upload_of_what_is_no_file_says_so(face: Face, server: FilesServer) -> None:
    await face.type("/upload none.pdf", "/upload stop")
    assert face.shown == ["-- Can't read none.pdf (No such file or directory).", "-- No file is being sent or saved."]
    assert server.requests == []


async def test_refused_upload_is_told_and_sends_nothing(face: Face, server: FilesServer, tmp_path: Path) -> None:
    (tmp_path / "plan.pdf").write_bytes(b"plan")
    server.refusal = httpx.Response(415, json={"code": "file_refused", "detail": "That file has a virus."})
    await face.type("/upload plan.pdf")
    await until(lambda: len(face.shown) == 2, MOST_S)
    assert face.shown[1] == "-- That file has a virus."
    assert face.connection.done == []


async def test_save_writes_the_files_of_a_message_into_this_folder(
    face: Face, server: FilesServer, tmp_path: Path
) -> None:
    server.files = {"f1": b"plan", "f2": b"other"}
    same_name = msgspec.structs.replace(PLAN, id="f2")
    face.lines.show(
        notes.MessageShown(msgspec.structs.replace(message(3), content="", files=(PLAN, same_name)), mine=False)
    )
    face.shown.clear()
    await face.type("/save 3")
    await until(lambda: len(face.shown) == 2, MOST_S)
    assert face.shown == [f"-- Saved {tmp_path / 'plan.pdf'}", f"-- Saved {tmp_path / '2-plan.pdf'}"]
    assert ((tmp_path / "plan.pdf").read_bytes(), (tmp_path / "2-plan.pdf").read_bytes()) == (b"plan", b"other")


async def test_save_never_overwrites_and_takes_another_name(face: Face, server: FilesServer, tmp_path: Path) -> None:
    server.files = {"f1": b"plan"}
    face.lines.show(notes.MessageShown(msgspec.structs.replace(message(3), files=(PLAN,)), mine=False))
    (tmp_path / "plan.pdf").write_text("mine")
    face.shown.clear()
    await face.type("/save last")
    await until(lambda: len(face.shown) == 1, MOST_S)
    assert face.shown == ["-- plan.pdf exists. Choose another name."]
    await face.type("/save last other plan.pdf")
    await until(lambda: len(face.shown) == 2, MOST_S)
    assert ((tmp_path / "plan.pdf").read_text(), (tmp_path / "other plan.pdf").read_bytes()) == ("mine", b"plan")


async def test_save_says_which_messages_have_no_file(face: Face) -> None:
    face.lines.show(notes.MessageShown(message(3), mine=False))
    face.shown.clear()
    await face.type("/save 3", "/save 9", "/save last", "/save 23:59")
    assert face.shown == [
        "-- Message #3 has no file.",
        "-- Message #9 is not among the last ones of this room.",
        "-- No message with a file here yet.",
        "-- No such message at 23:59 among the last ones of this room.",
    ]
