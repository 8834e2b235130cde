"""Tokens over the wire: exchange, code, app token, introspection.

Source: graph-api.md section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.sandbox import params, tokens
from gateway.sandbox.errors import GraphError, bad_token, invalid, unsupported
from gateway.sandbox.schema import Call, Root, Schema
from gateway.sandbox.settings import SandboxSettings
from gateway.sandbox.storage import one
from gateway.sandbox.world import World

PATH = "/oauth/access_token"
LONG_LIFE = 5_184_000
DATA_ACCESS = 90 * 86_400
APPLICATION = "Commerce sandbox app"


def access_token(settings: SandboxSettings, world: World | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """`/oauth/access_token` in its three forms; the client secret stands for a token."""
    if params.required_text(given, "client_id") != settings.app_id:
        raise GraphError(101, "Error validating application. Cannot get application info due to a system error.")
    if params.required_text(given, "client_secret") != settings.app_secret:
        raise GraphError(1, "Error validating client secret.", status=400)
    grant = params.text(given, "grant_type")
    if grant == "client_credentials":
        return {"access_token": f"{settings.app_id}|{settings.app_secret}", "token_type": "bearer"}
    if grant == "fb_exchange_token":
        value = params.required_text(given, "fb_exchange_token")
        token = None if world is None else tokens.find(world, value)
        if world is None or token is None:
            raise bad_token("Invalid OAuth access token - Cannot parse access token")
        problem = tokens.trouble(token, world.now())
        if problem is not None:
            raise problem
        return _long_lived(world, token, params.boolean(given, "set_token_expires_in_60_days", False))
    return _by_code(world, given)


def _long_lived(world: World, token: tokens.Token, in_60_days: bool) -> dict[str, Any]:
    """A token of 60 days; one without an end stays, unless a system user's is asked to get one."""
    if not token.expires_at and not (in_60_days and token.kind == tokens.SYSTEM_USER):
        return {"access_token": token.value, "token_type": "bearer"}
    targets = None if token.targets is None else sorted(token.targets)
    value = tokens.mint(
        world,
        token.kind,
        token.object_id,
        user_id=token.user_id,
        scopes=list(token.scopes),
        targets=targets,
        lifetime=LONG_LIFE,
    )
    return {"access_token": value, "token_type": "bearer", "expires_in": LONG_LIFE}


def _by_code(world: World | None, given: Mapping[str, Any]) -> dict[str, Any]:
    code = params.required_text(given, "code")
    redirect_uri = params.required_text(given, "redirect_uri")
    row = None if world is None else one(world.db, "SELECT * FROM codes WHERE code = ?", code)
    if world is None or row is None:
        raise GraphError(100, "Invalid verification code format.", 36007)
    if row["used"]:
        raise GraphError(100, "This authorization code has been used.", 36009)
    if row["redirect_uri"] != redirect_uri:
        message = (
            "Error validating verification code. Please make sure your redirect_uri is identical to the one you used"
        )
        raise GraphError(100, message, 36008)
    world.db.execute("UPDATE codes SET used = 1 WHERE code = ?", (code,))
    token = tokens.find(world, row["token"])
    assert token is not None
    answer: dict[str, Any] = {"access_token": token.value, "token_type": "bearer"}
    if token.expires_at:
        answer["expires_in"] = int(token.expires_at - world.now())
    return answer


def _debug_token(call: Call) -> dict[str, Any]:
    value = params.required_text(call.params, "input_token")
    world, settings = call.world, call.world.settings
    if value == f"{settings.app_id}|{settings.app_secret}":
        data = {"app_id": settings.app_id, "type": "APP", "application": APPLICATION, "is_valid": True, "scopes": []}
        return {"data": data}
    token = tokens.find(world, value)
    if token is None:
        return unknown_token(settings.app_id)
    problem = tokens.trouble(token, world.now())
    # A person's data stays readable for 90 days after they last used the app.
    data_access = int(token.issued_at) + DATA_ACCESS if token.kind == tokens.USER else 0
    data = {"app_id": settings.app_id, "type": token.kind, "application": APPLICATION}
    data |= {"is_valid": problem is None, "issued_at": int(token.issued_at), "expires_at": int(token.expires_at)}
    data |= {"data_access_expires_at": data_access, "user_id": token.user_id, "scopes": list(token.scopes)}
    if token.kind == tokens.PAGE:
        data["profile_id"] = token.object_id
    granular: list[dict[str, Any]] = [{"scope": scope} for scope in token.scopes]
    if token.targets is not None:
        granular = [entry | {"target_ids": sorted(token.targets)} for entry in granular]
    data["granular_scopes"] = granular
    if problem is not None:
        data["scopes"] = []
        data["error"] = {"code": problem.code, "message": problem.message, "subcode": problem.subcode}
    return {"data": data}


def unknown_token(app_id: str) -> dict[str, Any]:
    """Introspection of a token that nobody minted: still HTTP 200."""
    error = {"code": 190, "message": "Invalid OAuth access token - Cannot parse access token"}
    return {"data": {"app_id": app_id, "is_valid": False, "scopes": [], "error": error}}


def nowhere(method: str, segments: tuple[str, ...]) -> GraphError:
    """An app token asks about something that is in no world."""
    return unsupported(method, segments[0]) if segments else invalid("No object was named")


def install(schema: Schema) -> None:
    schema.add(Root("GET", "debug_token", _debug_token, ("input_token",)))
