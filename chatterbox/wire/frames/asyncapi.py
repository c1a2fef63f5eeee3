"""Generates the AsyncAPI 3.0 document of the WebSocket protocol from the frame definitions."""

from typing import Any, get_args

import msgspec

from chatterbox.wire import frames
from chatterbox.wire.close_codes import SENTENCES, may_reconnect
from chatterbox.wire.errors import MEANINGS

COMMANDS: tuple[type[msgspec.Struct], ...] = get_args(frames.Command)
REPLIES: tuple[type[msgspec.Struct], ...] = get_args(frames.Reply)
PUSHES: tuple[type[msgspec.Struct], ...] = get_args(frames.Push)


def document(version: str) -> dict[str, Any]:
    """The document as JSON-compatible data."""
    all_frames = (*COMMANDS, *REPLIES, *PUSHES)
    _, schemas = msgspec.json.schema_components(all_frames, ref_template="#/components/schemas/{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Chatterbox",
            "version": version,
            "description": "Commands, replies and pushes over one WebSocket, one JSON object per text frame.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "ws": {
                "address": "/ws",
                "description": "Send the token in the Authorization header, as ?token=, or in a first frame `connect`.",
                "messages": {_name(frame): {"$ref": f"#/components/messages/{_name(frame)}"} for frame in all_frames},
            }
        },
        "operations": {
            "send": _operation("receive", "Commands from the client.", COMMANDS),
            "receive": _operation(
                "send", "Replies, which echo the command's id, and pushes, which have none.", (*REPLIES, *PUSHES)
            ),
        },
        "components": {"messages": {_name(frame): _message(frame) for frame in all_frames}, "schemas": schemas},
        "x-error-codes": {
            str(code): {"status": meaning.status, "sentence": meaning.sentence, "retry": meaning.retry}
            for code, meaning in MEANINGS.items()
        },
        "x-close-codes": {
            str(int(code)): {"sentence": sentence, "come-back": may_reconnect(code)}
            for code, sentence in SENTENCES.items()
        },
    }


def tag_of(frame: type[msgspec.Struct]) -> str:
    """The `type` of a frame."""
    return str(frame.__struct_config__.tag)


def _name(frame: type[msgspec.Struct]) -> str:
    return frame.__name__


def _operation(action: str, summary: str, frames_: tuple[type[msgspec.Struct], ...]) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/ws"},
        "messages": [{"$ref": f"#/channels/ws/messages/{_name(frame)}"} for frame in frames_],
    }


def _message(frame: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        "name": tag_of(frame),
        "summary": (frame.__doc__ or "").strip().splitlines()[0],
        "payload": {"$ref": f"#/components/schemas/{_name(frame)}"},
    }
