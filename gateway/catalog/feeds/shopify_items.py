"""One variant of a Shopify product as an item: what each of our fields is made of."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Self
from urllib.parse import quote, urlsplit

from gateway.catalog.feeds.columns import trim_labels
from gateway.catalog.feeds.models import FeedRow, FeedUnreadable, Outcome, RefusedRow
from gateway.catalog.feeds.plain import plain_text
from gateway.catalog.feeds.rows import identify
from gateway.catalog.models import FIELDS, Availability, Gender, ItemStatus

_OPTION_FIELDS = {
    "color": "color",
    "colour": "color",
    "size": "size",
    "material": "material",
    "pattern": "pattern",
    "gender": "gender",
}
# Columns that are passed on as they are, when the file has them.
_PLAIN = {
    "vendor": "brand",
    "type": "productType",
    "category": "googleProductCategory",
    "age": "ageGroup",
    "mpn": "mpn",
}


@dataclass(frozen=True, slots=True)
class Row:
    """The filled cells of one row, under our names for Shopify's columns."""

    line: int
    cells: Mapping[str, str]

    def get(self, name: str) -> str:
        return self.cells.get(name, "")

    @property
    def is_variant(self) -> bool:
        return any(name in self.cells for name in ("value1", "value2", "value3", "sku", "price"))


@dataclass(frozen=True)
class Product:
    """What the variants of a product share: its first row, and its pictures in order."""

    handle: str
    first: Row
    images: tuple[str, ...]

    @cached_property
    def description(self) -> str:
        return plain_text(self.first.get("body"), FIELDS["description"].limit) or self.first.get("title")

    @property
    def status(self) -> str:
        """Only what is active and published is shown; a draft is not."""
        hidden = self.first.get("status").lower() not in ("", "active")
        hidden = hidden or self.first.get("published").lower() in ("false", "no", "0")
        return (ItemStatus.ARCHIVED if hidden else ItemStatus.ACTIVE).value


@dataclass(frozen=True, slots=True)
class LinkTemplate:
    """How the address of a product's page is made."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check a template before any row is read.

        Raises:
            FeedUnreadable: it is no http(s) address, or has no ``{handle}`` in it.
        """
        text = text.strip()
        names = set(re.findall(r"\{([^{}]*)\}", text))
        try:
            parts = urlsplit(re.sub(r"\{[^{}]*\}", "x", text))
            whole = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            whole = False
        if not whole or "handle" not in names or names - {"handle", "sku"}:
            raise FeedUnreadable(
                f"the link template {text[:120]!r} makes no product links",
                field=("linkTemplate",),
                fix="Write a whole address with {handle} in it: https://shop.example.com/products/{handle} "
                "({sku} may be used too).",
            )
        return cls(text)

    def link(self, handle: str, sku: str) -> str:
        # One pass: a handle that contains "{sku}" is quoted, and stays what it is.
        values = {"{handle}": quote(handle, safe=""), "{sku}": quote(sku, safe="")}
        return re.sub(r"\{handle\}|\{sku\}", lambda found: values[found[0]], self.text)


def slug(*parts: str) -> str:
    """The letters and digits of *parts* in lower case, joined by dashes: ``classic-varsity-top-small``."""
    text = unicodedata.normalize("NFKC", " ".join(parts)).lower()
    return "-".join(re.findall(r"[^\W_]+", text))


def variant_row(product: Product, row: Row, columns: Collection[str], currency: str, links: LinkTemplate) -> Outcome:
    """The item that *row* stands for, or its refusal: no usable id, no price, no picture."""
    named = _options(product, row)
    derived = slug(product.handle, *named.values())
    retailer_id, problem = identify(row.get("sku") or derived)
    if problem is not None:
        fix = problem.fix if row.get("sku") else "Give the variant a SKU."
        return RefusedRow(row.line, retailer_id, problem.code, problem.field, problem.message, fix)
    if not row.get("price"):
        return _refuse(row, retailer_id, "price", "the variant has no price", "Give the variant a price in Shopify.")
    image = row.get("variant_image") or next(iter(product.images), "")
    if not image:
        message, fix = "neither the variant nor its product has an image", "Add an image to the product in Shopify."
        return _refuse(row, retailer_id, "imageLink", message, fix)
    others = [other for other in product.images if other != image][: FIELDS["additionalImageLinks"].limit]
    values: dict[str, object] = {
        "title": product.first.get("title"),
        "description": product.description,
        "condition": product.first.get("condition") or "new",
        "link": links.link(product.handle, row.get("sku") or derived),
        "imageLink": image,
        "additionalImageLinks": others or "",
        "itemGroupId": product.handle,
        "status": product.status,
        **_prices(row, currency),
        **_stock(row, columns),
        **_passed_on(product, row, columns),
        **_attributes(named, product, columns),
    }
    return FeedRow(row.line, retailer_id, values, alias=derived)


