"""Tax settings of a shop: the places its parcels leave from.

Source: orders.md sections 4 and 10, payments.md section 9.  Meta publishes no field list, so the shape is chosen.
"""

from __future__ import annotations

from typing import Any

from gateway.sandbox.commerce.accounts import READ_SETTINGS
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Node, PlainEdge, Schema

_PLACE = {"street_1": "1 Pier Rd", "city": "Portland", "state": "ME", "postal_code": "04101", "country": "US"}


def location_of(account_id: str) -> str:
    """The one fulfilment location of a shop."""
    return "34" + account_id[2:]


def _settings(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    location = {
        "id": location_of(node.id),
        "name": f"{node.doc['display_name']} warehouse",
        "address": _PLACE,
        "is_default": True,
    }
    return [{"tax_registrations": {"data": [{"state": "ME"}]}, "fulfillment_locations": {"data": [location]}}]


def install(schema: Schema) -> None:
    schema.add(PlainEdge("CommerceMerchantSettings", "tax_settings", _settings, scope=READ_SETTINGS))
