"""Our ids: random, sortable by time inside, opaque outside.

A row is keyed by a UUID (version 7, so that an index grows at its end).  The schema shows ``Node`` ids: base64url
of ``Type:uuid`` without padding.  Meta's ids are other things; they are strings and are never made here.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
import time


class BadNodeId(ValueError):
    """The text is not a node id, or is one of another type."""


_lock = threading.Lock()
_last = (0, 0)


def new_id() -> str:
    """A fresh UUIDv7 as 32 hex digits, above all that this process made before (RFC 9562, sections 5.7 and 6.2)."""
    global _last
    with _lock:
        now = time.time_ns() // 1_000_000
        moment, tail = _last
        # 74 random bits; within a millisecond, or when the clock steps back, the last ones plus a random step.
        _last = (now, secrets.randbits(73)) if now > moment else (moment, tail + 1 + secrets.randbits(32))
        moment, tail = _last
    return f"{moment:012x}7{tail >> 62 & 0xFFF:03x}{0x8000000000000000 | tail & 0x3FFFFFFFFFFFFFFF:016x}"


def node_id(type_name: str, key: str) -> str:
    """The opaque id under which the schema shows the row *key* of *type_name*."""
    return base64.urlsafe_b64encode(f"{type_name}:{key}".encode()).decode().rstrip("=")


def parse_node_id(text: str) -> tuple[str, str]:
    """``(type name, key)`` of a node id.

    Raises:
        BadNodeId: it is none.
    """
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (ValueError, binascii.Error) as exc:
        raise BadNodeId(f"{text!r} is not a node id") from exc
    type_name, colon, key = raw.partition(":")
    # The decoder is lenient; an id is not, or one object would have many.
    if not (colon and type_name and key) or node_id(type_name, key) != text:
        raise BadNodeId(f"{text!r} is not a node id")
    return type_name, key


def key_of(text: str, type_name: str) -> str:
    """The key behind a node id that must be of *type_name*.

    Raises:
        BadNodeId: it is no node id, or one of another type.
    """
    found, key = parse_node_id(text)
    if found != type_name:
        raise BadNodeId(f"{text!r} is the id of a {found}, not of a {type_name}")
    return key
