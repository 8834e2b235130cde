"""The partner integration behind an installation: repair, what a store reports of itself, its log.

Source: shops.md section 3.6, known from Meta's own store extensions only.  The files that a store announces under
`file_update` are read elsewhere.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.sandbox import installs, params
from gateway.sandbox.commerce.onboarding import EXTENSION, EXTERNAL, installation
from gateway.sandbox.errors import invalid, missing_parameter
from gateway.sandbox.schema import Call, Node, Root, Schema, Write

INTEGRATION = "CommercePartnerIntegration"
SELLER_TYPES = ("SELF_SERVE_PLATFORM", "SELF_SERVE")
REPAIRED = ("shop_domain", "admin_url", "extension_version", "commerce_partner_seller_platform_type", "custom_token")
REPORTED = (
    "commerce_partner_seller_platform_type installation_status extension_version admin_url country_code currency "
    "platform_store_id"
).split()


def _kept(call: Call, external_id: str, names: list[str] | tuple[str, ...]) -> None:
    """Remember what was sent; a secret is not."""
    params.choices(call.params, "commerce_partner_seller_platform_type", SELLER_TYPES)
    sent = {name: params.text(call.params, name) for name in names if params.given(call.params, name)}
    sent.pop("custom_token", None)
    installs.note(call.world, external_id, sent)


def _repair(call: Call) -> dict[str, Any]:
    external_id, doc = installation(call)
    for name in ("shop_domain", "admin_url", "extension_version"):
        params.required_text(call.params, name)
    _kept(call, external_id, REPAIRED)
    return {"success": True, "id": doc["commerce_partner_integration_id"]}


def _report(call: Call, node: Node) -> dict[str, Any]:
    external_id = installs.behind(call.world, node.id)
    if external_id is None:
        raise invalid("The integration has no installation")
    _kept(call, external_id, REPORTED)
    return {"success": True, "id": node.id}


def _log(call: Call) -> dict[str, Any]:
    """What goes wrong in a store: taken note of in the call log, nowhere else."""
    if not call.params.keys() - params.PLATFORM:
        raise missing_parameter("event")
    extra = call.params.get("extra_data")
    if isinstance(extra, str) and extra[:1] in "[{":
        try:
            json.loads(extra)
        except ValueError:
            raise invalid("Param extra_data must be valid JSON") from None
    return {"success": True}


def install(schema: Schema) -> None:
    logged = (
        "event event_type exception_message exception_trace extra_data flow_name flow_step catalog_id page_id pixel_id "
        "business_id commerce_merchant_settings_id commerce_partner_integration_id external_business_id"
    ).split()
    schema.add(
        Root("POST", "commerce_partner_integrations_repair", _repair, (EXTERNAL, *REPAIRED)),
        Root("POST", "commerce_seller_logs", _log, (EXTERNAL, *logged)),
        Write("POST", INTEGRATION, "", _report, tuple(REPORTED), EXTENSION),
    )
