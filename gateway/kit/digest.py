"""A digest of a payload: equal payloads, equal digests, whatever the order of their keys."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson


def digest_of(payload: Any) -> str:
    """SHA-256 of the canonical JSON of *payload*."""
    return sha256(orjson.dumps(payload, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()
