"""The HTTP clients under the Graph client, and what their failures mean.

httpx's own connection pool costs more CPU per call the more calls are in flight; aiohttp's, under httpx's API, stays
flat.  Two of its habits matter here:

- it sends GET and DELETE once more by itself when the connection breaks.  For a read that is harmless; a DELETE
  goes through httpx's own transport, which never does;
- its wrapper reports a connection that broke *after* the request went out as a time-out of connecting.  Whether
  anything was sent is therefore read off the original exception.

Two of its defaults do not fit: it refuses header lines over 8 KB, which Meta's usage headers can pass (a write would
then have had its effect and no answer), and it keeps cookies, which calls of different shops would share.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport, HttpxAiohttpClient
from httpx_aiohttp.transport import AIOHTTP_EXC_MAP

from gateway.graph.settings import GraphSettings

_KEEPALIVE_S = 15
"""Shorter than servers and balancers keep an idle connection, so that a write seldom meets one just closed."""

# aiohttp's exceptions, told apart by what the wrapper maps them to.
_CONNECT = tuple(raw for raw, to in AIOHTTP_EXC_MAP.items() if to in (httpx.ConnectError, httpx.ProxyError))
_ANY_TIMEOUT = tuple(raw for raw, to in AIOHTTP_EXC_MAP.items() if to is httpx.TimeoutException)
_READ_TIMEOUT = tuple(raw for raw, to in AIOHTTP_EXC_MAP.items() if to is httpx.ReadTimeout)


_HEADER_LIMIT = 256 * 1024


class _FlatTransport(AiohttpTransport):
    def get_client(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self.limits.max_connections or 0,
            keepalive_timeout=self.limits.keepalive_expiry,
            ssl=self.ssl_context,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_field_size=_HEADER_LIMIT,
            max_line_size=_HEADER_LIMIT,
        )


class _FlatClient(HttpxAiohttpClient):
    def _init_transport(self, **kwargs: Any) -> httpx.AsyncBaseTransport:  # type: ignore[override]  # all are keywords
        return _FlatTransport(**_known(kwargs))

    def _init_proxy_transport(  # type: ignore[override]  # httpx passes keywords only
        self, proxy: httpx.Proxy, **kwargs: Any
    ) -> httpx.AsyncBaseTransport:
        return _FlatTransport(proxy=proxy, **_known(kwargs))


def _known(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: kwargs[name] for name in ("verify", "cert", "trust_env", "limits") if name in kwargs}


@dataclass(frozen=True, slots=True)
class Transport:
    """``main`` for reads and POSTs, ``once`` for what must not be repeated behind our back; may be the same."""

    main: httpx.AsyncClient
    once: httpx.AsyncClient
    owned: bool

    async def aclose(self) -> None:
        """Close the clients, unless they were handed in."""
        if self.owned:
            await self.main.aclose()
            await self.once.aclose()


def open_transport(settings: GraphSettings, http: httpx.AsyncClient | None) -> Transport:
    """*http* itself, or our own clients: no redirects, no cookies, all time-outs set."""
    if http is not None:
        return Transport(http, http, owned=False)
    timeout = httpx.Timeout(settings.read_timeout_s, connect=settings.connect_timeout_s)
    limits = httpx.Limits(
        max_connections=settings.max_in_flight,
        max_keepalive_connections=settings.max_in_flight,
        keepalive_expiry=_KEEPALIVE_S,
    )
    # A proxy of the environment is for the outside; it cannot reach this machine's own loopback.
    trust_env = not is_loopback(settings.base_url)
    verify = httpx.create_ssl_context(trust_env=trust_env)
    kinds: tuple[type[httpx.AsyncClient], type[httpx.AsyncClient]] = (_FlatClient, httpx.AsyncClient)
    main, once = (
        kind(
            timeout=timeout,
            limits=limits,
            trust_env=trust_env,
            verify=verify,
            follow_redirects=False,
            # Calls of different shops share the client: nothing of one may travel with another.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        for kind in kinds
    )
    return Transport(main, once, owned=True)


def is_loopback(url: str) -> bool:
    """Whether *url* points at this very machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def nothing_was_sent(error: Exception) -> bool:
    """Whether a call failed before any of it left: only then is a write certainly without effect."""
    raw = error.__cause__
    if isinstance(raw, tuple(AIOHTTP_EXC_MAP)):
        connecting = isinstance(raw, _ANY_TIMEOUT) and not isinstance(raw, _READ_TIMEOUT)
        return connecting or isinstance(raw, _CONNECT)
    return isinstance(
        error,
        httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError | httpx.UnsupportedProtocol,
    )
