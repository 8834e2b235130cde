"""Shopify's product CSV: one item a variant, grouped by handle."""

from pathlib import Path

import pytest

from gateway.catalog.cleaning import clean
from gateway.catalog.feeds import FeedFormat, FeedOptions, FeedUnreadable, RefusedRow, read_feed
from gateway.catalog.models import check, merge

SAMPLE = Path(__file__).parents[2] / "data" / "shopify-apparel.csv"
LINKS = "https://shop.example.com/products/{handle}"
SHIRT = {
    "Handle": "shirt",
    "Title": "Shirt",
    "Vendor": "Loom",
    "Option1 Name": "Title",
    "Option1 Value": "Default Title",
    "Variant Price": "50",
    "Image Src": "https://c.example/shirt.jpg",
}


def sample() -> list[object]:
    with SAMPLE.open("rb") as stream:
        return list(read_feed(stream, FeedOptions(currency="USD", link_template=LINKS)))


def test_every_variant_of_shopifys_sample_is_fit_to_be_sent():
    rows = sample()

    assert len(rows) == 22
    for row in rows:
        document, problems = clean(row.values)
        assert problems == []
        assert check(merge(None, document)) == []


def test_a_lone_variant_is_named_by_its_handle():
    row = sample()[0]

    assert (row.line, row.retailer_id) == (2, "ocean-blue-shirt")
    assert row.values["title"] == "Ocean Blue Shirt"
    assert row.values["price"] == "50 USD"
    assert row.values["availability"] == "in stock"
    assert row.values["quantity"] == "1"
    assert row.values["link"] == "https://shop.example.com/products/ocean-blue-shirt"
    assert row.values["brand"] == "partners-demo"
    assert row.values["variantAttributes"] == ""


def test_variants_are_items_of_one_group_with_the_products_facts():
    rows = [row for row in sample() if row.values["itemGroupId"] == "classic-varsity-top"]

    assert [(row.line, row.retailer_id, row.values["size"]) for row in rows] == [
        (3, "classic-varsity-top-small", "Small"),
        (4, "classic-varsity-top-medium", "Medium"),
        (5, "classic-varsity-top-large", "Large"),
    ]
    assert {row.values["title"] for row in rows} == {"Classic Varsity Top"}
    assert {row.values["imageLink"] for row in rows} == {
        "https://burst.shopifycdn.com/photos/casual-fashion-woman_925x.jpg"
    }


def test_the_same_file_gives_the_same_rows():
    assert sample() == sample()


def test_what_the_file_cannot_say_must_be_given(read_shopify):
    for option, field in (("currency", "currency"), ("link_template", "linkTemplate")):
        with pytest.raises(FeedUnreadable) as caught:
            read_shopify(SHIRT, **{option: None})
        assert caught.value.field == (field,)
        assert "--" in caught.value.fix


@pytest.mark.parametrize(
    "template",
    [
        "https://shop.example.com/",
        "shop.example.com/{handle}",
        "https:///{handle}",
        "https://s.example/{handle}/{id}",
        "",
    ],
)
def test_a_template_that_makes_no_links_is_refused(read_shopify, template):
    with pytest.raises(FeedUnreadable) as caught:
        read_shopify(SHIRT, link_template=template)

    assert caught.value.field == ("linkTemplate",)


def test_links_are_quoted_and_may_name_the_sku(read_shopify):
    [row] = read_shopify(
        {**SHIRT, "Handle": "grün/{sku}", "Variant SKU": "A 1"}, link_template="https://s.example/{handle}?sku={sku}"
    )

    assert row.values["link"] == "https://s.example/gr%C3%BCn%2F%7Bsku%7D?sku=A%201"


def test_the_sku_is_the_id_and_the_id_without_it_is_kept_as_alias(read_shopify):
    [row] = read_shopify({**SHIRT, "Option1 Name": "Size", "Option1 Value": "XL / Tall", "Variant SKU": "S-XL"})

    assert (row.retailer_id, row.alias) == ("S-XL", "shirt-xl-tall")


def test_a_sku_that_occurs_twice_is_refused_the_second_time(read_shopify):
    first, second = read_shopify(
        {**SHIRT, "Option1 Name": "Size", "Option1 Value": "S", "Variant SKU": "X"},
        {"Handle": "shirt", "Option1 Value": "M", "Variant SKU": "X", "Variant Price": "50"},
    )

    assert first.retailer_id == "X"
    assert (second.line, second.code) == (3, "DUPLICATE_RETAILER_ID")
    assert "SKU" in second.fix


