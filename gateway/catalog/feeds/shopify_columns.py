"""The columns of Shopify's product CSV, in its long-standing spelling and in the one of the newer template.

Both are in use: exports of years ago are kept and edited, and Shopify goes on accepting them.
Source: Shopify Help Center > Products > Using CSV files; the sample files linked from there.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.catalog.feeds.columns import squash
from gateway.catalog.feeds.flat import note_unknown

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "handle": ("Handle", "URL handle"),
    "title": ("Title",),
    "body": ("Body (HTML)", "Body HTML", "Description"),
    "vendor": ("Vendor",),
    "type": ("Type", "Custom Product Type", "Product Type"),
    "published": ("Published", "Published on online store"),
    "status": ("Status",),
    "option1": ("Option1 Name",),
    "option2": ("Option2 Name",),
    "option3": ("Option3 Name",),
    "value1": ("Option1 Value",),
    "value2": ("Option2 Value",),
    "value3": ("Option3 Value",),
    "sku": ("Variant SKU", "SKU"),
    "tracker": ("Variant Inventory Tracker", "Inventory tracker"),
    "stock": ("Variant Inventory Qty", "Variant Inventory Quantity", "Inventory quantity"),
    "policy": ("Variant Inventory Policy", "Continue selling when out of stock"),
    "price": ("Variant Price", "Price"),
    "compare": ("Variant Compare At Price", "Compare-at price"),
    "barcode": ("Variant Barcode", "Variant Barcodes", "Barcode", "Barcodes"),
    "image": ("Image Src", "Product image URL"),
    "position": ("Image Position",),
    "variant_image": ("Variant Image", "Variant image URL"),
    "category": ("Google Shopping / Google Product Category",),
    "gender": ("Google Shopping / Gender",),
    "age": ("Google Shopping / Age Group",),
    "mpn": ("Google Shopping / MPN", "Google Shopping / Manufacturer part number (MPN)"),
    "condition": ("Google Shopping / Condition",),
    **{f"label{n}": (f"Google Shopping / Custom Label {n}",) for n in range(5)},
}
_NAMES = {squash(spelling): name for name, spellings in _COLUMNS.items() for spelling in spellings}
_TELLTALE = frozenset({"option1", "value1", "sku", "price", "image", "body", "published"})


def shopify_columns(header: list[str], unknown: list[str]) -> dict[str, int]:
    """Which of our names for Shopify's columns stands where in *header*."""
    found: dict[str, int] = {}
    for index, spelling in enumerate(header):
        name = _NAMES.get(squash(spelling))
        if name is None:
            note_unknown(spelling, unknown)
        else:
            found.setdefault(name, index)
    return found


def is_shopify(header: list[str]) -> bool:
    """Whether a table under *header* is a Shopify product file: rows under a handle, and no ids."""
    if any(squash(spelling) in ("id", "g:id", "retailerid") for spelling in header):
        return False
    found = shopify_columns(header, [])
    return "handle" in found and not _TELLTALE.isdisjoint(found)
