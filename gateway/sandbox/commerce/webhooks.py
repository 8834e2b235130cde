"""Subscribing to webhooks: the app to a type of object, and each Page to the app.

Source: graph-api.md section 16, shops.md section 4.  A callback has to be an address of this machine; the sandbox
calls nothing else, and asks it to prove itself before it is kept.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.sandbox import courier, hooks, params, tokens
from gateway.sandbox.errors import GraphError, NeedsOutside, missing_parameter
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Node, PlainEdge, Schema, Write

OBJECTS = (
    "ad_account application certificate_transparency instagram page payments permissions user whatsapp_business_account"
).split()
PAGE_FIELDS = (
    "affiliation attire awards bio birthday business_integrity call_permission_reply call_settings_update calls "
    "category checkins comment_poll_response company_overview conversations culinary_team current_location "
    "description email feature_access_list feed follow founded general_info general_manager group_feed hometown "
    "hours inbox_labels invoice_access_bank_slip_events invoice_access_invoice_change "
    "invoice_access_invoice_draft_change invoice_access_onboarding_status_active leadgen leadgen_fat "
    "leadgen_update live_videos local_delivery location marketing_message_clicks marketing_message_deliveries "
    "marketing_message_delivery_failed marketing_message_echoes marketing_message_reads "
    "marketing_messages_subscriber_upload_status mcom_invoice_change members mention merchant_review "
    "message_context message_deliveries message_echoes message_edits message_mention message_reactions "
    "message_reads message_template_status_update messages messaging_account_linking messaging_appointments "
    "messaging_checkout_updates messaging_customer_information messaging_direct_sends "
    "messaging_fblogin_account_linking messaging_feedback messaging_game_plays messaging_handovers "
    "messaging_in_thread_lead_form_submit messaging_integrity messaging_optins messaging_optouts "
    "messaging_payments messaging_policy_enforcement messaging_postbacks messaging_pre_checkouts "
    "messaging_referrals mission name page_about_story page_change_proposal page_upcoming_change parking "
    "payment_options payment_request_update personal_info personal_interests phone picture price_range "
    "product_review products public_transit publisher_subscriptions ratings registration response_feedback "
    "send_cart standby story_poll_response story_share user_action video_text_question_responses videos website "
).split()
MANAGE_PAGE = "pages_manage_metadata"
_REASONS = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error"}


def _of_app(call: Call) -> None:
    if call.token.kind != tokens.APP:
        raise GraphError(15, "(#15) This method must be called with an app access_token.")


def _kind(given: Params) -> str:
    params.required_text(given, "object")
    return params.choices(given, "object", OBJECTS)[0]


def _subscriptions(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    _of_app(call)
    return [
        {
            "object": row["object"],
            "callback_url": row["callback_url"],
            "active": bool(row["active"]),
            "fields": [{"name": name, "version": call.version} for name in json.loads(row["fields"])],
        }
        for row in hooks.subscriptions(call.world)
    ]


def _subscribe(call: Call, node: Node) -> dict[str, Any]:
    """Keep a subscription; a new callback or verify token is tried out first."""
    _of_app(call)
    kind, given = _kind(call.params), call.params
    old = hooks.subscription(call.world, kind)
    url = params.text(given, "callback_url") or (old and old["callback_url"])
    token = params.text(given, "verify_token") or (old and old["verify_token"])
    if not url:
        raise missing_parameter("callback_url")
    if not token:
        raise missing_parameter("verify_token")
    if not hooks.loopback(url):
        raise _unverified("the sandbox only calls addresses of its own machine")
    names = params.words(given, "fields") or (json.loads(old["fields"]) if old else [])
    if not names:
        raise missing_parameter("fields")
    if call.outside is None:
        challenge = str(call.world.rng.randint(10**8, 2 * 10**9))
        seconds = call.world.hook_rules.timeout

        async def ask() -> str:
            return await courier.verify(url, token, challenge, seconds) or ""

        raise NeedsOutside(ask)
    if call.outside:
        raise _unverified(call.outside)
    with_values = params.boolean(given, "include_values", bool(old["include_values"]) if old else False)
    hooks.subscribe(call.world, kind, url, token, names, with_values)
    return {"success": True}


def _unverified(reason: str) -> GraphError:
    status = reason.rpartition(" ")[2]
    if status.isdecimal():
        reason += f"; HTTP Message = {_REASONS.get(int(status), 'Unknown')}"
    return GraphError(2200, f"(#2200) Callback verification failed with the following errors: {reason}")


def _unsubscribe(call: Call, node: Node) -> dict[str, Any]:
    _of_app(call)
    kind = _kind(call.params) if params.given(call.params, "object") else None
    hooks.unsubscribe(call.world, kind, params.words(call.params, "fields") if kind else ())
    return {"success": True}


def _of_page(call: Call) -> None:
    if call.token.kind != tokens.PAGE:
        raise GraphError(210, "(#210) A page access token is required to request this resource.")


def _page_apps(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    _of_page(call)
    names = node.doc.get("subscribed_fields")
    app = call.schema.types["Application"].load(call.world, call.world.settings.app_id)
    if not names or app is None:
        return []
    shown = {"id": app.id, "name": app.doc["name"], "link": app.doc.get("link"), "subscribed_fields": names}
    return [{name: value for name, value in shown.items() if value is not None}]


def _install_page(call: Call, node: Node) -> dict[str, Any]:
    _of_page(call)
    names = params.choices(call.params, "subscribed_fields", PAGE_FIELDS)
    if not names:
        raise missing_parameter("subscribed_fields")
    call.world.change_node(node.id, subscribed_fields=sorted(set(names)))
    return {"success": True}


def _remove_page(call: Call, node: Node) -> dict[str, Any]:
    _of_page(call)
    call.world.change_node(node.id, subscribed_fields=[])
    return {"success": True}


def install(schema: Schema) -> None:
    known = ("object", "callback_url", "verify_token", "include_values")
    schema.add(
        PlainEdge("Application", "subscriptions", _subscriptions),
        Write("POST", "Application", "subscriptions", _subscribe, known, own_fields=True),
        Write("DELETE", "Application", "subscriptions", _unsubscribe, ("object",), own_fields=True),
        PlainEdge("Page", "subscribed_apps", _page_apps, scope=MANAGE_PAGE),
        Write("POST", "Page", "subscribed_apps", _install_page, ("subscribed_fields",), MANAGE_PAGE),
        Write("DELETE", "Page", "subscribed_apps", _remove_page, (), MANAGE_PAGE),
    )
