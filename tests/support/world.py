"""A sandbox world, as a test drives it over its control endpoints."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any

import httpx

from tests.support.secrets import HANDED_OUT


class World:
    """One business at Meta, of one test's own."""

    def __init__(self, url: str, facts: dict[str, Any]) -> None:
        self.url = url
        self.facts = facts
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {facts['accessToken']}"}, trust_env=False, timeout=30
        )

    @classmethod
    def create(cls, url: str, **settings: Any) -> World:
        body = {"clock": {"kind": "frozen", "start": "2026-03-02T09:00:00+00:00"}, "batchSeconds": 120, **settings}
        answer = httpx.post(f"{url}/_sandbox/worlds", json=body, trust_env=False, timeout=30)
        assert answer.status_code == 201, answer.text
        world = cls(url, answer.json())
        HANDED_OUT.update([world.facts["accessToken"], world.facts["appSecret"]])
        HANDED_OUT.update(shop["accessToken"] for shop in world.shops)
        return world

    @property
    def shops(self) -> list[dict[str, Any]]:
        shops: list[dict[str, Any]] = self.facts["shops"]
        return shops

    @property
    def onsite(self) -> dict[str, Any]:
        return next(shop for shop in self.shops if shop["cta"] == "ONSITE_CHECKOUT")

    @property
    def offsite(self) -> dict[str, Any]:
        return next(shop for shop in self.shops if shop["cta"] != "ONSITE_CHECKOUT")

    def _do(self, method: str, path: str, **request: Any) -> Any:
        answer = self._http.request(method, f"/_sandbox/{path}", **request)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def advance(self, seconds: float) -> None:
        self._do("POST", "clock/advance", json={"seconds": seconds})

    def fault(self, kind: str, **options: Any) -> None:
        self._do("POST", "faults", json={"kind": kind, **options})

    def clear_faults(self) -> None:
        self._do("DELETE", "faults")

    def calls(self, method: str | None = None, path: str = "*") -> list[dict[str, Any]]:
        """Logged Graph calls over HTTP, batch slots left out; *path* is a pattern."""
        found = self._do("GET", "calls", params={"limit": 50000})["calls"]
        return [
            call
            for call in found
            if not call["inBatch"] and (method is None or call["method"] == method) and fnmatch(call["path"], path)
        ]

    def forget_calls(self) -> None:
        self._do("DELETE", "calls")

    def place_orders(self, count: int = 1, **options: Any) -> list[str]:
        body = {"shop": self.onsite["metaId"], "count": count, "state": "CREATED", **options}
        return [order["id"] for order in self._do("POST", "orders", json=body)["orders"]]

    def items(self, shop: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        """What Meta's catalog holds now, by retailer id."""
        found = self._do("GET", "items", params={"catalog": (shop or self.onsite)["catalogId"]})
        rows = found["items"] if isinstance(found, dict) else found
        return {row.get("retailer_id") or row["id"]: row for row in rows}

    def batches(self, shop: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        found = self._do("GET", "batches", params={"catalog": (shop or self.onsite)["catalogId"]})
        rows: list[dict[str, Any]] = found["batches"] if isinstance(found, dict) else found
        return rows

    def revoke(self, token: str, subcode: int = 467) -> None:
        self._do("POST", "tokens/revoke", json={"token": token, "subcode": subcode})

    def graph(self, path: str, token: str, **params: Any) -> Any:
        """An independent read of the Graph API."""
        answer = self._http.get(f"/v25.0/{path}", params={"access_token": token, **params})
        return answer.json()

    def close(self) -> None:
        self._http.close()
