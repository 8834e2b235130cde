"""What reading a product file gives: rows, refusals, or the news that the file as a whole cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import InvalidInput


class FeedFormat(StrEnum):
    """The kinds of files that sellers have."""

    SHOPIFY_CSV = "shopify_csv"
    META_CSV = "meta_csv"
    META_TSV = "meta_tsv"
    META_XML = "meta_xml"
    JSONL = "jsonl"


# Meta's own limit for one line or record of a feed, in bytes (Catalog > Feeds, file formats and sizes).
MAX_RECORD_BYTES = 5_242_880


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """What the file cannot say itself.

    ``format`` and ``encoding`` are found out when not given (a byte order mark wins over ``encoding``).  ``currency``
    (ISO 4217) completes prices that have none; ``link_template`` makes product links, ``{handle}`` and ``{sku}`` in it
    are filled in.  Both are required for a Shopify file, which has neither.
    """

    format: FeedFormat | None = None
    currency: str | None = None
    link_template: str | None = None
    encoding: str | None = None
    max_line_bytes: int = MAX_RECORD_BYTES


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One item of the file: raw *values* under our field names.

    A column that the file has, and whose cell is empty, is ``""`` (it clears the field); a column that the file does
    not have is absent.  ``line`` is the physical line on which the record starts, counted from 1; ``item`` counts the
    items of an XML file, which may well stand on one line.  ``alias`` is the id that a Shopify variant would have
    without its SKU: whoever keeps ids fixed from the first import looks for an item under it too.
    """

    line: int
    retailer_id: str | None
    values: Mapping[str, object]
    item: int | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A record that is not taken: where it stands, why, and what to do about it.

    ``field`` is our field name, or the file's column where no field of ours is meant.
    """

    line: int
    retailer_id: str | None
    code: str
    field: str | None
    message: str
    fix: str
    item: int | None = None


Outcome = FeedRow | RefusedRow


class FeedUnreadable(InvalidInput):
    """Nothing at all can be read: an empty file, no table, no id column, a missing option."""

    code = "FEED_UNREADABLE"
