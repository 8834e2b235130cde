"""The way in for every kind of product file: find out what it is, read it, refuse repeated ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import BinaryIO, Self

from gateway.catalog.feeds.columns import RETAILER_ID
from gateway.catalog.feeds.flat import read_json_lines, read_table
from gateway.catalog.feeds.models import FeedFormat, FeedOptions, FeedUnreadable, Outcome, RefusedRow
from gateway.catalog.feeds.rows import SeenIds
from gateway.catalog.feeds.shopify import read_shopify
from gateway.catalog.feeds.sniff import Family, family_of, find_header, table_format
from gateway.catalog.feeds.tables import records
from gateway.catalog.feeds.text import encoding_of, lines, open_text, read_head
from gateway.catalog.feeds.xml_items import read_xml
from gateway.kit.money import CURRENCIES


class Feed(Iterator[Outcome]):
    """The rows and refusals of one file, in the file's order.

    ``unknown_columns`` names columns that nothing is done with (at most 100); for XML and JSON lines it grows while
    reading goes on.
    """

    def __init__(self, format: FeedFormat, rows: Iterator[Outcome], unknown_columns: list[str]) -> None:
        self.format = format
        self.unknown_columns = unknown_columns
        self._rows = rows

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Outcome:
        return next(self._rows)


def read_feed(stream: BinaryIO, options: FeedOptions | None = None) -> Feed:
    """Read a product file; *stream* is read once, front to back, and left open.

    Raises:
        FeedUnreadable: nothing at all can be read.  Mostly at once; for a file without any record, or XML that is
            broken before its first item has ended, when the first row is asked for.
    """
    options = _checked(options or FeedOptions())
    head = read_head(stream)
    encoding = encoding_of(head, options.encoding)
    family = family_of(head, encoding, options.format)
    text = open_text(head, stream, encoding)
    limit, currency = options.max_line_bytes, options.currency
    unknown: list[str] = []
    if family is Family.XML:
        return Feed(FeedFormat.META_XML, _once(read_xml(text, currency, encoding, limit, unknown)), unknown)
    numbered = lines(text, limit)
    if family is Family.JSON:
        return Feed(FeedFormat.JSONL, _once(read_json_lines(numbered, currency, encoding, limit, unknown)), unknown)
    header, separator = find_header(numbered)
    found = table_format(header, separator, options.format)
    table = records(numbered, separator, limit)
    if found is FeedFormat.SHOPIFY_CSV:
        rows = read_shopify(header, table, options, encoding, unknown)
    else:
        rows = read_table(header, table, currency, encoding, unknown)
    return Feed(found, _some(_once(rows)), unknown)


def _checked(options: FeedOptions) -> FeedOptions:
    if options.currency is None:
        return options
    currency = options.currency.strip().upper()
    if currency not in CURRENCIES:
        raise FeedUnreadable(
            f"{options.currency[:20]!r} is not an ISO 4217 currency code",
            field=("currency",),
            fix="Write the code with three letters, such as USD.",
        )
    return replace(options, currency=currency)


def _once(rows: Iterable[Outcome]) -> Iterator[Outcome]:
    """Refuse an id that an earlier record had.

    Meta drops all records of an id that occurs twice in a file; keeping the first is kinder, and can be explained.
    A refused record holds its id too: once it is mended, the later one would be the repeat.
    """
    seen = SeenIds()
    for row in rows:
        if isinstance(row, RefusedRow) and row.field == RETAILER_ID:
            yield row
            continue
        first = None if row.retailer_id is None else seen.first_line(row.retailer_id, row.line)
        if first is None or isinstance(row, RefusedRow):
            yield row
        else:
            yield RefusedRow(
                row.line,
                row.retailer_id,
                "DUPLICATE_RETAILER_ID",
                RETAILER_ID,
                f"the id {row.retailer_id!r} is that of line {first} already",
                "Give each item its own id (in a Shopify file, each variant its own SKU), or remove the repeat.",
                row.item,
            )


def _some(rows: Iterator[Outcome]) -> Iterator[Outcome]:
    empty = True
    for row in rows:
        empty = False
        yield row
    if empty:
        raise FeedUnreadable("the file names its columns, and has no rows", fix="Export the products again.")
