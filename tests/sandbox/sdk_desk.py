"""Meta's own Python SDK pointed at the sandbox: unmodified, only its host is another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from facebook_business.adobjects.application import Application
from facebook_business.adobjects.business import Business
from facebook_business.adobjects.commercemerchantsettings import CommerceMerchantSettings
from facebook_business.adobjects.page import Page
from facebook_business.adobjects.productcatalog import ProductCatalog
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession

from tests.sandbox.conftest import SandboxServer

Handle = Any
"""Objects of the SDK carry no types."""


@dataclass
class Desk:
    """An SDK session of a shop, and the control side of its world."""

    http: httpx.Client
    card: dict[str, Any]
    api: Handle
    apis: list[Handle]

    @property
    def shop(self) -> dict[str, Any]:
        shop: dict[str, Any] = self.card["shops"][0]
        return shop

    @property
    def app_token(self) -> str:
        return f"{self.card['appId']}|{self.card['appSecret']}"

    @property
    def business(self) -> Handle:
        return Business(self.card["businessId"], api=self.api)

    @property
    def catalog(self) -> Handle:
        return ProductCatalog(self.shop["catalogId"], api=self.api)

    @property
    def cms(self) -> Handle:
        return CommerceMerchantSettings(self.shop["metaId"], api=self.api)

    def session(self, token: str) -> Handle:
        """The same SDK under another token."""
        made = FacebookAdsApi(FacebookSession(self.card["appId"], self.card["appSecret"], token, timeout=10), "v25.0")
        self.apis.append(made)
        return made

    def page(self) -> Handle:
        return Page(self.shop["pageId"], api=self.session(self.shop["accessToken"]))

    def app(self) -> Handle:
        api = self.session(self.app_token)
        # The app is in every world of this server: say which one is meant.
        api._session.requests.headers["X-Sandbox-World"] = self.card["world"]
        return Application(self.card["appId"], api=api)

    def control(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.card['accessToken']}"}
        answer = self.http.request(method, f"/_sandbox/{path}", headers=headers, **options)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def item(self, retailer_id: str) -> Handle:
        where = {"filter": {"retailer_id": {"eq": retailer_id}}}
        [found] = self.catalog.get_products(fields=["id", "retailer_id"], params=where)
        return found

    def an_order(self) -> str:
        wanted = {"limit": 1, "state": ["IN_PROGRESS"]}
        return str(self.cms.get_commerce_orders(fields=["id"], params=wanted)[0]["id"])

    def apply(self, *requests: dict[str, Any]) -> str:
        """Send an item batch and let it finish."""
        params = {"item_type": "PRODUCT_ITEM", "requests": list(requests), "allow_upsert": True}
        sent = self.catalog.create_items_batch(params=params)
        self.control("POST", "clock/advance", json={"seconds": 300})
        handle: str = sent["handles"][0]
        return handle


@pytest.fixture
def desk(sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    usual, FacebookSession.GRAPH = FacebookSession.GRAPH, sandbox_server.url
    shops = [{"name": "Harbour Outfitters", "cta": "ONSITE_CHECKOUT", "currency": "USD", "items": 60}]
    with httpx.Client(base_url=sandbox_server.url, trust_env=False, timeout=10) as http:
        card = http.post("/_sandbox/worlds", json={"clock": {"kind": "frozen"}, "shops": shops}).json()
        api = FacebookAdsApi.init(
            app_id=card["appId"],
            app_secret=card["appSecret"],
            access_token=card["accessToken"],
            api_version="v25.0",
            timeout=10,
            crash_log=False,
        )
        desk = Desk(http, card, api, [api])
        yield desk
        desk.control("DELETE", "world")
    for made in desk.apis:
        made._session.requests.close()
    FacebookAdsApi.set_default_api(None)
    FacebookSession.GRAPH = usual


def refusal(ask: Callable[[], Any]) -> FacebookRequestError:
    with pytest.raises(FacebookRequestError) as caught:
        ask()
    error: FacebookRequestError = caught.value
    body = error.body()
    assert body["error"]["fbtrace_id"] == error.http_headers()["x-fb-trace-id"]
    return error


def shape_of(call: dict[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    """What makes calls different: method, path without ids, names of parameters."""
    parts = [part[:2] if part.isdigit() and len(part) == 16 else part for part in call["path"].split("/")]
    return call["method"], "/".join(parts), tuple(sorted(call["params"]))
