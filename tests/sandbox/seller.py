"""A seller who goes through the login dialog, and the partner who gets the answer."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gateway.sandbox import SandboxSettings
from tests.sandbox.conftest import SECRET, SandboxWorld

APP_ID = SandboxSettings().app_id
BACK = "https://platform.example/landing?tab=1"
SCOPES = "manage_business_extension,catalog_management,business_management,pages_read_engagement,ads_management"
SETUP: dict[str, Any] = {
    "external_business_id": "seller-7f31c2",
    "timezone": "Europe/Dublin",
    "currency": "EUR",
    "business_vertical": "ECOMMERCE",
    "channel": "COMMERCE",
    "domain": "https://shop.example/",
}


def link(scope: str = SCOPES, setup: dict[str, Any] | None = None, **changes: Any) -> dict[str, str]:
    """The query of the link behind a partner's connect button."""
    extras = {"setup": SETUP if setup is None else setup, "business_config": {}, "repeat": False}
    asked = {"client_id": APP_ID, "display": "page", "redirect_uri": BACK, "response_type": "code", "scope": scope}
    return asked | {"state": "s-1 &", "extras": json.dumps(extras)} | changes


async def answer(world: SandboxWorld, query: dict[str, str] | None = None, **form: Any) -> dict[str, str]:
    """What the partner's address is called with."""
    chosen = {"decision": "grant", "page": world.shop["pageId"]} | form
    sent = await world.http.post("/v25.0/dialog/oauth", params=query or link(), data=chosen)
    assert sent.status_code == 302, sent.text
    target = urlsplit(sent.headers["location"])
    assert target.netloc == "platform.example"
    told = parse_qs(target.fragment or target.query)
    return {name: values[0] for name, values in told.items()}


async def exchange(world: SandboxWorld, code: str, **changes: str) -> dict[str, Any]:
    query = {"client_id": APP_ID, "client_secret": SECRET, "redirect_uri": BACK, "code": code} | changes
    found: dict[str, Any] = (await world.http.get("/v25.0/oauth/access_token", params=query)).json()
    return found


async def connected(world: SandboxWorld, **form: Any) -> str:
    """The seller's token after the dialog."""
    told = await answer(world, **form)
    token: str = (await exchange(world, told["code"]))["access_token"]
    return token


async def installation(world: SandboxWorld, token: str) -> dict[str, Any]:
    params = {"fbe_external_business_id": "seller-7f31c2"}
    [found] = (await world.get("fbe_business/fbe_installs", token, **params))["data"]
    installed: dict[str, Any] = found
    return installed
