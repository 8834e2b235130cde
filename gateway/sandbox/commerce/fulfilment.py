"""Shipments: units leave, the buyer is charged for them, tracking can be corrected.

Source: orders.md section 10, promotions.md section 5, payments.md section 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway.sandbox import params
from gateway.sandbox.commerce import order_desk
from gateway.sandbox.commerce.accounts import MANAGE_ORDERS
from gateway.sandbox.commerce.captures import capture
from gateway.sandbox.commerce.carriers import CARRIERS
from gateway.sandbox.commerce.order_desk import Order, refusal
from gateway.sandbox.commerce.tax_settings import location_of
from gateway.sandbox.errors import invalid, missing_parameter
from gateway.sandbox.order_book import COMPLETED, IN_PROGRESS
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Node, Schema, Write
from gateway.sandbox.world import World

SHIPMENT = "64"
PARAMS = tuple(
    "items tracking_info external_shipment_id fulfillment should_use_default_fulfillment_location "
    "merchant_order_reference shipment_origin_postal_code shipping_tax_details external_redemption_link".split()
)
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_]+")
_ZIP_PLUS_FOUR = re.compile(r"\d{5}-?\d{4}")
_ADDRESS = ("street_1", "city", "state", "country", "postal_code")


def tracking(value: Any) -> dict[str, str] | None:
    """Checked tracking details; Meta shows carriers in lower case, however they were sent.

    Raises:
        GraphError: the carrier is unknown, or a part is missing.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise invalid("Param tracking_info must be an object")
    carrier = params.required_text(value, "carrier")
    if carrier.upper() not in CARRIERS:
        raise invalid(f'Param tracking_info[carrier] must be a known carrier code - got "{carrier}"')
    number = params.text(value, "tracking_number")
    # A parcel without a number is sent as OTHER with an empty text.
    if number is None or (number == "" and carrier.upper() != "OTHER"):
        raise missing_parameter("tracking_info[tracking_number]")
    shown = {"tracking_number": number, "carrier": carrier.lower()}
    method = params.text(value, "shipping_method_name")
    return shown | ({"shipping_method_name": method} if method else {})


def shipments_of(world: World, order_id: str) -> list[dict[str, Any]]:
    return world.nodes_of("shipment", order_id)


def number_is_used(world: World, order_id: str, details: Mapping[str, str] | None, but: str = "") -> bool:
    number = details["tracking_number"] if details else ""
    return bool(number) and any(
        doc["id"] != but and (doc.get("tracking_info") or {}).get("tracking_number") == number
        for doc in shipments_of(world, order_id)
    )


def check_origin(order: Order, value: Any) -> None:
    """Where the parcel leaves from: a known location or an address, not both.

    Raises:
        GraphError: it is neither.
    """
    if value is None:
        return
    if not isinstance(value, dict):
        raise invalid("Param fulfillment must be an object")
    location, address = params.text(value, "fulfillment_location_id"), params.structure(value, "fulfillment_address")
    if (location is None) == (address is None):
        raise invalid("Param fulfillment must have one of fulfillment_location_id and fulfillment_address")
    if location is not None and location != location_of(order.account["id"]):
        raise invalid(f"Param fulfillment_location_id: {location} is no fulfillment location of this shop")
    if address is None:
        return
    if not isinstance(address, dict):
        raise invalid("Param fulfillment_address must be an object")
    for name in _ADDRESS:
        params.required_text(address, name)
    if len(str(address["state"])) != 2:
        raise invalid("Param fulfillment_address[state] must be a two-letter code")


def check_can_ship(order: Order) -> None:
    """Only acknowledged orders with open units can be shipped.

    Raises:
        GraphError: the order cannot.
    """
    if order.state == COMPLETED or order.open == 0:
        raise refusal(1818214 if order.fulfilled else 1818111)
    if order.state != IN_PROGRESS:
        raise invalid(f"An order in state {order.state} cannot be shipped; it has to be acknowledged first")


