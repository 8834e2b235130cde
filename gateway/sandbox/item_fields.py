"""Names and limits of product fields, in the form that batches and feeds use.

Items are stored under these names.  Source: catalog.md section 10.
"""

from __future__ import annotations

AVAILABILITY = (
    "in stock",
    "out of stock",
    "available for order",
    "discontinued",
    "preorder",
    "pending",
    "mark_as_sold",
    "mark_as_expired",
)
CONDITION = ("new", "refurbished", "used", "cpo", "open_box_new", "used_like_new", "used_good", "used_fair")
GENDER = ("female", "male", "unisex")
AGE_GROUP = ("newborn", "infant", "toddler", "kids", "adult", "teen", "all ages")
STATUS = ("active", "archived")
VISIBILITY = ("published", "hidden", "staging", "whitelist_only")

ENUMS = {
    "availability": AVAILABILITY,
    "condition": CONDITION,
    "gender": GENDER,
    "age_group": AGE_GROUP,
    "status": STATUS,
    "visibility": VISIBILITY,
}
REQUIRED = ("title", "description", "availability", "condition", "price", "link")
IDENTIFIERS = ("brand", "gtin", "mpn")
REVIEWED = ("title", "description", "image_link", "image", "link")
"""A change of one of these sends the item to policy review again."""
PICTURES = ("image_link", "image")
PRICES = ("price", "sale_price")
URLS = ("link", "mobile_link", "checkout_url", "image_link")
LISTS = ("image", "video", "additional_image_link", "internal_label", "disabled_capabilities")
WHOLE_NUMBERS = (
    "quantity_to_sell_on_facebook",
    "ordering_index",
    *(f"custom_number_{n}" for n in range(5)),
)
LONGEST = {
    # field: (advised, kept): longer than advised is a warning, longer than kept is cut as well.
    "title": (100, 200),
    "description": (5000, 9999),
    "rich_text_description": (9999, 9999),
    "brand": (100, 100),
    "gtin": (70, 70),
    "mpn": (100, 100),
    "google_product_category": (250, 250),
    "product_type": (750, 750),
    "size": (200, 200),
    "color": (100, 200),
    "material": (200, 200),
    "pattern": (100, 100),
    **{f"custom_label_{n}": (100, 100) for n in range(5)},
}
LONGEST_ID = 100
MOST_IMAGES = 21

KNOWN = frozenset(
    "id title description rich_text_description short_description availability condition price sale_price "
    "sale_price_effective_date link mobile_link checkout_url image image_link additional_image_link video brand "
    "gtin mpn item_group_id google_product_category fb_product_category product_type quantity_to_sell_on_facebook "
    "inventory size color material pattern gender age_group additional_variant_attribute ordering_index shipping "
    "shipping_weight tax unit_price status visibility disabled_capabilities internal_label product_tags "
    "expiration_date commerce_tax_category return_policy_days launch_date start_date marked_for_product_launch "
    "rating_count user_rating vendor_id applink origin_country importer_name importer_address manufacturer_info "
    "wa_compliance_category previous_id external_variant_id external_update_time plugin_version".split()
) | {f"custom_{kind}_{n}" for kind in ("label", "number") for n in range(5)}

# Single-item name -> batch name, where they differ (catalog.md section 10; prices are turned apart).
FROM_SINGLE = {
    "retailer_id": "id",
    "name": "title",
    "url": "link",
    "image_url": "image_link",
    "additional_image_urls": "additional_image_link",
    "category": "google_product_category",
    "manufacturer_part_number": "mpn",
    "retailer_product_group_id": "item_group_id",
    "inventory": "quantity_to_sell_on_facebook",
}
SINGLE_ONLY = (
    "currency",
    "sale_price_start_date",
    "sale_price_end_date",
    "additional_variant_attributes",
    "category_specific_fields",
    "custom_data",
    "live_special_price",
    "product_priority_0",
    "product_priority_1",
    "product_priority_2",
    "product_priority_3",
    "product_priority_4",
    "allow_upsert",
)
