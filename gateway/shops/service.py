"""Shops: link them, find them, and open a Graph session in their name."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlmodel import Session, col, select

from gateway.access.models import Caller, Scope
from gateway.db import Database
from gateway.errors import InvalidInput, NotFound
from gateway.graph.client import Graph, GraphSession
from gateway.graph.errors import GraphNotFound, PermissionMissing, TokenInvalid
from gateway.kit.clock import Clock
from gateway.kit.ids import new_id
from gateway.kit.vault import Vault, VaultError
from gateway.shops import edges, store
from gateway.shops.errors import ShopNotLinkable
from gateway.shops.models import MetaShop, Shop
from gateway.shops.store import ShopRow
from gateway.sync.models import Lane
from gateway.sync.service import SyncService


class ShopService:
    """Linked shops and their tokens."""

    def __init__(self, db: Database, clock: Clock, graph: Graph, vault: Vault, sync: SyncService) -> None:
        self._db = db
        self._clock = clock
        self._graph = graph
        self._vault = vault
        self._sync = sync

    async def link(self, caller: Caller, commerce_account_id: str, token: str) -> Shop:
        """Link a commerce account, or renew its token and facts when it is linked already.

        Raises:
            ShopNotLinkable: the token is dead, or does not lead to this commerce account.
        """
        if caller.shops is not None:
            raise NotFound("commerce account")
        if not commerce_account_id.isdigit():
            raise InvalidInput(
                f"{commerce_account_id!r} is no id of a commerce account",
                field=("metaId",),
                fix="It is the number in the address of Commerce Manager.",
            )
        try:
            found = await edges.fetch_shop(self._graph.session(token), commerce_account_id)
        except (TokenInvalid, PermissionMissing, GraphNotFound) as exc:
            raise ShopNotLinkable(
                f"Meta does not show the commerce account {commerce_account_id} to this token: {exc.message}",
                fix="Use a system user's token with catalog_management and commerce_account_manage_orders, from the "
                "business that owns the commerce account.",
                upstream=exc.upstream,
            ) from exc
        return await self._db.write(self._save, found, self._vault.seal(token))

    def _save(self, session: Session, found: MetaShop, sealed_token: str) -> Shop:
        row = store.find_by_meta_id(session, found.meta_id)
        if row is None:
            row = ShopRow(
                id=new_id(),
                name=found.name,
                meta_id=found.meta_id,
                checkout=found.checkout,
                sealed_token=sealed_token,
                linked_at=self._clock.now(),
            )
        row.name = found.name
        row.page_id = found.page_id
        row.catalog_id = found.catalog_id
        row.checkout = found.checkout
        row.raw_cta = found.raw_cta
        row.sealed_token = sealed_token
        session.add(row)
        session.flush()
        shop = row.to_model()
        lanes = [Lane.VOLATILE, Lane.DELTA] if shop.catalog_id else []
        self._sync.plan(session, shop.id, [*lanes, Lane.ORDERS] if shop.has_orders else lanes)
        return shop

    async def get(self, caller: Caller, shop_id: str) -> Shop:
        """Raises:
        NotFound: no such shop, or not granted to the caller.
        """
        found = await self.get_many(caller, [shop_id])
        if shop_id not in found:
            raise NotFound("shop", field=("shopId",))
        return found[shop_id]

    async def get_many(self, caller: Caller, ids: Collection[str]) -> dict[str, Shop]:
        rows = await self._db.read(store.get_many, ids, caller.shops)
        return {row.id: row.to_model() for row in rows}

    async def find_by_meta_id(self, caller: Caller, meta_id: str) -> Shop | None:
        row = await self._db.read(store.find_by_meta_id, meta_id)
        return row.to_model() if row is not None and caller.may_see(row.id) else None

    async def granted_catalogs(self, caller: Caller, catalog_ids: Collection[str]) -> set[str]:
        """Those of the catalogs that a shop of the caller's sells from."""

        def load(session: Session) -> set[str]:
            query = select(ShopRow.catalog_id).where(
                col(ShopRow.catalog_id).in_(catalog_ids), store.granted(caller.shops)
            )
            return {catalog_id for catalog_id in session.exec(query).all() if catalog_id is not None}

        return await self._db.read(load)

    async def all(self, caller: Caller) -> Sequence[Shop]:
        """Every shop of the caller's, by name."""
        caller.require(Scope.SHOPS_READ)

        def load(session: Session) -> list[Shop]:
            rows = session.exec(select(ShopRow).where(store.granted(caller.shops)).order_by(ShopRow.name)).all()
            return [row.to_model() for row in rows]

        return await self._db.read(load)

    async def graph_of(self, shop_id: str) -> GraphSession:
        """A Graph session that speaks for the shop."""

        def load(session: Session) -> str:
            row = session.get(ShopRow, shop_id)
            if row is None:
                raise NotFound("shop")
            return row.sealed_token

        sealed = await self._db.read(load)
        try:
            return self._graph.session(self._vault.open(sealed))
        except VaultError as exc:
            raise TokenInvalid(
                str(exc), fix="Put the old key back into GATEWAY_ENCRYPTION_KEYS, or link again."
            ) from exc

    async def rotate_tokens(self) -> int:
        """Seal every token under the newest key; returns how many."""

        def rotate(session: Session) -> int:
            rows = session.exec(select(ShopRow).with_for_update()).all()
            for row in rows:
                row.sealed_token = self._vault.rotate(row.sealed_token)
            return len(rows)

        return await self._db.write(rotate)