def test_pictures_belong_to_the_product_in_their_order(read_shopify):
    first, second = read_shopify(
        {**SHIRT, "Option1 Name": "Color", "Option1 Value": "Red", "Image Position": "2"},
        {
            "Handle": "shirt",
            "Option1 Value": "Blue",
            "Variant Price": "50",
            "Variant Image": "https://c.example/blue.jpg",
        },
        {"Handle": "shirt", "Image Src": "https://c.example/front.jpg", "Image Position": "1"},
        {"Handle": "shirt", "Image Src": "https://c.example/blue.jpg", "Image Position": "3"},
    )

    assert first.values["imageLink"] == "https://c.example/front.jpg"
    assert first.values["additionalImageLinks"] == ["https://c.example/shirt.jpg", "https://c.example/blue.jpg"]
    assert second.values["imageLink"] == "https://c.example/blue.jpg"
    assert second.values["additionalImageLinks"] == ["https://c.example/front.jpg", "https://c.example/shirt.jpg"]


def test_no_more_pictures_are_taken_than_an_item_may_have(read_shopify):
    [row] = read_shopify(SHIRT, *({"Handle": "shirt", "Image Src": f"https://c.example/{n}"} for n in range(60)))

    assert len(row.values["additionalImageLinks"]) == 20
    assert clean(row.values)[1] == []


def test_a_variant_without_a_price_is_refused_and_its_sister_is_not(read_shopify):
    refused, row = read_shopify(
        {**SHIRT, "Option1 Name": "Size", "Option1 Value": "S", "Variant Price": ""},
        {"Handle": "shirt", "Option1 Value": "M", "Variant Price": "50"},
    )

    assert (refused.line, refused.retailer_id, refused.code, refused.field) == (2, "shirt-s", "MISSING_FIELD", "price")
    assert "price" in refused.fix
    assert row.retailer_id == "shirt-m"


def test_a_variant_of_a_product_without_pictures_is_refused_unless_it_has_its_own(read_shopify):
    refused, row = read_shopify(
        {**SHIRT, "Option1 Name": "Size", "Option1 Value": "S", "Image Src": ""},
        {"Handle": "shirt", "Option1 Value": "M", "Variant Price": "50", "Variant Image": "https://c.example/m.jpg"},
    )

    assert (refused.code, refused.field) == ("MISSING_FIELD", "imageLink")
    assert "image" in refused.fix
    assert row.values["imageLink"] == "https://c.example/m.jpg"


@pytest.mark.parametrize(
    ("price", "before", "expected"),
    [
        ("40", "50.00", ("50.00 EUR", "40 EUR")),
        ("40", "40.00", ("40 EUR", "")),
        ("40", "30", ("40 EUR", "")),
        ("40", "", ("40 EUR", "")),
        ("40", "0.00", ("40 EUR", "")),
    ],
)
def test_a_higher_price_before_makes_a_sale(read_shopify, price, before, expected):
    [row] = read_shopify({**SHIRT, "Variant Price": price, "Variant Compare At Price": before})

    assert (row.values["price"], row.values["salePrice"]) == expected


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        ({"Variant Price": "-1"}, "price"),
        ({"Variant Price": '"12,50"'}, "price"),
        ({"Variant Price": "12.505"}, "price"),
        ({"Variant Compare At Price": "1O"}, "price"),
        ({"Variant Inventory Tracker": "shopify", "Variant Inventory Qty": "many"}, "quantity"),
    ],
)
def test_numbers_that_are_none_are_refused_by_the_rules(read_shopify, cells, field):
    [row] = read_shopify({**SHIRT, **cells})

    assert field in [problem.field for problem in clean(row.values)[1]]


@pytest.mark.parametrize(
    ("tracker", "quantity", "policy", "expected"),
    [
        ("", "1", "deny", ("in stock", "1")),
        ("", "0", "deny", ("in stock", "")),
        ("shopify", "3", "deny", ("in stock", "3")),
        ("shopify", "0", "deny", ("out of stock", "0")),
        ("shopify", "-2", "deny", ("out of stock", "0")),
        ("shopify", "", "deny", ("out of stock", "0")),
        ("shopify", "-2", "continue", ("in stock", "")),
    ],
)
def test_stock_becomes_availability_and_quantity(read_shopify, tracker, quantity, policy, expected):
    [row] = read_shopify(
        {
            **SHIRT,
            "Variant Inventory Tracker": tracker,
            "Variant Inventory Qty": quantity,
            "Variant Inventory Policy": policy,
        }
    )

    assert (row.values["availability"], row.values["quantity"]) == expected


def test_without_a_column_for_quantities_none_is_told(read_shopify):
    [row] = read_shopify({**SHIRT, "Variant Inventory Tracker": "shopify"})

    assert row.values["availability"] == "in stock"
    assert "quantity" not in row.values


def test_options_become_fields_or_variant_attributes(read_shopify):
    [row] = read_shopify(
        {
            **SHIRT,
            "Option1 Name": "Colour",
            "Option1 Value": "Red",
            "Option2 Name": "Fit",
            "Option2 Value": "Slim",
            "Option3 Name": "Gender",
            "Option3 Value": "Boys",
        }
    )

    assert row.values["color"] == "Red"
    assert row.values["variantAttributes"] == {"Fit": "Slim", "Gender": "Boys"}
    assert row.retailer_id == "shirt-red-slim-boys"


