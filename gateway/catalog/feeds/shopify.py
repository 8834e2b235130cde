"""Shopify's product CSV: rows grouped by handle, the first with the product's facts, the others with a variant each.

A row without option values, SKU and price only adds a picture.  Pictures may come after the variants that show them,
so one product is held until its last row has been read, never more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gateway.catalog.feeds.models import FeedOptions, FeedUnreadable, Outcome, RefusedRow
from gateway.catalog.feeds.rows import refuse_bytes
from gateway.catalog.feeds.shopify_columns import shopify_columns
from gateway.catalog.feeds.shopify_items import LinkTemplate, Product, Row, variant_row
from gateway.catalog.feeds.tables import Record, refuse_shape
from gateway.catalog.feeds.text import MARK

# Shopify allows 2,048 variants and 250 pictures a product.  More rows than that are no product, and are not held.
MAX_ROWS = 2_500


@dataclass(slots=True)
class _Group:
    handle: str
    first: Row
    rows: list[Row] = field(default_factory=list)
    images: list[tuple[int, str]] = field(default_factory=list)
    held: int = 0


def read_shopify(
    header: list[str], records: Iterable[Record | RefusedRow], options: FeedOptions, encoding: str, unknown: list[str]
) -> Iterator[Outcome]:
    """The variants of a Shopify file as items.

    Raises:
        FeedUnreadable: no handle column, or the options lack what the file cannot say (currency, links).
    """
    columns = shopify_columns(header, unknown)
    if "handle" not in columns:
        raise FeedUnreadable(
            "the file has no column 'Handle'", field=("Handle",), fix="Export the products from Shopify as CSV again."
        )
    if options.currency is None:
        raise FeedUnreadable(
            "a Shopify file does not say the currency of its prices",
            field=("currency",),
            fix="Name the shop's currency, such as USD (--currency USD).",
        )
    if options.link_template is None:
        raise FeedUnreadable(
            "a Shopify file has no links to the products",
            field=("linkTemplate",),
            fix="Say how links are made (--link-template https://shop.example.com/products/{handle}).",
        )
    links = LinkTemplate.parse(options.link_template)
    return _read(header, columns, records, options.currency, links, options.max_line_bytes, encoding)


def _read(
    header: list[str],
    columns: dict[str, int],
    records: Iterable[Record | RefusedRow],
    currency: str,
    links: LinkTemplate,
    limit: int,
    encoding: str,
) -> Iterator[Outcome]:
    group: _Group | None = None
    for record in records:
        row = record if isinstance(record, RefusedRow) else _row(record, header, columns, encoding)
        if isinstance(row, RefusedRow):
            # The group stays open: a bad row in the midst of a product does not end it.
            yield row
            continue
        handle = row.get("handle")
        if group is not None and group.handle != handle:
            yield from _items(group, columns, currency, links)
            group = None
        if group is None:
            if (refused := _refuse_start(row)) is not None:
                yield refused
                continue
            group = _Group(handle, row)
        if (refused := _add(group, row, limit)) is not None:
            yield refused
    if group is not None:
        yield from _items(group, columns, currency, links)


def _row(record: Record, header: list[str], columns: dict[str, int], encoding: str) -> Row | RefusedRow:
    if (refused := refuse_shape(record, len(header))) is not None:
        return refused
    cells = {name: record.cells[index].strip() for name, index in columns.items() if index < len(record.cells)}
    for name, cell in cells.items():
        if MARK in cell:
            return refuse_bytes(record.line, header[columns[name]].strip(), encoding)
    return Row(record.line, {name: cell for name, cell in cells.items() if cell})


def _refuse_start(row: Row) -> RefusedRow | None:
    """Why *row* cannot be the first of a product."""
    if not row.get("handle"):
        return RefusedRow(
            row.line,
            None,
            "MISSING_FIELD",
            "Handle",
            "the row has no handle, so its product is not known",
            "Give the row its product's handle.",
        )
    if not row.get("title"):
        return RefusedRow(
            row.line,
            None,
            "MISSING_FIELD",
            "title",
            f"the row of {row.get('handle')[:60]!r} does not follow its product's first row, the one with the title",
            "Keep the rows of a product together, the one with the title first: sort the file by Handle.",
        )
    return None


def _add(group: _Group, row: Row, limit: int) -> RefusedRow | None:
    group.held += sum(map(len, row.cells.values()))
    if len(group.rows) >= MAX_ROWS or len(group.images) >= MAX_ROWS or group.held > 4 * limit:
        return RefusedRow(
            row.line,
            None,
            "ROW_TOO_LONG",
            "Handle",
            f"the product {group.handle[:60]!r} has more rows than a product can have",
            "Give each product its own handle.",
        )
    if image := row.get("image"):
        position = row.get("position")
        # Pictures without a position keep the order of the file, behind those that have one.
        rank = int(position) if position.isascii() and position.isdigit() and len(position) < 10 else 10**9
        group.images.append((rank, image))
    if row is group.first or row.is_variant:
        group.rows.append(row)
    return None


def _items(group: _Group, columns: dict[str, int], currency: str, links: LinkTemplate) -> Iterator[Outcome]:
    images = tuple(dict.fromkeys(image for _, image in sorted(group.images, key=lambda entry: entry[0])))
    product = Product(group.handle, group.first, images)
    for row in group.rows:
        yield variant_row(product, row, columns.keys(), currency, links)
