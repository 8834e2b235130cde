"""Every feed in these tests is a real file, in a folder of its own test."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from gateway.catalog.feeds import Feed, FeedOptions, FeedRow, RefusedRow, read_feed

Read = Callable[..., list[FeedRow | RefusedRow]]


@pytest.fixture
def open_feed(tmp_path: Path) -> Callable[..., Feed]:
    numbers = count()

    def open_(data: str | bytes, **options: object) -> Feed:
        path = tmp_path / f"feed-{next(numbers)}"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        with path.open("rb") as stream:
            feed = read_feed(stream, FeedOptions(**options))  # type: ignore[arg-type]
            return Feed(feed.format, iter(list(feed)), feed.unknown_columns)

    return open_


@pytest.fixture
def read(open_feed: Callable[..., Feed]) -> Read:
    def read_(data: str | bytes, **options: object) -> list[FeedRow | RefusedRow]:
        return list(open_feed(data, **options))

    return read_


@pytest.fixture
def read_shopify(read: Read) -> Read:
    """Reads Shopify rows given as dictionaries, with a currency and a link template unless told otherwise."""

    def read_(*rows: dict[str, str], **options: object) -> list[FeedRow | RefusedRow]:
        header = list(dict.fromkeys(name for row in rows for name in row))
        lines = [",".join(header), *(",".join(row.get(name, "") for name in header) for row in rows)]
        defaults = {"currency": "EUR", "link_template": "https://shop.example.com/products/{handle}"}
        return read("\n".join(lines) + "\n", **{**defaults, **options})

    return read_
