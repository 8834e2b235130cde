"""What a new world holds: one business, its shops, their tokens, some orders.

Everything follows from the world's seed, so two worlds of one seed differ only in their ids.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from gateway.sandbox import ids, item_store, order_book, tokens
from gateway.sandbox.money import CURRENCIES, digits, parse_price, to_minor
from gateway.sandbox.order_book import Buyer, NewLine
from gateway.sandbox.world import World

ONSITE = "ONSITE_CHECKOUT"
CTAS = (ONSITE, "OFFSITE_IAB_CHECKOUT", "OFFSITE_LINK", "CONTACT_MERCHANT")
APPAREL = (
    ("ocean-blue-shirt", "Ocean Blue Shirt", 50),
    ("classic-varsity-top-small", "Classic Varsity Top, small", 60),
    ("classic-varsity-top-medium", "Classic Varsity Top, medium", 60),
    ("yellow-wool-jumper", "Yellow Wool Jumper", 80),
    ("striped-silk-blouse", "Striped Silk Blouse", 50),
    ("navy-sport-jacket", "Navy Sport Jacket", 60),
    ("black-leather-bag", "Black Leather Bag", 30),
    ("led-high-tops", "LED High Tops", 80),
)
_FIRST = "Ada Bela Chen Dara Elif Femi Grace Hugo Ines Jonas Kofi Lena Mateo Nora Omar Petra".split()
_LAST = "Lund Moreau Okafor Reyes Sato Tanner Ulrich Varga Weiss Young Zhang Brandt Castillo Duarte".split()
_TOWNS = (
    ("12 Elm St", "Madison", "WI", "53703"),
    ("480 Harbor Ave", "Portland", "ME", "04101"),
    ("7 Juniper Ct", "Boise", "ID", "83702"),
    ("2210 Mission Blvd", "Austin", "TX", "78701"),
    ("95 Orchard Ln", "Ithaca", "NY", "14850"),
    ("31 Quarry Rd", "Tucson", "AZ", "85701"),
)
_STATES = (order_book.CREATED,) * 4 + (order_book.HELD, order_book.IN_PROGRESS)
_KEYS = frozenset("name cta currency orders items associated".split())
_NOUNS = "Mug Lamp Scarf Basket Candle Notebook Blanket Vase Apron Tray Cushion Clock".split()
_TONES = "Blue Sand Olive Coral Slate Ivory Amber Plum Mint Rust".split()


def standard_shops() -> list[dict[str, Any]]:
    return [
        {"name": "Harbour Outfitters", "cta": ONSITE, "currency": "USD"},
        {"name": "Lantern & Loom", "cta": "OFFSITE_IAB_CHECKOUT", "currency": "EUR"},
    ]


def plant(world: World) -> None:
    """Fill an empty world."""
    business = {"name": world.config.name, "verification_status": "verified"}
    world.add_node(world.business_id, "business", "", business)
    world.add_node(world.system_user_id, "system_user", world.business_id, {"name": "Sandbox system user"})
    tokens.mint(world, tokens.SYSTEM_USER, world.system_user_id)
    for shop in world.config.shops:
        add_shop(world, shop)


def add_shop(world: World, shop: Mapping[str, Any]) -> dict[str, Any]:
    """One more shop: a Page, a commerce account, a catalog, a Page token.

    Raises:
        ValueError: an unknown key, checkout type or currency.
    """
    unknown = set(shop) - _KEYS
    if unknown:
        raise ValueError(f"unknown keys of a shop: {', '.join(sorted(unknown))}")
    name, cta = str(shop.get("name") or "Corner Shop"), str(shop.get("cta") or ONSITE)
    currency = str(shop.get("currency") or "USD")
    if cta not in CTAS:
        raise ValueError(f"cta must be one of {', '.join(CTAS)}")
    if currency not in CURRENCIES:
        raise ValueError(f"unknown currency {currency}")
    page, account, catalog = (world.new_id(kind) for kind in (ids.PAGE, ids.ACCOUNT, ids.CATALOG))
    world.add_node(page, "page", world.business_id, {"name": name, "account": account})
    world.add_node(
        catalog, "catalog", world.business_id, {"name": f"{name} catalog", "vertical": "commerce", "account": account}
    )
    document = {
        "display_name": name,
        "cta": cta,
        "currency": currency,
        "page": page,
        "catalog": catalog,
        "merchant_status": "ENABLED",
        "contact_email": "owner@shop.example",
        "app_associated": bool(shop.get("associated", cta == ONSITE)),
    }
    world.add_node(account, "account", world.business_id, document)
    tokens.mint(world, tokens.PAGE, page, targets=[page, account, catalog])
    _add_items(world, catalog, currency, int(shop.get("items", 0)))
    count = shop.get("orders")
    wanted = (6 if cta == ONSITE else 0) if count is None else int(count)
    found = world.find_node(account, "account")
    assert found is not None
    for index in range(wanted):
        _seed_order(world, found, index)
    return found


def _seed_order(world: World, account: dict[str, Any], index: int) -> None:
    state = _STATES[index % len(_STATES)]
    # Held orders are young, the others are past the time a buyer may change their mind.
    age = 300.0 if state == order_book.HELD else world.config.remorse_seconds + 1800.0 * (index % 200 + 1)
    order_book.place(
        world,
        account,
        random_lines(world, account, world.rng.randint(1, 3)),
        random_buyer(world.rng),
        state=state,
        at=world.now() - min(age, world.config.remorse_seconds / 2) if state == order_book.HELD else world.now() - age,
        channel=world.rng.choice(("facebook", "instagram")),
    )


def random_buyer(chance: random.Random) -> Buyer:
    street, city, state, code = chance.choice(_TOWNS)
    return Buyer(chance.choice(_FIRST), chance.choice(_LAST), street, city, state, code, "US")


def random_lines(world: World, account: Mapping[str, Any], count: int) -> list[NewLine]:
    """Lines out of the catalog; while it is empty, out of a small apparel list."""
    currency, catalog = str(account["currency"]), str(account["catalog"])
    rows = world.db.execute("SELECT * FROM items WHERE catalog = ? ORDER BY id LIMIT 200", (catalog,)).fetchall()
    if not rows:
        chosen = world.rng.sample(APPAREL, count)
        return [
            NewLine(
                retailer_id,
                item_store.reserve(world, catalog, retailer_id),
                name,
                world.rng.randint(1, 3),
                price * 10 ** digits(currency),
            )
            for retailer_id, name, price in chosen
        ]
    picked = world.rng.sample(rows, min(count, len(rows)))
    return [
        line_of(item, world.rng.randint(1, 3), currency)
        for item in (item_store.by_id(world, row["id"]) for row in picked)
        if item is not None
    ]


def line_of(item: item_store.Item, quantity: int, currency: str) -> NewLine:
    """A line at the item's price (its sale price, if it has one)."""
    parsed = parse_price(str(item.fields.get("sale_price") or item.fields["price"]))
    assert parsed is not None
    minor = to_minor(parsed[0], currency) or 0
    return NewLine(item.retailer_id, item.id, str(item.fields.get("title", item.retailer_id)), quantity, minor)


def _add_items(world: World, catalog: str, currency: str, count: int) -> None:
    for start in range(0, count, 5000):
        rows = range(start, min(start + 5000, count))
        documents = {f"seed-{n:07d}": _item_document(world.rng, n, currency) for n in rows}
        item_store.save(world, catalog, documents, {}, world.now())


def _item_document(chance: random.Random, n: int, currency: str) -> dict[str, Any]:
    tone, noun = _TONES[n % len(_TONES)], _NOUNS[n // len(_TONES) % len(_NOUNS)]
    major = chance.randint(5, 120)
    return {
        "title": f"{tone} {noun}",
        "description": f"A {tone.lower()} {noun.lower()}, number {n} of the seeded range.",
        "availability": "in stock",
        "condition": "new",
        "price": f"{major}{'.00' if digits(currency) == 2 else ''} {currency}",
        "link": f"https://shop.example/p/seed-{n:07d}",
        "image_link": f"https://cdn.example/seed-{n:07d}.jpg",
        "brand": "Seedling",
        "color": tone.lower(),
        "quantity_to_sell_on_facebook": chance.randint(0, 50),
        "google_product_category": "536",
        "status": "active",
    }
