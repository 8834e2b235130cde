"""JSON lines under our names or Meta's."""

from gateway.catalog.cleaning import clean
from gateway.catalog.feeds import FeedFormat


def test_values_keep_their_types(open_feed):
    feed = open_feed(
        '{"id": "A", "title": "Mug", "quantity": 3, "price": {"amount": "5.00", "currencyCode": "EUR"},'
        ' "brand": null}\n'
        '\n{"retailerId": "B", "imageLink": "https://c.example/1", "customLabels": ["a"],'
        ' "variantAttributes": {"Fit": "slim"}}'
    )
    a, b = feed

    assert feed.format is FeedFormat.JSONL
    assert (a.line, a.retailer_id) == (1, "A")
    assert a.values == {
        "title": "Mug",
        "quantity": 3,
        "price": {"amount": "5.00", "currencyCode": "EUR"},
        "brand": None,
    }
    assert (b.line, b.retailer_id) == (3, "B")
    assert clean(b.values)[1] == []


def test_metas_nested_values_are_read(read):
    [row] = read(
        '{"id": 7, "image": [{"url": "https://c.example/1", "tag": ["front"]}, {"url": "https://c.example/2"}],'
        ' "additional_variant_attribute": ["Volume:350 ml", "Finish:Gloss"], "sale_price": 0, "custom_label_1": "x"}\n'
    )

    assert row.retailer_id == "7"
    assert row.values == {
        "imageLink": "https://c.example/1",
        "additionalImageLinks": ["https://c.example/2"],
        "variantAttributes": "Volume:350 ml,Finish:Gloss",
        "salePrice": "",
        "customLabels": ["", "x"],
    }


def test_each_bad_line_costs_itself(read):
    rows = read(
        b'{"id": "A"}\n{"id": \n[1]\n"x"\n{"id": "B", "title": "\xff"}\n{"id": true}\n{"title": "x"}\n'
        b'{"id": "A"}\n{"id": "C", "price": NaN}\n' + b'{"a":' * 2000 + b'\n{"id": "D"}\n'
    )

    assert [(row.line, getattr(row, "code", row.retailer_id)) for row in rows] == [
        (1, "A"),
        (2, "MALFORMED_ROW"),
        (3, "MALFORMED_ROW"),
        (4, "MALFORMED_ROW"),
        (5, "INVALID_ENCODING"),
        (6, "INVALID_ID"),
        (7, "MISSING_FIELD"),
        (8, "DUPLICATE_RETAILER_ID"),
        (9, "MALFORMED_ROW"),
        (10, "MALFORMED_ROW"),
        (11, "D"),
    ]


def test_an_over_long_line_is_passed_over(read):
    refused, row = read('{"id": "A", "title": "' + "x" * 500 + '"}\n{"id": "B"}\n', max_line_bytes=100)

    assert (refused.line, refused.code) == (1, "ROW_TOO_LONG")
    assert (row.line, row.retailer_id) == (2, "B")
