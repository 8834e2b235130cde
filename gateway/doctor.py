"""``doctor``: look at what the gateway leans on, and say how to mend what fails."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx
from sqlalchemy.exc import SQLAlchemyError

from gateway.access.models import Caller
from gateway.db import Database
from gateway.errors import GatewayError
from gateway.jobs import JobQueue, SilentQueue
from gateway.kit.clock import SystemClock
from gateway.kit.vault import Vault, VaultError
from gateway.services import Services
from gateway.settings import Settings
from gateway.shops import edges

SKEW_ALLOWED_S = 60


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    fix: str | None = None


async def examine(settings: Settings) -> list[Check]:
    """All checks, in the order in which they depend on each other."""
    checks = [await _database(settings), await _redis(settings), _encryption(settings), await _graph(settings)]
    if checks[0].ok and checks[2].ok:
        checks += await _shops(settings)
    return checks


async def _database(settings: Settings) -> Check:
    db = Database(settings.database_url.get_secret_value())
    try:
        current, newest = await asyncio.to_thread(db.revisions)
    except SQLAlchemyError as exc:
        return Check(
            "database", False, f"cannot be reached ({type(exc).__name__})", "Start it, or correct GATEWAY_DATABASE_URL."
        )
    finally:
        db.close()
    if current != newest:
        return Check("database", False, f"is at {current}, the code wants {newest}", "Run `commerce-gateway migrate`.")
    return Check("database", True, f"{db.url.get_backend_name()}, at {current}")


async def _redis(settings: Settings) -> Check:
    if settings.redis_url is None:
        return Check(
            "redis",
            False,
            "GATEWAY_REDIS_URL is not set",
            "Set it to a Redis that web processes and workers share; without one, workers look for work every second.",
        )
    queue = JobQueue(settings.redis_url.get_secret_value())
    try:
        if await queue.ping():
            return Check("redis", True, "answers")
        return Check("redis", False, "does not answer", "Start it, or correct GATEWAY_REDIS_URL.")
    finally:
        await queue.aclose()


def _encryption(settings: Settings) -> Check:
    try:
        Vault(settings.encryption_keys.get_secret_value())
    except VaultError as exc:
        return Check("encryption", False, str(exc), "Set GATEWAY_ENCRYPTION_KEYS, and keep it safe.")
    return Check("encryption", True, "the keys are good")


async def _graph(settings: Settings) -> Check:
    """Reachability and the clock in one call: any answer will do, its Date is what counts."""
    url = f"{settings.graph_url.rstrip('/')}/{settings.graph_version}/debug_token"
    try:
        async with httpx.AsyncClient(timeout=10) as client:
            answer = await client.get(url)
    except httpx.HTTPError as exc:
        return Check(
            "graph",
            False,
            f"{settings.graph_url} cannot be reached ({type(exc).__name__})",
            "Check the network and GATEWAY_GRAPH_URL.",
        )
    date = answer.headers.get("date")
    if date is not None:
        skew = abs((SystemClock().now() - parsedate_to_datetime(date)).total_seconds())
        if skew > SKEW_ALLOWED_S:
            return Check("graph", False, f"our clock is {skew:.0f} s off Meta's", "Synchronise the clock (NTP).")
    if not settings.app_id or not settings.app_secret.get_secret_value():
        return Check(
            "graph", False, "reachable, but GATEWAY_APP_ID or GATEWAY_APP_SECRET is not set", "Set both of them."
        )
    return Check("graph", True, f"{settings.graph_url} answers, the clocks agree")


async def _shops(settings: Settings) -> list[Check]:
    services = Services.build(settings, SilentQueue())
    try:
        checks = []
        for shop in await services.shops.all(Caller.system()):
            try:
                await edges.fetch_shop(await services.shops.graph_of(shop.id), shop.meta_id)
                checks.append(Check(f"token of {shop.name}", True, "works"))
            except (GatewayError, VaultError) as exc:
                fix = exc.fix if isinstance(exc, GatewayError) else None
                checks.append(
                    Check(
                        f"token of {shop.name}", False, str(exc), fix or "Link it again: `commerce-gateway shops link`."
                    )
                )
        return checks
    finally:
        await services.aclose()
