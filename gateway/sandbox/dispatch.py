"""The way of one call through the sandbox: whose world, which token, which fault, what answer.

Everything between the first and the last await is plain synchronous work, so calls of one event loop never interleave
inside a world.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.sandbox import paging, params, tokens
from gateway.sandbox.calllog import Entry
from gateway.sandbox.commerce import oauth
from gateway.sandbox.courier import Courier
from gateway.sandbox.errors import DropConnection, GraphError, NeedsOutside, bad_token, invalid, no_token, throttled
from gateway.sandbox.faults import Fault
from gateway.sandbox.finish import add_debug, localize, restate
from gateway.sandbox.messages import Asked, Reply
from gateway.sandbox.routing import answer, find_node
from gateway.sandbox.schema import Call, Schema
from gateway.sandbox.settle import settle
from gateway.sandbox.tokens import Token
from gateway.sandbox.usage import APP, BATCH, MANAGEMENT, PAGE_USER, PAGES, USER
from gateway.sandbox.world import World
from gateway.sandbox.worlds import Worlds

Sleep = Callable[[float], Awaitable[Any]]
Runner = Callable[[World, Token], Awaitable[Reply]]
_THROTTLE_TYPE = {4: APP, 17: USER, 613: APP, 32: PAGE_USER, 80001: PAGES, 80009: MANAGEMENT, 80014: BATCH}


@dataclass
class Office:
    """What every call needs: the worlds, the schema, and a way to wait."""

    worlds: Worlds
    schema: Schema
    sleep: Sleep
    courier: Courier = field(default_factory=Courier)
    requests: int = 0
    traces: int = 0

    def next_trace(self) -> str:
        """A trace id that no other answer has."""
        self.traces += 1
        digest = hashlib.sha256(f"{self.worlds.settings.app_id} {self.traces}".encode()).digest()
        return "A" + base64.urlsafe_b64encode(digest)[:10].decode().replace("-", "x").replace("_", "y")


def token_of(asked: Asked) -> str | None:
    sent = params.text(asked.params, "access_token")
    return sent or asked.header_token


def locate(office: Office, asked: Asked, inherited: str | None) -> World | None:
    """The world of the token; of an app token, that of the object, token or code asked about."""
    worlds = office.worlds
    value = token_of(asked) or inherited
    if value is not None and value != worlds.app_token:
        return worlds.of_token(value)
    if asked.world is not None:
        return next((world for world in worlds.by_number.values() if world.id == asked.world), None)
    for name in ("input_token", "fb_exchange_token"):
        about = params.text(asked.params, name)
        if about is not None and (found := worlds.of_token(about)) is not None:
            return found
    code = params.text(asked.params, "code")
    if code is not None and (found := worlds.of_code(code)) is not None:
        return found
    references = [*asked.segments[:1], *params.words(asked.params, "ids")[:1]]
    for reference in references:
        about = reference.split(":")[1] if reference.startswith("catalog:") else reference
        if (found := worlds.of_object(about)) is not None:
            return found
    # The app itself belongs to every world; of one world, or for its bare node, there is no doubt which.
    bare = asked.segments == (worlds.settings.app_id,) and asked.method == "GET"
    return next(iter(worlds.by_number.values()), None) if value and (bare or len(worlds.by_number) == 1) else None


def authenticate(office: Office, world: World, asked: Asked, inherited: str | None) -> Token:
    """The token of a call, valid and proved.

    Raises:
        GraphError: none (104), unusable (190), or without the proof it needs (100).
    """
    settings = office.worlds.settings
    own = token_of(asked)
    value = own or inherited
    if value is None:
        raise no_token()
    now = world.now()
    if value == office.worlds.app_token:
        return Token(value, tokens.APP, settings.app_id, "", (), None, 0, 0)
    token = tokens.find(world, value)
    if token is None:
        raise bad_token("Invalid OAuth access token - Cannot parse access token")
    problem = tokens.trouble(token, now)
    if problem is not None:
        raise problem
    if own is not None and own != inherited:
        times = (now, world.clock.real().timestamp())
        tokens.check_proof(asked.params, value, settings.app_secret, settings.require_proof, times)
    return token


def error_reply(office: Office, error: GraphError, trace: str | None = None) -> Reply:
    chosen = trace or office.next_trace()
    return Reply(error.http_status, error.body(chosen), chosen, dict(error.headers))


async def perform(
    office: Office,
    asked: Asked,
    request: int,
    *,
    slot: int | None = None,
    inherited: str | None = None,
    runner: Runner | None = None,
) -> Reply:
    """Answer one call; *runner* replaces the ordinary way for a batch request.

    Raises:
        DropConnection: a script wants the connection cut.
    """
    world = locate(office, asked, inherited)
    if world is None:
        return _homeless(office, asked, inherited)
    entry = world.log.open(request, world.now(), asked.method, asked.path, asked.params, slot)
    is_later_page = bool(asked.params.get("after") or asked.params.get("before"))
    fault = world.faults.take(asked.method, asked.path, runner is not None, is_later_page)
    entry.fault = None if fault is None else fault.kind
    reply = None if fault is None else await _before(office, world, asked, fault, inherited)
    if reply is None:
        reply = await _run(office, world, asked, fault, inherited, runner)
    localize(asked, reply)
    if fault is None or "status" not in fault.options:
        restate(world, reply)
    _note(entry, reply)
    office.courier.wake(world)
    if fault is not None:
        await _after(office, fault, reply)
        entry.status = reply.status
    return reply


def _homeless(office: Office, asked: Asked, inherited: str | None) -> Reply:
    """A call that no world can be found for: app-wide endpoints, and tokens that nobody minted."""
    value = token_of(asked) or inherited
    try:
        if asked.path == oauth.PATH:
            return Reply(200, oauth.access_token(office.worlds.settings, None, asked.params), office.next_trace())
        if value is None:
            raise no_token()
        if value != office.worlds.app_token:
            raise bad_token("Invalid OAuth access token - Cannot parse access token")
        if asked.path == "/debug_token":
            return Reply(200, oauth.unknown_token(office.worlds.settings.app_id), office.next_trace())
        if asked.segments[:1] == (office.worlds.settings.app_id,) and office.worlds.by_number:
            raise invalid("Several worlds are open: say which one is meant in the header X-Sandbox-World")
        return error_reply(office, oauth.nowhere(asked.method, asked.segments))
    except GraphError as error:
        return error_reply(office, error)


async def _before(office: Office, world: World, asked: Asked, fault: Fault, inherited: str | None) -> Reply | None:
    """What a fault does before anything happens; a reply when nothing will happen at all."""
    match fault.kind:
        case "latency" | "hang_before":
            await office.sleep(fault.number("seconds", 1.0))
        case "drop_before":
            raise DropConnection
        case "revoke":
            value = token_of(asked) or inherited
            if value is not None:
                tokens.revoke(world, value, int(fault.number("subcode", 467)))
        case "error":
            return error_reply(office, _scripted_error(fault))
        case "expired_cursor":
            return error_reply(office, paging.unusable())
        case "throttle":
            return _scripted_throttle(office, world, asked, fault, inherited)
        case "http" | "empty" | "truncate" if not fault.flag("effect", fault.kind != "http"):
            return Reply(200, {}, office.next_trace())
        case _:
            pass
    return None


async def _run(
    office: Office, world: World, asked: Asked, fault: Fault | None, inherited: str | None, runner: Runner | None
) -> Reply:
    trace = office.next_trace()
    settle(world)
    call: Call | None = None
    try:
        if asked.path == oauth.PATH:
            with world.transaction():
                return Reply(200, oauth.access_token(world.settings, world, asked.params), trace)
        token = authenticate(office, world, asked, inherited)
        if runner is not None:
            return await runner(world, token)
        call = _call(office, world, token, asked, fault)
        reply = await _answered(office, call, asked, trace)
    except GraphError as error:
        reply = error_reply(office, error, trace)
    if isinstance(reply.body, dict) and isinstance(reply.body.get("error"), dict):
        reply.trace = reply.body["error"].get("fbtrace_id", trace)
    add_debug(asked, call.notes if call else [], reply)
    reply.headers |= world.usage.headers(world.settings.app_id, call.touched if call else (), world.now())
    return reply


async def _answered(office: Office, call: Call, asked: Asked, trace: str) -> Reply:
    """What the handler says; one that needs the outside is run again when that has answered."""
    world = call.world
    try:
        with world.transaction():
            return answer(call, asked.segments, trace)
    except NeedsOutside as need:
        call = replace(call, outside=await need.ask())
    if office.worlds.by_number.get(world.number) is not world:
        raise GraphError(2, "The world ended while a callback was asked")
    with world.transaction():
        return answer(call, asked.segments, trace)


def _call(office: Office, world: World, token: Token, asked: Asked, fault: Fault | None) -> Call:
    script: dict[str, Any] = {}
    if fault is not None and fault.kind in ("batch_error", "reject_items", "late_visibility"):
        script = {"kind": fault.kind} | fault.options
    return Call(
        world=world,
        schema=office.schema,
        token=token,
        method=asked.method,
        version=asked.version,
        base_url=asked.base_url,
        path=asked.path,
        params=asked.params,
        files=asked.files,
        body_size=asked.body_size,
        now=world.now(),
        headers=asked.headers,
        content=asked.content,
        script=script,
    )


def _note(entry: Entry, reply: Reply) -> None:
    entry.status, entry.effect = reply.status, reply.effect
    if isinstance(reply.body, dict) and isinstance(reply.body.get("error"), dict):
        entry.code = reply.body["error"].get("code")
        entry.subcode = reply.body["error"].get("error_subcode")


async def _after(office: Office, fault: Fault, reply: Reply) -> None:
    """What a fault does to an answer that is ready."""
    match fault.kind:
        case "hang_after":
            await office.sleep(fault.number("seconds", 1.0))
        case "drop_after":
            raise DropConnection
        case "http":
            reply.status = int(fault.number("status", 503))
            reply.raw = str(fault.options.get("body", "<html><body>Service Unavailable</body></html>")).encode()
            reply.content_type = str(fault.options.get("contentType", "text/html; charset=utf-8"))
        case "empty":
            reply.status, reply.raw = 200, b""
        case "truncate":
            whole = reply.payload()
            reply.raw = whole[: max(len(whole) // 2, 1)]
        case "null_slot" if isinstance(reply.body, list):
            lost = {int(slot) for slot in fault.options["slots"]}
            reply.body = [None if slot in lost else answer for slot, answer in enumerate(reply.body)]
        case _:
            pass


def _scripted_error(fault: Fault) -> GraphError:
    code = int(fault.number("code"))
    options = fault.options
    error = GraphError(code, str(options.get("message", f"(#{code}) A scripted error")))
    subcode, status = options.get("subcode"), options.get("status")
    return replace(
        error,
        subcode=None if subcode is None else int(subcode),
        status=None if status is None else int(status),
        transient=options.get("transient"),
        type=str(options.get("type", error.type)),
        title=options.get("title"),
        user_message=options.get("userMessage"),
    )


def _scripted_throttle(office: Office, world: World, asked: Asked, fault: Fault, inherited: str | None) -> Reply:
    """The throttling error together with the headers that tell the wait."""
    code = int(fault.number("code"))
    kind = _THROTTLE_TYPE.get(code, APP)
    reply = error_reply(office, throttled(code))
    meter = world.settings.app_id
    value = token_of(asked) or inherited
    token = tokens.find(world, value) if value else None
    if kind == USER and token is not None:
        meter = token.user_id
    elif kind != APP and token is not None and asked.segments:
        call = _call(office, world, token, asked, None)
        node = find_node(call, asked.segments[0])
        meter = node.meter if node is not None else asked.segments[0]
    forced = (kind, meter, int(fault.number("minutes", 1)))
    reply.headers |= world.usage.headers(world.settings.app_id, (), world.now(), forced)
    return reply


def inner_json(reply: Reply) -> str:
    """The body of a batch slot: JSON as text."""
    return reply.payload().decode() if reply.raw is not None else json.dumps(reply.body, separators=(",", ":"))
