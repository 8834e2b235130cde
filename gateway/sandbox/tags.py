"""Product tags on Instagram media: what may be tagged, how often, and how tags read.

Source: engagement.md section 4.  Ids are JSON numbers on these edges, positions come back as 32-bit floats.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from gateway.sandbox import item_store
from gateway.sandbox.errors import GraphError
from gateway.sandbox.item_store import Item
from gateway.sandbox.money import SYMBOLS, display, parse_price
from gateway.sandbox.world import World

IG_USER, CONTAINER, MEDIA, COMMENT = "53", "54", "55", "59"
IMAGE, VIDEO, REELS, CAROUSEL = TYPES = ("IMAGE", "VIDEO", "REELS", "CAROUSEL")
MOST = {IMAGE: 20, VIDEO: 20, REELS: 30, CAROUSEL: 20}
MOST_ON_SLIDE = 5
TAGGED_POSTS, POSTS, QUOTA_SECONDS = 25, 100, 86_400


def refused(message: str) -> GraphError:
    return GraphError(100, "Invalid parameter", transient=False, title="Invalid product tag", user_message=message)


def catalog_of(world: World, ig_user: Mapping[str, Any]) -> str:
    account = world.find_node(str(ig_user["account"]), "account")
    assert account is not None
    return str(account["catalog"])


def product(world: World, catalog: str, product_id: Any) -> Item:
    """An item of the shop's catalog, whatever its review says.

    Raises:
        GraphError: no such item.
    """
    item = item_store.by_id(world, str(product_id))
    if item is None or item.catalog != catalog:
        raise refused(f"The product {product_id} is not in a catalog that this account can tag from.")
    return item


def read_tags(world: World, catalog: str, rows: Any, kind: str, *, slide: bool = False) -> list[dict[str, Any]]:
    """The tags of a new post, checked.

    Raises:
        GraphError: too many, one product twice, an unknown product, or a position that is none.
    """
    if rows is None:
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise refused("The parameter product_tags must be a list of objects.")
    most = MOST_ON_SLIDE if slide else MOST[kind]
    if len(rows) > most:
        raise refused(f"At most {most} products can be tagged here.")
    tags = [_read_tag(world, catalog, row, kind) for row in rows]
    if len({tag["product_id"] for tag in tags}) < len(tags):
        raise refused("A product can be tagged once only.")
    return tags


def _read_tag(world: World, catalog: str, row: Mapping[str, Any], kind: str) -> dict[str, Any]:
    item = product(world, catalog, row.get("product_id"))
    tag: dict[str, Any] = {"product_id": item.id}
    if kind != IMAGE:
        return tag
    for axis in ("x", "y"):
        try:
            value = float(str(row[axis]))
        except (KeyError, ValueError):
            raise refused(f"The position {axis} of a tag on a picture is required.") from None
        if not 0.0 <= value <= 1.0:
            raise refused(f"The position {axis} must lie between 0.0 and 1.0.")
        tag[axis] = value
    return tag


def merged(old: list[dict[str, Any]], new: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Tagging again adds; a product that is there only moves.

    Raises:
        GraphError: that would be too many.
    """
    by_product = {tag["product_id"]: tag for tag in old} | {tag["product_id"]: tag for tag in new}
    if len(by_product) > most:
        raise refused(f"At most {most} products can be tagged here.")
    return list(by_product.values())


def single(value: float) -> float:
    """The number as a 32-bit float keeps it."""
    kept: float = struct.unpack("f", struct.pack("f", value))[0]
    return kept


def _stripped(price: Any) -> str | None:
    parsed = parse_price(str(price or ""))
    if parsed is None:
        return None
    whole = parsed[0].quantize(Decimal(1), rounding=ROUND_HALF_UP)
    return f"{SYMBOLS.get(parsed[1], parsed[1])}{whole:,}"


def shown(world: World, tag: Mapping[str, Any], account: str) -> dict[str, Any]:
    """A tag as `product_tags` lists it."""
    item = item_store.by_id(world, tag["product_id"])
    row: dict[str, Any] = {"product_id": int(tag["product_id"]), "merchant_id": int(account)}
    if item is None:
        row |= {"review_status": "", "is_checkout": False}
    else:
        row |= {
            "name": item.fields.get("title"),
            "price_string": display(str(item.fields.get("price") or "")),
            "image_url": item_store.picture(item),
            "review_status": item_store.review_status(item, world.now()),
            "is_checkout": False,
            "stripped_price_string": _stripped(item.fields.get("price")),
            "stripped_sale_price_string": _stripped(item.fields.get("sale_price")),
        }
    row |= {axis: single(tag[axis]) for axis in ("x", "y") if axis in tag}
    return {name: value for name, value in row.items() if value is not None}