def test_google_columns_are_passed_on(read_shopify):
    [row] = read_shopify(
        {
            **SHIRT,
            "Google Shopping / Condition": "used",
            "Google Shopping / Gender": "Female",
            "Google Shopping / Age Group": "Adult",
            "Google Shopping / MPN": "M-1",
            "Google Shopping / Custom Label 1": "summer",
            "Variant Barcode": "'4006381333931",
        }
    )

    assert {name: row.values[name] for name in ("condition", "gender", "ageGroup", "mpn", "customLabels", "gtin")} == {
        "condition": "used",
        "gender": "Female",
        "ageGroup": "Adult",
        "mpn": "M-1",
        "customLabels": ["", "summer"],
        "gtin": "4006381333931",
    }


@pytest.mark.parametrize(
    ("cells", "status"),
    [
        ({"Status": "active", "Published": "true"}, "active"),
        ({"Status": "draft", "Published": "true"}, "archived"),
        ({"Status": "archived"}, "archived"),
        ({"Published": "FALSE"}, "archived"),
        ({}, "active"),
    ],
)
def test_only_what_is_active_and_published_is_shown(read_shopify, cells, status):
    [row] = read_shopify({**SHIRT, **cells})

    assert row.values["status"] == status


def test_the_newer_template_is_read_the_same(open_feed):
    feed = open_feed(
        "Title,URL handle,Description,Vendor,Published on online store,Status,SKU,Option1 name,Option1 value,Price,"
        "Compare-at price,Inventory tracker,Inventory quantity,Continue selling when out of stock,Product image URL,"
        "Google Shopping / Manufacturer part number (MPN)\n"
        "Shirt,shirt,<p>Blue</p>,Loom,TRUE,Active,S-1,Size,S,40,50,shopify,0,DENY,https://c.example/1,M-1\n",
        currency="EUR",
        link_template=LINKS,
    )
    [row] = feed

    assert feed.format is FeedFormat.SHOPIFY_CSV
    assert row.retailer_id == "S-1"
    assert row.values["description"] == "Blue"
    assert row.values["price"] == "50 EUR"
    assert row.values["availability"] == "out of stock"
    assert row.values["mpn"] == "M-1"


def test_a_handle_that_comes_back_keeps_its_rules(read_shopify):
    rows = read_shopify(
        {**SHIRT, "Option1 Name": "Size", "Option1 Value": "S"},
        {**SHIRT, "Handle": "mug"},
        {**SHIRT, "Option1 Name": "Size", "Option1 Value": "M"},
        {**SHIRT, "Option1 Name": "Size", "Option1 Value": "S"},
        {"Handle": "mug", "Image Src": "https://c.example/late.jpg"},
    )

    assert [getattr(row, "code", row.retailer_id) for row in rows] == [
        "shirt-s",
        "mug",
        "shirt-m",
        "DUPLICATE_RETAILER_ID",
        "MISSING_FIELD",
    ]
    assert "together" in rows[-1].fix


def test_rows_without_a_handle_and_broken_rows_do_not_end_the_product(read):
    rows = read(
        "Handle,Title,Option1 Name,Option1 Value,Variant Price,Image Src\n"
        "shirt,Shirt,Size,S,5,https://c.example/1\nshirt,,,M,5,,,9\nshirt,,,L,5,\n,,,XL,5,\n",
        currency="EUR",
        link_template=LINKS,
    )

    assert [(row.line, getattr(row, "code", row.retailer_id)) for row in rows] == [
        (3, "MALFORMED_ROW"),
        (2, "shirt-s"),
        (4, "shirt-l"),
        (5, "MISSING_FIELD"),
    ]


def test_a_product_without_end_is_not_held(read_shopify):
    rows = read_shopify(
        SHIRT, *({"Handle": "shirt", "Variant SKU": f"S{n}", "Variant Price": "5"} for n in range(2600))
    )

    refused = [row for row in rows if isinstance(row, RefusedRow)]
    assert len(rows) - len(refused) == 2500
    assert {row.code for row in refused} == {"ROW_TOO_LONG"}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<p>One&nbsp;&amp;<br>two</p><ul><li>three</li></ul>", "One &\ntwo\nthree"),
        ("a < b and c<d", "a < b and c"),
        ("<style>p{}</style>Text<script>alert(1)</SCRIPT> here<!-- <b> -->!", "Text here!"),
        ("<SCRIPT>never closed", "Shirt"),
        ("<!-- never closed", "Shirt"),
        ("<p> </p>", "Shirt"),
        ("", "Shirt"),
    ],
)
def test_a_description_is_plain_text_and_the_title_where_there_is_none(read_shopify, body, text):
    [row] = read_shopify({**SHIRT, "Body (HTML)": body})

    assert row.values["description"] == text


def test_a_long_description_is_cut_at_a_word(read_shopify):
    [row] = read_shopify({**SHIRT, "Body (HTML)": "<p>" + "word " * 4000})

    assert len(row.values["description"]) <= 5000
    assert row.values["description"].endswith("word…")
    assert clean(row.values)[1] == []
