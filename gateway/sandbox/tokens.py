"""Access tokens: minting, checking, and the proof that goes with them.

Source: graph-api.md sections 3 to 5.  Tokens follow from the app secret, the world's number and the object, so a
world that is reset (or a sandbox that is started again the same way) keeps the tokens its clients hold.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.sandbox.errors import METHOD, GraphError, bad_token, token_text
from gateway.sandbox.params import text
from gateway.sandbox.storage import one
from gateway.sandbox.world import World

APP, PAGE, SYSTEM_USER, USER = "APP", "PAGE", "SYSTEM_USER", "USER"
SCOPES = (
    "business_management catalog_management commerce_account_manage_orders commerce_account_read_orders "
    "commerce_account_read_reports commerce_account_read_settings manage_business_extension pages_manage_metadata "
    "pages_read_engagement pages_show_list"
).split()
KNOWN_SCOPES = sorted(
    {
        *SCOPES,
        *"ads_management ads_read commerce_manage_accounts email instagram_basic instagram_content_publish "
        "instagram_manage_messages instagram_shopping_tag_products pages_messaging public_profile read_insights "
        "whatsapp_business_messaging".split(),
    }
)
"""Every permission this app may ask for; whatever else is asked for is an invalid scope."""
PROOF_SECONDS = 300


@dataclass(frozen=True)
class Token:
    value: str
    kind: str
    object_id: str
    user_id: str
    scopes: tuple[str, ...]
    targets: frozenset[str] | None
    """The Page, commerce account and catalog a Page token reaches; None: everything in its world."""
    issued_at: float
    expires_at: float
    dead_subcode: int | None = None

    def reaches(self, asset: str) -> bool:
        return self.targets is None or asset in self.targets

    def may(self, scope: str) -> bool:
        if scope == "commerce_account_read_orders" and "commerce_account_manage_orders" in self.scopes:
            return True
        if scope == "commerce_account_read_settings" and "commerce_manage_accounts" in self.scopes:
            return True
        return scope in self.scopes


def mint(
    world: World,
    kind: str,
    object_id: str,
    *,
    user_id: str | None = None,
    scopes: list[str] | None = None,
    targets: list[str] | None = None,
    lifetime: float = 0.0,
) -> str:
    """A new token that starts like Meta's; *lifetime* 0 never ends."""
    row = one(world.db, "SELECT COUNT(*) AS n FROM tokens")
    assert row is not None
    subject = f"world {world.number} {kind} {object_id} {row['n']}".encode()
    digest = hmac.new(world.settings.app_secret.encode(), subject, hashlib.sha512).digest()
    value = "EAA" + base64.b64encode(digest).decode().translate(str.maketrans("+/=", "ZBD"))
    now = world.now()
    world.db.execute(
        "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        (
            value,
            kind,
            object_id,
            user_id or world.system_user_id,
            json.dumps(SCOPES if scopes is None else scopes),
            None if targets is None else json.dumps(targets),
            now,
            now + lifetime if lifetime else 0.0,
        ),
    )
    return value


def _token(row: sqlite3.Row) -> Token:
    return Token(
        value=row["token"],
        kind=row["kind"],
        object_id=row["object_id"],
        user_id=row["user_id"],
        scopes=tuple(json.loads(row["scopes"])),
        targets=None if row["targets"] is None else frozenset(json.loads(row["targets"])),
        issued_at=row["issued_at"],
        expires_at=row["expires_at"],
        dead_subcode=row["dead_subcode"],
    )


def find(world: World, value: str) -> Token | None:
    row = one(world.db, "SELECT * FROM tokens WHERE token = ?", value)
    return None if row is None else _token(row)


def of_object(world: World, kind: str, object_id: str) -> Token | None:
    """The oldest token of its kind for an object: what `/me/accounts` hands out."""
    sql = "SELECT * FROM tokens WHERE kind = ? AND object_id = ? ORDER BY issued_at LIMIT 1"
    row = one(world.db, sql, kind, object_id)
    return None if row is None else _token(row)


def of_user(world: World, user_id: str) -> list[Token]:
    """Everything that was minted for a person or system user, newest first."""
    sql = "SELECT * FROM tokens WHERE user_id = ? ORDER BY issued_at DESC, token"
    return [_token(row) for row in world.db.execute(sql, (user_id,))]


def for_page(world: World, page_id: str, asker: Token, assets: list[str]) -> str:
    """The Page token that *asker* gets: it may no more than the one who asks.

    The seeded token goes to whoever may everything, so that all of them hold the same one.
    """
    if asker.kind == PAGE:
        return asker.value
    seeded = of_object(world, PAGE, page_id)
    if seeded is not None and set(seeded.scopes) <= set(asker.scopes):
        return seeded.value
    for token in of_user(world, asker.user_id):
        same = token.kind == PAGE and token.object_id == page_id and token.scopes == asker.scopes
        if same and trouble(token, world.now()) is None:
            return token.value
    scopes = list(asker.scopes)
    return mint(world, PAGE, page_id, user_id=asker.user_id, scopes=scopes, targets=[page_id, *assets])


def retarget(world: World, value: str, targets: list[str]) -> None:
    world.db.execute("UPDATE tokens SET targets = ? WHERE token = ?", (json.dumps(targets), value))


def rescope(world: World, value: str, scopes: list[str]) -> None:
    world.db.execute("UPDATE tokens SET scopes = ? WHERE token = ?", (json.dumps(scopes), value))


def trouble(token: Token, now: float) -> GraphError | None:
    """Why the token no longer works, if so."""
    if token.dead_subcode is not None:
        return bad_token(token_text(token.dead_subcode, now, now), token.dead_subcode)
    if token.expires_at and token.expires_at <= now:
        return bad_token(token_text(463, now, token.expires_at), 463)
    return None


def revoke(world: World, value: str, subcode: int) -> bool:
    done = world.db.execute("UPDATE tokens SET dead_subcode = ? WHERE token = ?", (subcode, value))
    return done.rowcount > 0


def expire(world: World, value: str) -> bool:
    done = world.db.execute("UPDATE tokens SET expires_at = ? WHERE token = ?", (world.now() - 1, value))
    return done.rowcount > 0


def check_proof(params: Mapping[str, Any], token: str, secret: str, required: bool, times: tuple[float, ...]) -> None:
    """Compare the proof sent with the one of this token; *times* are the clocks it may be timed by.

    Raises:
        GraphError: absent though required, wrong, or signed for another time.
    """
    sent = text(params, "appsecret_proof")
    if sent is None:
        if required:
            raise GraphError(100, "API calls from the server require an appsecret_proof argument", type=METHOD)
        return
    at = text(params, "appsecret_time")
    message = token if at is None else f"{token}|{at}"
    wanted = hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()
    fresh = at is None or (at.isdecimal() and any(abs(int(at) - now) <= PROOF_SECONDS for now in times))
    if not fresh or not hmac.compare_digest(sent.encode(), wanted.encode()):
        raise GraphError(100, "Invalid appsecret_proof provided in the API argument", type=METHOD)
