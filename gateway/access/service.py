"""API keys: make, recognise and revoke them.

A key is 32 random bytes, so one SHA-256 is enough to store it by: there is nothing to guess that a slow hash would
protect.  The key itself is shown once, when it is made.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlmodel import Session

from gateway.access import store
from gateway.access.models import Caller, Scope
from gateway.access.store import ApiKeyRow
from gateway.db import Database
from gateway.errors import Forbidden, InvalidInput, NotFound
from gateway.kit.clock import Clock
from gateway.kit.ids import new_id

PREFIX = "mcg_"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What may be known of a key after it was made."""

    id: str
    name: str
    hint: str
    scopes: tuple[Scope, ...]
    shops: tuple[str, ...] | None
    created_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: ApiKeyRow) -> ApiKey:
        return cls(
            row.id,
            row.name,
            row.hint,
            tuple(Scope(scope) for scope in row.scopes),
            None if row.shops is None else tuple(row.shops),
            row.created_at,
            row.revoked_at,
        )


class AccessService:
    """Keys and callers."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def authenticate(self, secret: str) -> Caller | None:
        """The caller behind a key; ``None`` for one that is unknown or revoked."""
        if not secret.startswith(PREFIX):
            return None
        row = await self._db.read(store.find_by_hash, _digest(secret))
        if row is None or row.revoked_at is not None:
            return None
        shops = None if row.shops is None else frozenset(row.shops)
        return Caller(row.id, row.name, frozenset(Scope(scope) for scope in row.scopes), shops)

    async def create_key(
        self, caller: Caller, name: str, scopes: Collection[Scope], shops: Collection[str] | None
    ) -> tuple[ApiKey, str]:
        """Make a key; returns it and its secret, which is not kept.  ``shops=None`` grants every shop.

        Raises:
            Forbidden: the caller would give away more than it has.
            InvalidInput: no name or no scope.
        """
        caller.require(Scope.KEYS_WRITE)
        if not name.strip():
            raise InvalidInput("a key needs a name", field=("name",), fix="Name it after the app that will use it.")
        if not scopes:
            raise InvalidInput("a key needs a scope", field=("scopes",), fix="Grant at least one scope.")
        missing = sorted(scope.value for scope in scopes if scope not in caller.scopes)
        if missing:
            raise Forbidden(
                f"this key does not hold {', '.join(missing)} and cannot grant it",
                field=("scopes",),
                fix="Grant only scopes that your own key holds.",
            )
        if caller.shops is not None and (shops is None or not set(shops) <= caller.shops):
            raise NotFound("shop", field=("shopIds",))
        secret = PREFIX + secrets.token_urlsafe(32)
        row = ApiKeyRow(
            id=new_id(),
            name=name.strip(),
            hint=secret[: len(PREFIX) + 6],
            hash=_digest(secret),
            scopes=sorted(scope.value for scope in scopes),
            shops=None if shops is None else sorted(set(shops)),
            created_at=self._clock.now(),
            created_by=caller.id,
        )

        def save(session: Session) -> None:
            session.add(row)

        await self._db.write(save)
        return ApiKey.of(row), secret

    async def revoke_key(self, caller: Caller, key_id: str) -> ApiKey:
        """Make a key useless from now on; revoking twice changes nothing.

        Raises:
            NotFound: no such key, or one that reaches further than the caller.
        """
        caller.require(Scope.KEYS_WRITE)

        def revoke(session: Session) -> ApiKeyRow:
            row = session.get(ApiKeyRow, key_id)
            if row is None or not _covers(caller, row):
                raise NotFound("API key", field=("id",))
            row.revoked_at = row.revoked_at or self._clock.now()
            return row

        return ApiKey.of(await self._db.write(revoke))

    async def list_keys(self, caller: Caller) -> Sequence[ApiKey]:
        """Every key that reaches no further than the caller, newest first."""
        caller.require(Scope.KEYS_WRITE)
        rows = await self._db.read(store.list_keys)
        return [ApiKey.of(row) for row in rows if _covers(caller, row)]


def _covers(caller: Caller, row: ApiKeyRow) -> bool:
    if caller.shops is None:
        return True
    return row.shops is not None and set(row.shops) <= caller.shops


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
