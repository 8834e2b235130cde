"""Meta-like ids: sixteen digits that tell the type of a node and the world it lives in.

Only the sandbox reads them; to a client they are opaque.  The world's number inside the id is what lets a call with
an app token find its world, and keeps ids unique across worlds.
"""

from __future__ import annotations

BUSINESS, PAGE, ACCOUNT, CATALOG = "11", "12", "13", "14"
SYSTEM_USER, USER = "15", "16"
INTEGRATION, SHOP, AD_ACCOUNT, FEATURE = "17", "18", "19", "91"
PRODUCT_SET, CANCELLATION = "33", "81"
ITEM, GROUP, LINE = "70", "71", "72"
ORDER = "90"


def compose(kind: str, world: int, serial: int) -> str:
    return f"{kind}{world:05d}{serial:09d}"


def kind_of(object_id: str) -> str:
    return object_id[:2] if len(object_id) == 16 and object_id.isascii() and object_id.isdigit() else ""


def world_of(object_id: str) -> int | None:
    return int(object_id[2:7]) if kind_of(object_id) else None