def ship(
    world: World,
    order: Order,
    units: Mapping[str, int],
    details: Mapping[str, str] | None,
    at: float,
    external_id: str | None = None,
) -> str:
    """One parcel: its units are fulfilled and paid for.

    Raises:
        GraphError: the tracking number is on another parcel of the order.
    """
    if number_is_used(world, order.id, details):
        raise refusal(2382045)
    shipment = world.new_id(SHIPMENT)
    taxes = capture(world, order, units, shipment, external_id, at)
    items = [
        {
            "id": line.id,
            "product_id": line.product_id,
            "retailer_id": line.retailer_id,
            "quantity": units[line.id],
            "tax": {"final_tax": order.money(taxes[line.id])},
        }
        for line in order.lines
        if line.id in units
    ]
    doc = {"items": {"data": items}, "tracking_info": details, "external_shipment_id": external_id}
    world.add_node(shipment, "shipment", order.id, doc, at)
    for line in order.lines:
        count = units.get(line.id, 0)
        line.open -= count
        line.fulfilled += count
    return shipment


def _create(call: Call, node: Node) -> dict[str, Any]:
    given = call.params
    order = order_desk.take_for_write(call.world, node.id, call.now)
    check_can_ship(order)
    sent = given.get("items")
    if sent == [] or (isinstance(sent, str) and sent.replace(" ", "") == "[]"):
        raise refusal(2361357)
    rows = params.objects(given, "items")
    units = {line.id: line.open for line in order.lines if line.open}
    if rows is not None:
        units = order_desk.named_units(order, rows)
    details = tracking(params.structure(given, "tracking_info"))
    check_origin(order, params.structure(given, "fulfillment"))
    params.boolean(given, "should_use_default_fulfillment_location", False)
    # Only sellers who compute their own tax send it; where the parcel leaves from decides the tax.
    origin = params.text(given, "shipment_origin_postal_code") or ""
    if params.given(given, "shipping_tax_details") and not _ZIP_PLUS_FOUR.fullmatch(origin):
        raise refusal(2361084)
    external_id = _external_id(call, node.id)
    order.refer(params.text(given, "merchant_order_reference") or None)
    ship(call.world, order, units, details, call.now, external_id)
    order_desk.save(call.world, order, call.now)
    return {"success": True}


def _external_id(call: Call, order_id: str) -> str | None:
    if not params.given(call.params, "external_shipment_id"):
        return None
    external_id = params.required_text(call.params, "external_shipment_id")
    if not _EXTERNAL_ID.fullmatch(external_id):
        raise invalid("Param external_shipment_id may only have letters, digits and underscores")
    if any(doc["external_shipment_id"] == external_id for doc in shipments_of(call.world, order_id)):
        raise refusal(2382045)
    return external_id


def _update(call: Call, node: Node) -> dict[str, Any]:
    """Correct the tracking of a parcel; the same details again are refused, which clients take as done."""
    order = order_desk.take_for_write(call.world, node.id, call.now)
    shipment = _named_shipment(call, node.id)
    details = tracking(params.structure(call.params, "tracking_info"))
    if details is None:
        raise missing_parameter("tracking_info")
    if shipment.get("tracking_info") == details or number_is_used(call.world, node.id, details, shipment["id"]):
        raise refusal(2382045)
    call.world.change_node(shipment["id"], tracking_info=details)
    order_desk.save(call.world, order, call.now)
    return {"success": True}


def _named_shipment(call: Call, order_id: str) -> dict[str, Any]:
    given: Params = call.params
    names = [name for name in ("shipment_id", "fulfillment_id", "external_shipment_id") if params.given(given, name)]
    if not names:
        raise missing_parameter("external_shipment_id or shipment_id")
    found = shipments_of(call.world, order_id)
    for name in names:
        own = "external_shipment_id" if name == "external_shipment_id" else "id"
        found = [doc for doc in found if doc[own] == params.text(given, name)]
    if not found:
        raise invalid("The order has no such shipment")
    return found[0]


def install(schema: Schema) -> None:
    update = ("external_shipment_id", "shipment_id", "fulfillment_id", "tracking_info")
    schema.add(
        Write("POST", "CommerceOrder", "shipments", _create, PARAMS, MANAGE_ORDERS, keyed=True),
        Write(
            "POST", "CommerceOrder", "update_shipment", _update, update, MANAGE_ORDERS, keyed=True, withdrawn=True,
        ),
    )  # fmt: skip