def _refuse(row: Row, retailer_id: str | None, field: str, message: str, fix: str) -> RefusedRow:
    return RefusedRow(row.line, retailer_id, "MISSING_FIELD", field, message, fix)


def _options(product: Product, row: Row) -> dict[str, str]:
    """Option names (they stand on the first row only) and this variant's values."""
    named: dict[str, str] = {}
    for n in "123":
        name = row.get(f"option{n}") or product.first.get(f"option{n}") or f"Option {n}"
        value = row.get(f"value{n}")
        # "Default Title" is how Shopify writes that a product has no options.
        if value and value.lower() != "default title":
            named[name] = value
    return named


def _attributes(named: Mapping[str, str], product: Product, columns: Collection[str]) -> dict[str, object]:
    values: dict[str, object] = dict.fromkeys(("color", "size", "material", "pattern"), "")
    if "gender" in columns:
        values["gender"] = product.first.get("gender")
    others: dict[str, str] = {}
    for name, value in named.items():
        field = _OPTION_FIELDS.get(name.strip().lower())
        if field is None or (field == "gender" and value.lower() not in list(Gender)):
            others[name] = value
        else:
            values[field] = value
    values["variantAttributes"] = others or ""
    return values


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _prices(row: Row, currency: str) -> dict[str, object]:
    """The price, and where the price before is higher, that one as the price and today's as the sale price."""
    price, before = row.get("price"), row.get("compare")
    now, then = _decimal(price), _decimal(before) if before else None
    if before and (then is None or (now is not None and then > now)):
        # A price before that is no number goes along too: it is refused as a price, and not passed over in silence.
        return {"price": f"{before} {currency}", "salePrice": f"{price} {currency}"}
    return {"price": f"{price} {currency}", "salePrice": ""}


def _stock(row: Row, columns: Collection[str]) -> dict[str, object]:
    """Availability and quantity.

    No tracker means that stock is not counted, and so that there is some.  Files of shops with several locations have
    no column for quantities at all; there the variant counts as in stock too.  A quantity of 0 beside "in stock" would
    contradict it at Meta, so it is left out.
    """
    text = row.get("stock")
    counted = bool(row.get("tracker")) and "stock" in columns
    number = int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else None
    sells_on = row.get("policy").lower() in ("continue", "true", "yes")
    available = not counted or sells_on or (number or 0) > 0
    values: dict[str, object] = {
        "availability": (Availability.IN_STOCK if available else Availability.OUT_OF_STOCK).value
    }
    if "stock" not in columns:
        return values
    if text and number is None:
        values["quantity"] = text  # refused as a quantity further on
    elif available:
        values["quantity"] = str(number) if number and number > 0 else ""
    else:
        values["quantity"] = "0"
    return values


def _passed_on(product: Product, row: Row, columns: Collection[str]) -> dict[str, object]:
    values: dict[str, object] = {_PLAIN[name]: product.first.get(name) for name in _PLAIN if name in columns}
    if "mpn" in columns:
        values["mpn"] = row.get("mpn") or product.first.get("mpn")
    if "barcode" in columns:
        # Shopify puts an apostrophe before long numbers, to keep spreadsheets from rounding them.
        values["gtin"] = row.get("barcode").lstrip("'")
    if any(name.startswith("label") for name in columns):
        values["customLabels"] = trim_labels({n: product.first.get(f"label{n}") for n in range(5)})
    return values
