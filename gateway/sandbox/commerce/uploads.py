"""Resumable uploads: a session, the bytes in one go or several, the handle.

Source: graph-api.md section 17.  The token has to come in the `Authorization: OAuth` header; a request that sends less
than was announced is taken as an interrupted one, and the session tells where to go on.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from gateway.sandbox import params, tokens
from gateway.sandbox.errors import GraphError, invalid
from gateway.sandbox.schema import Call, Node, NodeType, Schema, Write
from gateway.sandbox.storage import one
from gateway.sandbox.world import World

KINDS = {
    "application/pdf": "pdf",
    "image/jpeg": "jpeg",
    "image/jpg": "jpg",
    "image/png": "png",
    "video/mp4": "mp4",
}
LARGEST = 100 * 1024 * 1024
SESSION = "UploadSession"


def _open(call: Call, node: Node) -> dict[str, Any]:
    if call.token.kind not in (tokens.USER, tokens.SYSTEM_USER):
        raise GraphError(200, "(#200) A user access token is required to upload a file.")
    length = params.integer(call.params, "file_length")
    kind = params.required_text(call.params, "file_type")
    if length is None or not 0 < length <= LARGEST:
        raise invalid(f"Param file_length must be an integer between 1 and {LARGEST}")
    if kind.lower() not in KINDS:
        raise invalid(f'Param file_type must be one of {{{", ".join(KINDS)}}} - got "{kind}".')
    serial = one(call.world.db, "SELECT COUNT(*) AS n FROM uploads")
    subject = f"world {call.world.number} upload {serial['n'] if serial else 0}".encode()
    session = "upload:" + base64.urlsafe_b64encode(hashlib.sha256(subject).digest()).decode().rstrip("=")
    row = (session, call.token.user_id, length, kind.lower())
    call.world.db.execute("INSERT INTO uploads VALUES (?, ?, ?, ?, x'')", row)
    return {"id": session}


def _find(call: Call, reference: str) -> Node | None:
    """A session, for the one who opened it."""
    sql = "SELECT id, owner, length, kind, LENGTH(content) AS size FROM uploads WHERE id = ?"
    row = one(call.world.db, sql, reference)
    if row is None or row["owner"] != call.token.user_id:
        return None
    if not call.headers.get("authorization", "").lower().startswith("oauth "):
        raise invalid("An upload session needs its token in the header Authorization: OAuth")
    return Node(SESSION, reference, dict(row), call.world.settings.app_id, call.world.settings.app_id)


def _load(world: World, node_id: str) -> Node | None:
    return None  # sessions are found by their alias only: who asks matters


def _continue(call: Call, node: Node) -> dict[str, Any]:
    """More bytes; the handle when they are all there."""
    given, size, length = call.headers.get("file_offset", ""), int(node.doc["size"]), int(node.doc["length"])
    if not given.isdecimal():
        raise invalid("The header file_offset is required")
    if int(given) != size:
        raise invalid(f"The offset {given} does not fit: the session has {size} bytes")
    if size + len(call.content) > length:
        raise invalid(f"The session takes {length} bytes, more were sent")
    call.world.db.execute("UPDATE uploads SET content = content || ? WHERE id = ?", (call.content, node.id))
    size += len(call.content)
    if size < length:
        return {"id": node.id, "file_offset": size}
    digest = hashlib.sha256(node.id.encode()).digest()
    return {"h": f"2:{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"}


def install(schema: Schema) -> None:
    fields = {"file_offset": lambda call, node, given: node.doc["size"]}
    schema.add_type("upload", NodeType(SESSION, _load, fields, ("file_offset",)))
    schema.aliases["upload"] = _find
    known = ("file_length", "file_type", "file_name", "session_type")
    schema.add(
        Write("POST", "Application", "uploads", _open, known),
        Write("POST", SESSION, "", _continue, None),
    )
