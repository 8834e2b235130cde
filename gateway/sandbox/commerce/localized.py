"""`localized_items_batch`: other words for another language, other prices for another country.

Source: catalog.md section 5.  It only ever changes items that are there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from gateway.sandbox import catalog_batches, item_rules, item_store, overrides, params
from gateway.sandbox.catalog_batches import LOCALIZED, RUNNERS, Remarks
from gateway.sandbox.commerce.catalogs import SCOPE, read_records
from gateway.sandbox.errors import missing_parameter
from gateway.sandbox.item_fields import KNOWN
from gateway.sandbox.item_store import Item
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Node, PlainEdge, Schema, Write
from gateway.sandbox.usage import BATCH
from gateway.sandbox.world import World

PARAMS = ("item_type", "requests", "allow_upsert", "version")


def _post(call: Call, node: Node) -> dict[str, Any]:
    records = read_records(call)
    remarks: list[dict[str, Any]] = []
    work: list[list[Any]] = []
    for line, record in enumerate(records, start=1):
        errors, warnings, retailer_id = catalog_batches.first_look(record)
        key = _key(record.get("localization"))
        if key is None:
            errors.append("Invalid value: localization needs a type and a value that fits it.")
        data = record.get("data")
        if not errors and isinstance(data, dict):
            assert key is not None
            errors += misplaced(key, data)
            warnings += _unlocalizable(retailer_id, data)
        if errors or warnings:
            said = {"errors": errors, "warnings": warnings}
            lists = {name: [{"message": text} for text in texts] for name, texts in said.items() if texts}
            remarks.append({"retailer_id": retailer_id} | lists)
        if not errors:
            work.append([line, str(record["method"]).upper(), retailer_id, data, list(key or ())])
    # A list is no key: records of one item and one localization are told apart by the pair as text.
    prepared = [[line, method, name, data, "\n".join(key)] for line, method, name, data, key in work]
    handles = [catalog_batches.take(call, node.id, prepared, upsert=False, kind=LOCALIZED)] if work else []
    return {"handles": handles, "validation_status": remarks}


def _key(source: Any) -> overrides.Key | None:
    if not isinstance(source, dict):
        return None
    return overrides.key_of(str(source.get("type") or ""), str(source.get("value") or ""))


def misplaced(key: overrides.Key, data: Mapping[str, Any]) -> list[str]:
    """Prices and stock belong to a country, never to a language alone."""
    if key[0] != overrides.LANGUAGE:
        return []
    wrong = [name for name in overrides.COUNTRY_ONLY if name in data]
    return [f"Invalid value: {name} can be given for a country only, not for a language." for name in wrong]


def _unlocalizable(retailer_id: str, data: Mapping[str, Any]) -> list[str]:
    return [
        f"Unrecognised field: A request for item {retailer_id} contains a field that cannot be localized: '{name}'"
        for name in data
        if name in KNOWN and name != "id" and name not in overrides.FIELDS
    ]


def kept(data: Mapping[str, Any]) -> dict[str, Any]:
    return item_rules.stored({name: value for name, value in data.items() if name in overrides.FIELDS})


def _apply(world: World, batch: sqlite3.Row, records: list[list[Any]], remarks: Remarks) -> None:
    catalog = batch["catalog"]
    there = item_store.by_retailer_ids(world, catalog, [record[2] for record in records])
    for line, method, retailer_id, data, pair in records:
        kind, value = pair.split("\n")
        if retailer_id not in there:
            remarks.error(line, retailer_id, ["Invalid value: There is no item with this id to localize."])
        elif method == "DELETE":
            overrides.drop(world, catalog, retailer_id, (kind, value))
        else:
            change = kept(data)
            complaints = item_rules.errors_in(change)
            remarks.error(line, retailer_id, complaints)
            if not complaints:
                overrides.put(world, catalog, retailer_id, (kind, value), change)
                remarks.warn(line, retailer_id, item_rules.warnings_in(change, False))


def _run(world: World, batch: sqlite3.Row) -> dict[str, Any]:
    return catalog_batches.run_records(world, batch, _apply)


def _details(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    item: Item = node.doc["item"]
    kinds = params.choices(given, "type", overrides.TYPES)
    if not kinds and params.given(given, "keys"):
        raise missing_parameter("type")
    keys = [key.lower() for key in params.words(given, "keys")]
    return [
        {"key": value, "type": kind, "values": values}
        for (kind, value), values in overrides.get(call.world, item.catalog, item.retailer_id).items()
        if (not kinds or kind in kinds) and (not keys or value.lower() in keys)
    ]


def install(schema: Schema) -> None:
    RUNNERS[LOCALIZED] = _run
    schema.add(
        Write("POST", "ProductCatalog", "localized_items_batch", _post, PARAMS, SCOPE, BATCH),
        PlainEdge("ProductItem", "override_details", _details, ("type", "keys"), SCOPE),
    )
