"""Meta's login dialog, played by a small page: a person picks a Page, unticks permissions, agrees or cancels.

Source: shops.md sections 2.1 to 2.3.  The page posts to its own address, so a test can answer it with one request:
`decision` (`grant` or `cancel`), `page` (the id of a Page, or `other:{world}` for one that has no shop) and `granted`
(once for each permission; all that were asked for when it is absent).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.sandbox import ids, installs, tokens
from gateway.sandbox.dispatch import Office
from gateway.sandbox.installs import BadExtras, Setup, read_extras
from gateway.sandbox.settle import settle
from gateway.sandbox.world import World

EXTENSION = "manage_business_extension"
CODE_LIFE, TOKEN_LIFE = 5_184_000.0, 7200.0
MOST_WORLDS = 50
CANCELLED = {"error": "access_denied", "error_reason": "user_denied", "error_description": "Permissions error"}
_STYLE = (
    "body{font:16px system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}"
    "fieldset{border:1px solid #ccc;border-radius:.5rem;margin:1rem 0}label{display:block;margin:.4rem 0}"
    "button{font:inherit;padding:.5rem 1rem;margin-right:.5rem}"
)


class BadDialog(ValueError):
    """Something that Meta would show instead of the dialog."""


@dataclass(frozen=True)
class Asked:
    redirect_uri: str
    state: str | None
    by_token: bool
    scopes: list[str]
    setup: Setup | None


def read_query(query: Mapping[str, str], app_id: str) -> Asked:
    """What the partner's link asks for.

    Raises:
        BadDialog: an unknown app, no way back, or a permission that does not exist.
    """
    if query.get("client_id") != app_id:
        raise BadDialog("Invalid App ID: the provided app ID does not look like a valid app ID.")
    redirect_uri = query.get("redirect_uri", "")
    target = urlsplit(redirect_uri)
    if target.scheme not in ("http", "https") or not target.netloc:
        raise BadDialog("URL blocked: redirect_uri must be an absolute address.")
    kind = query.get("response_type") or "code"
    if kind not in ("code", "token"):
        raise BadDialog(f"Unsupported response_type {kind}.")
    scopes = list(dict.fromkeys(scope.strip() for scope in query.get("scope", "").split(",") if scope.strip()))
    unknown = [scope for scope in scopes if scope not in tokens.KNOWN_SCOPES]
    if unknown:
        raise BadDialog(f"Invalid Scopes: {', '.join(unknown)}. This message is only shown to developers.")
    try:
        setup = read_extras(query["extras"]) if query.get("extras") else None
    except BadExtras as wrong:
        raise BadDialog(str(wrong)) from wrong
    if setup is not None and EXTENSION not in scopes:
        raise BadDialog(f"The set-up of the business extension needs the permission {EXTENSION}.")
    return Asked(redirect_uri, query.get("state"), kind == "token", scopes, setup)


def way_back(asked: Asked, answer: Mapping[str, str]) -> str:
    """The partner's address with the answer, in the query or, for a token, in the fragment."""
    told = urlencode({**answer, **({} if asked.state is None else {"state": asked.state})})
    if "access_token" in answer:
        return f"{asked.redirect_uri}#{told}"
    return f"{asked.redirect_uri}{'&' if urlsplit(asked.redirect_uri).query else '?'}{told}"


def grant(world: World, asked: Asked, page_id: str, scopes: list[str]) -> dict[str, str]:
    """What the partner gets when somebody agreed, with the installation it asked for."""
    page = world.find_node(page_id, "page")
    assert page is not None
    account = world.find_node(page["account"], "account")
    user = ids.compose(ids.USER, world.number, 1)
    if world.find_node(user, "user") is None:
        world.add_node(user, "user", world.business_id, {"name": "Sandbox user"})
    world.change_node(user, declined=[scope for scope in asked.scopes if scope not in scopes])
    targets = [world.business_id, page_id, *([] if account is None else [account["id"], account["catalog"]])]
    lifetime = TOKEN_LIFE if asked.by_token else CODE_LIFE
    value = tokens.mint(world, tokens.USER, user, user_id=user, scopes=scopes, targets=targets, lifetime=lifetime)
    token = tokens.find(world, value)
    assert token is not None
    if asked.setup is not None and EXTENSION in scopes:
        doc = installs.keep(world, asked.setup, page_id, token)
        tokens.retarget(world, value, [*targets, doc["pixel_id"], *doc["instagram_profiles"]])
    if asked.by_token:
        return {"access_token": value, "expires_in": str(int(lifetime))}
    code = "AQ" + hashlib.sha256(value.encode()).hexdigest()
    world.db.execute("INSERT INTO codes VALUES (?, ?, ?, 0)", (code, value, asked.redirect_uri))
    return {"code": code}


