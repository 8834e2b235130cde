"""``dev --once``: the main job from end to end, through GraphQL as a partner would do it, told as a table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from gateway.access.models import Caller
from gateway.dev import SAMPLE, SAMPLE_CURRENCY, SAMPLE_LINKS, Dev, sample_file
from gateway.kit.ids import node_id

PATIENCE_S = 40.0

_IMPORT = """
mutation Import($input: CatalogImportRunInput!) {
  catalogImportRun(input: $input) {
    catalogImport { id state rows created updated unchanged refused refusals { line retailerId message fix } }
    userErrors { code message fix }
  }
}"""
_SYNC = """
mutation Sync($input: CatalogSyncRunInput!) {
  catalogSyncRun(input: $input) { runs { id lane state } userErrors { code message fix } }
}"""
_RUNS = """
query Runs($ids: [ID!]!) {
  nodes(ids: $ids) { ... on SyncRun { id lane state graphCalls counts { name value } error { message fix } } }
}"""
_PRODUCTS = """
query Products($shopId: ID!) {
  products(shopId: $shopId, first: 100) {
    totalCount
    nodes { retailerId title price { amount currencyCode } syncState syncError { message fix } }
  }
}"""
_ORDERS = """
query Orders($shopId: ID!) {
  orders(filter: {shopId: $shopId}, first: 25) {
    totalCount
    nodes {
      id metaId state total { amount currencyCode }
      items { name quantity product { title syncState } }
    }
  }
}"""
_ACKNOWLEDGE = """
mutation Acknowledge($input: OrdersAcknowledgeInput!) {
  ordersAcknowledge(input: $input) {
    orders { id state merchantOrderReference }
    commands { state error { message } }
    userErrors { code message fix }
  }
}"""


class StepFailed(Exception):
    """A step of the tour did not come to what it should."""


@dataclass
class Step:
    """A line of the table."""

    name: str
    result: str
    seconds: float
    ok: bool


@dataclass
class Tour:
    """Walks the steps; stops at the first that fails."""

    dev: Dev
    steps: list[Step] = field(default_factory=list)
    products: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return bool(self.steps) and all(step.ok for step in self.steps)

    async def walk(self, progress: Callable[[str], None]) -> None:
        """Run all steps."""
        headers = {"Authorization": f"Bearer {self.dev.api_key}"}
        async with httpx.AsyncClient(headers=headers, timeout=30, trust_env=False) as self._http:
            steps: list[tuple[str, Callable[[], Awaitable[str]]]] = [
                ("link two shops", self._link),
                ("import the apparel file", self._import),
                ("sync until confirmed", self._sync),
                ("import the same file again", self._import_again),
                ("take in orders", self._take_in),
                ("acknowledge", self._acknowledge),
                ("acknowledge again, same key", self._acknowledge_again),
            ]
            for name, step in steps:
                progress(name)
                started = time.perf_counter()
                try:
                    result, ok = await step(), True
                except StepFailed as exc:
                    result, ok = str(exc), False
                self.steps.append(Step(name, result, time.perf_counter() - started, ok))
                if not ok:
                    return

    async def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = await self._http.post(self.dev.graphql, json={"query": query, "variables": variables})
        body = answer.json()
        if body.get("errors"):
            raise StepFailed(f"GraphQL answered {body['errors'][0]['message']}")
        self._cost = body["extensions"]["cost"]
        data: dict[str, Any] = body["data"]
        for payload in data.values():
            if isinstance(payload, dict) and payload.get("userErrors"):
                raise StepFailed(payload["userErrors"][0]["message"])
        return data

    @property
    def _shop_id(self) -> str:
        return node_id("Shop", self.dev.shops[0].id)

    async def _link(self) -> str:
        for shop in self.dev.world["shops"]:
            linked = await self.dev.services.shops.link(Caller.system(), shop["metaId"], shop["accessToken"])
            self.dev.shops.append(linked)
        return "; ".join(f"{shop.name}: {shop.raw_cta}" for shop in self.dev.shops)

    async def _import_file(self) -> dict[str, Any]:
        content = await asyncio.to_thread(sample_file().read_text, "utf-8")
        data = await self._ask(
            _IMPORT,
            input={
                "shopId": self._shop_id,
                "content": content,
                "source": SAMPLE,
                "currency": SAMPLE_CURRENCY,
                "linkTemplate": SAMPLE_LINKS,
            },
        )
        done: dict[str, Any] = data["catalogImportRun"]["catalogImport"]
        if done["state"] != "FINISHED":
            raise StepFailed(f"the import is {done['state']}")
        return done

    async def _import(self) -> str:
        done = await self._import_file()
        self.refusals = done["refusals"]
        return f"{done['rows']} variants read: {done['created']} new, {done['refused']} refused"

    async def _import_again(self) -> str:
        done = await self._import_file()
        if done["created"] or done["updated"]:
            raise StepFailed(f"{done['created']} new and {done['updated']} changed the second time")
        return f"{done['unchanged']} unchanged, nothing to send"

    async def _run(self, *lanes: str) -> dict[str, dict[str, Any]]:
        data = await self._ask(_SYNC, input={"shopId": self._shop_id, "lanes": list(lanes)})
        ids = [run["id"] for run in data["catalogSyncRun"]["runs"]]
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            nodes = (await self._ask(_RUNS, ids=ids))["nodes"]
            if all(node["state"] in ("SUCCEEDED", "FAILED") for node in nodes):
                failed = [node for node in nodes if node["state"] == "FAILED"]
                if failed:
                    raise StepFailed(f"lane {failed[0]['lane']}: {failed[0]['error']['message']}")
                return {node["lane"]: node for node in nodes}
            await asyncio.sleep(0.2)
        raise StepFailed(f"{', '.join(lanes)} did not end within {PATIENCE_S:.0f} s")

    async def _sync(self) -> str:
        await self._run("DELTA", "VOLATILE")
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = (await self._ask(_PRODUCTS, shopId=self._shop_id))["products"]
            self.products = found["nodes"]
            states = [product["syncState"] for product in self.products]
            settled = [state for state in states if state in ("CONFIRMED", "REJECTED")]
            if len(settled) == len(states):
                break
            if time.monotonic() > deadline:
                raise StepFailed(f"{len(states) - len(settled)} of {len(states)} items are not settled yet")
            await asyncio.sleep(0.2)
        confirmed = states.count("CONFIRMED")
        return f"{confirmed} confirmed by Meta's batch status, {len(states) - confirmed} rejected"

    async def _take_in(self) -> str:
        run = (await self._run("ORDERS"))["ORDERS"]
        orders = (await self._ask(_ORDERS, shopId=self._shop_id))["orders"]
        self._orders = orders["nodes"]
        if not self._orders:
            raise StepFailed("no order came in")
        items = [item for order in self._orders for item in order["items"]]
        linked = sum(item["product"] is not None for item in items)
        return (
            f"{orders['totalCount']} orders in {run['graphCalls']} Graph call(s); read back in "
            f"{self._cost['graphCalls']}; {linked} of {len(items)} lines lead to a product"
        )

    def _wishes(self) -> dict[str, Any]:
        open_orders = [order for order in self._orders if order["state"] == "AWAITING_ACKNOWLEDGEMENT"]
        return {
            "shopId": self._shop_id,
            "idempotencyKey": "tour-acknowledge",
            "orders": [
                {"id": order["id"], "merchantOrderReference": f"SO-{n + 1001}"} for n, order in enumerate(open_orders)
            ],
        }

    async def _acknowledge(self) -> str:
        payload = (await self._ask(_ACKNOWLEDGE, input=self._wishes()))["ordersAcknowledge"]
        states = [command["state"] for command in payload["commands"]]
        if not states or set(states) != {"CONFIRMED"}:
            raise StepFailed(f"commands ended as {states}")
        return f"{len(states)} orders IN_PROGRESS in {self._cost['graphCalls']} Graph call(s)"

    async def _acknowledge_again(self) -> str:
        payload = (await self._ask(_ACKNOWLEDGE, input=self._wishes()))["ordersAcknowledge"]
        if self._cost["graphCalls"]:
            raise StepFailed("the repeat called Meta again")
        return f"the first outcome again for {len(payload['commands'])} orders, 0 Graph calls"
