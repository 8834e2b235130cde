"""Laws: any bytes give rows, refusals or ``FeedUnreadable``; rows survive the way; memory stays flat."""

import csv
import io
import string
import tracemalloc
from collections.abc import Iterator

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.catalog.cleaning import clean
from gateway.catalog.feeds import FeedFormat, FeedOptions, FeedRow, FeedUnreadable, RefusedRow, read_feed

SHOPIFY = "Handle,Title,Variant SKU,Variant Price,Image Src\n"
STARTS = [b"", b"id,title,price\n", b"id\ttitle\n", b"<rss><channel><item>", b'{"id":', b"\xff\xfe", SHOPIFY.encode()]
CURRENCY_AND_LINKS = FeedOptions(currency="EUR", link_template="https://s.example/{handle}")

texts = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufdd0"), max_size=30).map(str.strip)
ids = st.text(string.ascii_letters + string.digits + ".", min_size=1, max_size=20)
tables = st.dictionaries(ids, st.fixed_dictionaries({"title": texts, "brand": texts, "color": texts}), min_size=1)


def read_all(data: bytes, options: FeedOptions = CURRENCY_AND_LINKS) -> list[FeedRow | RefusedRow]:
    return list(read_feed(io.BytesIO(data), options))


def parts_of_feeds() -> st.SearchStrategy[bytes]:
    pieces = rb', ;| "" " < > / & \ { } [ ] : = # id title handle item g:id A 12,50 -1 <item> </item> <!-- ]]> &a;'
    odd = [b" ", b"\t", b"\n", b"\r", b"\x00", b"\xff", b"\xef\xbb\xbf"]
    return st.lists(st.sampled_from(pieces.split(b" ") + odd) | st.binary(max_size=4), max_size=40).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(STARTS), st.binary(max_size=300) | parts_of_feeds())
def test_any_bytes_give_rows_refusals_or_a_file_that_cannot_be_read(start, rest):
    try:
        rows = read_all(start + rest)
    except FeedUnreadable:
        return
    for row in rows:
        assert row.line >= 1
        if isinstance(row, RefusedRow):
            assert row.message
            assert row.fix
        else:
            assert row.retailer_id
            clean(row.values)


@settings(max_examples=60, deadline=None)
@given(tables, st.sampled_from([",", "\t", ";"]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_a_table_written_by_others_comes_back(items, separator, encoding):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator)
    writer.writerow(["id", "title", "brand", "color"])
    writer.writerows([key, values["title"], values["brand"], values["color"]] for key, values in items.items())

    rows = read_all(out.getvalue().encode(encoding))

    assert {row.retailer_id: row.values for row in rows} == items


@settings(max_examples=60, deadline=None)
@given(tables)
def test_json_lines_written_by_others_come_back(items):
    rows = read_all(b"\n".join(orjson.dumps({"id": key, **values}) for key, values in items.items()))

    assert {row.retailer_id: row.values for row in rows} == items


class Generated(io.RawIOBase):
    """A file that is made while it is read."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        while not self._rest:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._rest = part
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


LONG = "x" * 20_000
COUNT = 2_500  # with LONG, 50 MB


def big_csv() -> Iterator[bytes]:
    yield b"id,title,description\n"
    for n in range(COUNT):
        yield f'A{n},Mug,"{LONG}"\n'.encode()


def big_shopify() -> Iterator[bytes]:
    yield b"Handle,Title,Body (HTML),Variant Price,Image Src\n"
    for n in range(COUNT):
        yield f'h{n},Mug,"<p>{LONG}",5,https://c.example/{n}\n'.encode()


def big_json() -> Iterator[bytes]:
    for n in range(COUNT):
        yield f'{{"id": "A{n}", "description": "{LONG}"}}\n'.encode()


def big_xml() -> Iterator[bytes]:
    yield b"<rss><channel>"
    for n in range(COUNT):
        yield f"<item><id>A{n}</id><description>{LONG}</description></item>".encode()
    yield b"</channel></rss>"


def one_line() -> Iterator[bytes]:
    yield b"id,title\nA,Mug\nB,"
    for _ in range(COUNT):
        yield LONG.encode()
    yield b"\nC,Cup\n"


@pytest.mark.parametrize(
    ("parts", "format", "count"),
    [
        (big_csv, FeedFormat.META_CSV, COUNT),
        (big_shopify, FeedFormat.SHOPIFY_CSV, COUNT),
        (big_json, FeedFormat.JSONL, COUNT),
        (big_xml, FeedFormat.META_XML, COUNT),
        (one_line, FeedFormat.META_CSV, 3),
    ],
)
def test_memory_stays_flat_while_fifty_megabytes_are_read(parts, format, count):
    options = FeedOptions(currency="EUR", link_template="https://s.example/{handle}", max_line_bytes=100_000)
    tracemalloc.start()
    try:
        feed = read_feed(Generated(parts()), options)
        found = sum(1 for _ in feed)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (feed.format, found) == (format, count)
    assert peak < 3_000_000


def test_quotes_made_to_be_read_again_and_again_are_passed_over_in_the_end():
    # Every line leaves a quote open, whether it is read inside one or not: each record runs into its limit.
    feed = read_feed(Generated(iter([b"id,title\n", *[b'x","y\n'] * 60_000])), FeedOptions(max_line_bytes=20_000))

    refused = [row for row in feed if isinstance(row, RefusedRow)]

    assert len(refused) < 10_000
    assert "passed over" in refused[-1].message


def test_ids_are_remembered_over_a_hundred_thousand_rows():
    def parts() -> Iterator[bytes]:
        yield b"id\n"
        for n in range(100_000):
            yield b"A%d\n" % n
        yield b"A0\nA99999\n"

    refused = [row for row in read_feed(Generated(parts()), FeedOptions()) if isinstance(row, RefusedRow)]

    assert [(row.line, row.message.rsplit(" ", 2)[1]) for row in refused] == [(100_002, "2"), (100_003, "100001")]
