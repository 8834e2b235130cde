"""The legacy `batch`: the same work as `items_batch` under older names, with the id beside the data.

Source: catalog.md section 4.  Its records are turned into the newer form when they arrive; fields it does not know
are dropped without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gateway.sandbox import catalog_batches, item_store
from gateway.sandbox.commerce.catalogs import SCOPE, read_requests, read_upsert
from gateway.sandbox.errors import invalid
from gateway.sandbox.item_fields import FROM_SINGLE, KNOWN
from gateway.sandbox.money import CURRENCIES, digits, parse_price, plain
from gateway.sandbox.schema import Call, Node, Schema, Write
from gateway.sandbox.usage import BATCH

PARAMS = ("requests", "allow_upsert", "fbe_external_business_id", "version")
_SHIPPING = ("country", "region", "service", "price_value", "price_currency")
_PLATFORMS = ("ios", "iphone", "ipad", "android", "windows_phone")


def _post(call: Call, node: Node) -> dict[str, Any]:
    if node.doc.get("vertical") != "commerce":
        raise invalid("Only catalogs of the vertical commerce can be written with this endpoint")
    records = read_requests(call)
    ids = [str(record.get("retailer_id") or "") for record in records]
    there = item_store.by_retailer_ids(call.world, node.id, [name for name in ids if name])
    turned = [_turned(record, there.get(name)) for record, name in zip(records, ids, strict=True)]
    return catalog_batches.post(call, node.id, turned, upsert=read_upsert(call))


def _turned(record: Mapping[str, Any], before: item_store.Item | None) -> dict[str, Any]:
    """A record in the form of `items_batch`."""
    data = record.get("data")
    if data is None and str(record.get("method") or "").upper() == "DELETE":
        data = {}
    if not isinstance(data, dict):
        return {"method": record.get("method"), "data": None}
    return {"method": record.get("method"), "data": {"id": record.get("retailer_id"), **_fields(data, before)}}


def _fields(data: Mapping[str, Any], before: item_store.Item | None) -> dict[str, Any]:
    turned: dict[str, Any] = {}
    for name, value in data.items():
        new = FROM_SINGLE.get(name, name)
        if new in KNOWN and new != "id" and name not in ("price", "sale_price", "shipping"):
            turned[new] = value
    known = None if before is None else parse_price(str(before.fields.get("price") or ""))
    currency = str(data.get("currency") or (known[1] if known else "")).upper()
    for name in ("price", "sale_price"):
        if data.get(name) is not None:
            turned[name] = _price(data[name], currency)
    starts, ends = data.get("sale_price_start_date"), data.get("sale_price_end_date")
    if starts and ends:
        turned["sale_price_effective_date"] = f"{starts}/{ends}"
    attributes = data.get("additional_variant_attributes")
    if isinstance(attributes, dict):
        turned["additional_variant_attribute"] = ",".join(f"{label}:{value}" for label, value in attributes.items())
    if isinstance(data.get("shipping"), list):
        turned["shipping"] = [
            {f"shipping_{name}": row[name] for name in _SHIPPING if name in row}
            for row in data["shipping"]
            if isinstance(row, dict)
        ]
    if isinstance(data.get("applinks"), dict):
        turned["applink"] = _links(data["applinks"])
    return turned


def _price(amount: Any, currency: str) -> Any:
    """Minor units and a currency as `"14.00 GBP"`; what is no whole number is left for the checks to refuse."""
    if isinstance(amount, bool) or not str(amount).isdecimal() or currency not in CURRENCIES:
        return str(amount)
    if int(amount) == 0:
        return f"0 {currency}"
    return f"{plain(Decimal(int(amount)).scaleb(-digits(currency)), currency)} {currency}"


def _links(applinks: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for platform in _PLATFORMS:
        rows = applinks.get(platform)
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            flat |= {f"{platform}_{name}": value for name, value in rows[0].items()}
    return flat


def install(schema: Schema) -> None:
    schema.add(Write("POST", "ProductCatalog", "batch", _post, PARAMS, SCOPE, BATCH))
