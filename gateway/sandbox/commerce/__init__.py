"""The Graph surface: one module per family of endpoints, each adding its entries to the schema.

A new family is a module with an `install(schema)` and one line here.
"""

from types import ModuleType

from gateway.sandbox.commerce import (
    accounts,
    cancelling,
    catalogs,
    comments,
    diagnostics,
    event_sources,
    feeds,
    fulfilment,
    groups,
    identity,
    insights,
    instagram,
    integrations,
    legacy_batch,
    localized,
    message_templates,
    messaging,
    oauth,
    offer_files,
    onboarding,
    orders,
    payouts,
    pixels,
    product_sets,
    products,
    publishing,
    refunding,
    returning,
    reviews,
    send_api,
    shop_nodes,
    snapshots,
    tax_settings,
    uploads,
    webhooks,
)
from gateway.sandbox.schema import Schema

FAMILIES: tuple[ModuleType, ...] = (
    oauth,
    identity,
    accounts,
    catalogs,
    products,
    groups,
    product_sets,
    orders,
    localized,
    legacy_batch,
)
FAMILIES += (feeds, diagnostics, reviews)
FAMILIES += (fulfilment, cancelling, refunding, returning, snapshots, tax_settings)
# Platform and onboarding.
FAMILIES += (webhooks, uploads, shop_nodes, onboarding, integrations)
# Marketing and money.
FAMILIES += (payouts, pixels, event_sources, messaging, send_api, instagram, publishing, comments, offer_files)
FAMILIES += (insights, message_templates)


def build_schema() -> Schema:
    schema = Schema()
    for family in FAMILIES:
        family.install(schema)
    return schema
