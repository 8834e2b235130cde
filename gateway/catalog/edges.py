"""Catalog edges of the Graph API: send item batches, read what came of them, look items up.

The only place that knows Meta's names for our item fields.  No rules here, no store.
Source: Catalog > items_batch, check_batch_request_status, products (reference pages of v25.0).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.catalog.models import VOLATILE, Document, money_of
from gateway.graph.client import GraphSession

# Our field -> the name that items_batch and feeds use.
BATCH_NAMES: Mapping[str, str] = {
    "title": "title",
    "description": "description",
    "availability": "availability",
    "condition": "condition",
    "price": "price",
    "salePrice": "sale_price",
    "salePriceWindow": "sale_price_effective_date",
    "quantity": "quantity_to_sell_on_facebook",
    "link": "link",
    "imageLink": "image_link",
    "additionalImageLinks": "additional_image_link",
    "brand": "brand",
    "gtin": "gtin",
    "mpn": "mpn",
    "itemGroupId": "item_group_id",
    "color": "color",
    "size": "size",
    "material": "material",
    "pattern": "pattern",
    "gender": "gender",
    "ageGroup": "age_group",
    "variantAttributes": "additional_variant_attribute",
    "googleProductCategory": "google_product_category",
    "productType": "product_type",
    "customLabels": "custom_label_",
    "status": "status",
}
FINAL_STATUSES = frozenset({"finished", "canceled", "error"})
PRODUCT_FIELDS = "id,retailer_id,name,price,availability,image_url,url"


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """The final word on a batch handle."""

    status: str
    invalid_ids: tuple[str, ...]
    errors: dict[str, list[str]]
    warnings: dict[str, list[str]]


def item_record(
    retailer_id: str, document: Document, *, only: Collection[str] | None = None, cleared: Iterable[str] = ()
) -> dict[str, Any]:
    """An UPDATE record: the fields in *only* (all by default), and emptied ones for *cleared*."""
    data: dict[str, Any] = {"id": retailer_id}
    for name in cleared:
        if name == "customLabels":
            data.update({f"custom_label_{n}": "" for n in range(5)})
        else:
            data[BATCH_NAMES[name]] = [] if name == "additionalImageLinks" else ""
    for name, value in document.items():
        if only is not None and name not in only:
            continue
        match name:
            case "price" | "salePrice":
                data[BATCH_NAMES[name]] = str(money_of(value))
            case "salePriceWindow":
                data[BATCH_NAMES[name]] = f"{value['startsAt']}/{value['endsAt']}"
            case "variantAttributes":
                # The string form; a comma or a colon inside a part would split it, so both are taken out.
                data[BATCH_NAMES[name]] = ",".join(f"{_part(label)}:{_part(text)}" for label, text in value.items())
            case "customLabels":
                data.update({f"custom_label_{n}": label for n, label in enumerate(value) if label})
            case _:
                data[BATCH_NAMES[name]] = value
    return {"method": "UPDATE", "data": data}


def patch_record(retailer_id: str, document: Document, *, cleared: Iterable[str] = ()) -> dict[str, Any]:
    """An UPDATE record of the volatile fields alone; Meta keeps the others."""
    return item_record(retailer_id, document, only=VOLATILE, cleared=[name for name in cleared if name in VOLATILE])


def delete_record(retailer_id: str) -> dict[str, Any]:
    return {"method": "DELETE", "data": {"id": retailer_id}}


def _part(text: str) -> str:
    return text.replace(",", " ").replace(":", " ")


async def send_items(
    graph: GraphSession, catalog_id: str, records: Sequence[Mapping[str, Any]], timeout_s: float
) -> tuple[str | None, dict[str, list[str]]]:
    """Post a batch; returns its handle (none when nothing was taken) and the errors found at once, by retailer id."""
    answer = await graph.post_json(
        f"{catalog_id}/items_batch",
        {"item_type": "PRODUCT_ITEM", "allow_upsert": True, "requests": list(records)},
        timeout_s=timeout_s,
    )
    handles = answer.get("handles") or []
    errors: dict[str, list[str]] = {}
    for entry in answer.get("validation_status") or []:
        messages = [str(error.get("message", "")) for error in entry.get("errors") or []]
        if messages:
            errors.setdefault(str(entry.get("retailer_id")), []).extend(messages)
    return (str(handles[0]) if handles else None), errors


async def fetch_batch_status(graph: GraphSession, catalog_id: str, handle: str) -> BatchStatus | None:
    """What became of a batch; ``None`` while Meta is at work, and for a status that nobody knows."""
    answer = await graph.get(
        f"{catalog_id}/check_batch_request_status",
        params={"handle": handle, "load_ids_of_invalid_requests": True},
        fields="handle,status,errors,errors_total_count,warnings,warnings_total_count,ids_of_invalid_requests",
    )
    rows = answer.get("data") or []
    if not rows or str(rows[0].get("status", "")).lower() not in FINAL_STATUSES:
        return None
    row = rows[0]
    return BatchStatus(
        status=str(row["status"]).lower(),
        invalid_ids=tuple(sorted({str(entry) for entry in row.get("ids_of_invalid_requests") or []})),
        errors=_messages(row.get("errors")),
        warnings=_messages(row.get("warnings")),
    )


def _messages(rows: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows or []:
        found.setdefault(str(row.get("id")), []).append(str(row.get("message", "")))
    return found


async def fetch_products(graph: GraphSession, meta_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Products by Meta's id, 50 to a call; absent ones are left out."""
    return await graph.get_many(meta_ids, fields=PRODUCT_FIELDS)