def _choices(worlds: list[World]) -> list[tuple[str, str]]:
    """Every Page of every world, and in each world a Page that sells nothing."""
    found = []
    for world in worlds:
        for page in world.nodes_of("page", world.business_id):
            shop = "" if page["account"] else ", without a shop"
            found.append((page["id"], f"{page['name']}{shop} ({world.config.name}, {world.id})"))
        found.append((f"other:{world.id}", f"A new Page without a shop ({world.config.name}, {world.id})"))
    return found


def _document(title: str, inside: str, status: int = 200) -> HTMLResponse:
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    body = f"<h1>{escape(title)}</h1>{inside}"
    return HTMLResponse(f"<!doctype html><html lang=en><head>{head}</head><body>{body}</body></html>", status)


def page(asked: Asked, choices: list[tuple[str, str]]) -> HTMLResponse:
    options = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in choices)
    boxes = "".join(
        f'<label><input type=checkbox name=granted value="{escape(scope)}" checked> {escape(scope)}</label>'
        for scope in asked.scopes
    )
    setup = asked.setup
    wanted = "" if setup is None else f"<p>Sets up the business extension for <b>{escape(setup.external_id)}</b>.</p>"
    inside = (
        "<p>This page of the sandbox plays Meta's login dialog.</p>"
        f"{wanted}<form method=post><label>Page <select name=page>{options}</select></label>"
        f"<fieldset><legend>Permissions</legend><input type=hidden name=granted value=''>{boxes}</fieldset>"
        "<button name=decision value=grant>Continue</button>"
        "<button name=decision value=cancel>Cancel</button></form>"
    )
    return _document("Continue as Sandbox user?", inside)


def _chosen(office: Office, value: str) -> tuple[World, str]:
    """The world and the Page that the person picked; a Page without a shop is made when it is asked for."""
    kind, _, name = value.partition(":")
    if kind == "other":
        for world in office.worlds.by_number.values():
            if world.id == name:
                made = world.new_id(ids.PAGE)
                world.add_node(made, "page", world.business_id, {"name": "A Page that sells nothing", "account": ""})
                return world, made
    found = office.worlds.of_object(value)
    if found is None or found.find_node(value, "page") is None:
        raise BadDialog("There is no such Page.")
    return found, value


def routes(office: Office) -> list[Route]:
    app_id = office.worlds.settings.app_id

    async def dialog(request: Request) -> Response:
        form: dict[str, Any] = {}
        if request.method == "POST":
            form = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
        try:
            asked = read_query(request.query_params, app_id)
            if request.method == "GET":
                worlds = list(office.worlds.by_number.values())[-MOST_WORLDS:]
                return page(asked, _choices(worlds))
            return _decide(office, asked, form)
        except BadDialog as wrong:
            return _document("Sorry, something went wrong", f"<p>{escape(str(wrong))}</p>", 400)

    return [
        Route("/dialog/oauth", dialog, methods=["GET", "POST"]),
        Route("/{version}/dialog/oauth", dialog, methods=["GET", "POST"]),
    ]


def _decide(office: Office, asked: Asked, form: Mapping[str, list[str]]) -> Response:
    decision = form.get("decision", ["grant"])[-1]
    if decision == "cancel":
        return RedirectResponse(way_back(asked, CANCELLED), 302)
    if decision != "grant":
        raise BadDialog("decision must be grant or cancel.")
    ticked = form.get("granted")
    scopes = asked.scopes if ticked is None else [scope for scope in asked.scopes if scope in ticked]
    chosen = form.get("page", [""])[-1]
    world, page_id = _chosen(office, chosen)
    settle(world)
    with world.transaction():
        answer = grant(world, asked, page_id, scopes)
    office.courier.wake(world)
    return RedirectResponse(way_back(asked, answer), 302)
