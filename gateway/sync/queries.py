"""Queries over sync runs and commands: the machinery, as data."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from sqlmodel import col, select

from gateway.access.models import Scope
from gateway.api.mutations import root_field
from gateway.api.paging import AFTER, FIRST, Connection, connection, page_request
from gateway.commands.models import CommandState
from gateway.commands.store import CommandRow
from gateway.commands.types import Command
from gateway.context import Context
from gateway.db import count, keyset
from gateway.kit.ids import key_of
from gateway.sync.models import Lane, RunState
from gateway.sync.store import RunRow
from gateway.sync.types import SyncRun


@strawberry.input(description="Narrows a list of sync runs; an empty list finds none.")
class SyncRunFilter:
    shop_id: strawberry.ID | None = strawberry.field(default=None, description="Only runs of this shop.")
    lane: list[Lane] | None = strawberry.field(default=None, description="Only runs of one of these lanes.")
    state: list[RunState] | None = strawberry.field(default=None, description="Only runs in one of these states.")


@strawberry.input(description="Narrows a list of commands; an empty list finds none.")
class CommandFilter:
    shop_id: strawberry.ID | None = strawberry.field(default=None, description="Only commands of this shop.")
    state: list[CommandState] | None = strawberry.field(
        default=None, description="Only commands in one of these states."
    )


def _mine(query: Any, column: Any, shop_id: strawberry.ID | None, context: Context) -> Any:
    if context.caller.shops is not None:
        query = query.where(col(column).in_(context.caller.shops))
    return query if shop_id is None else query.where(column == key_of(shop_id, "Shop"))


@strawberry.type
class SyncQuery:
    @root_field(Scope.SYNC_READ, "Sync runs of the caller's shops, newest first.")
    async def sync_runs(
        self,
        info: strawberry.Info[Context, None],
        filter: Annotated[SyncRunFilter | None, strawberry.argument(description="Narrows the list.")] = None,
        first: Annotated[int | None, FIRST] = None,
        after: Annotated[str | None, AFTER] = None,
    ) -> Connection[SyncRun] | None:
        wanted = filter or SyncRunFilter()
        query = _mine(select(RunRow), RunRow.shop_id, wanted.shop_id, info.context)
        if wanted.lane is not None:
            query = query.where(col(RunRow.lane).in_([lane.value for lane in wanted.lane]))
        if wanted.state is not None:
            query = query.where(col(RunRow.state).in_([state.value for state in wanted.state]))
        bound = [wanted.shop_id, wanted.lane, wanted.state]
        page = page_request(first, after, bound)
        db = info.context.services.db
        rows = await db.read(keyset, query, [col(RunRow.queued_at), col(RunRow.id)], page, descending=True)
        return connection(
            page,
            rows,
            node=lambda row: SyncRun.of(row.to_model()),
            keys=lambda row: (row.queued_at, row.id),
            filter_=bound,
            total=lambda: db.read(count, query),
        )

    @root_field(Scope.COMMANDS_READ, "Commands of the caller's shops, newest first.")
    async def commands(
        self,
        info: strawberry.Info[Context, None],
        filter: Annotated[CommandFilter | None, strawberry.argument(description="Narrows the list.")] = None,
        first: Annotated[int | None, FIRST] = None,
        after: Annotated[str | None, AFTER] = None,
    ) -> Connection[Command] | None:
        wanted = filter or CommandFilter()
        query = _mine(select(CommandRow), CommandRow.shop_id, wanted.shop_id, info.context)
        if wanted.state is not None:
            query = query.where(col(CommandRow.state).in_([state.value for state in wanted.state]))
        bound = [wanted.shop_id, wanted.state]
        page = page_request(first, after, bound)
        db = info.context.services.db
        rows = await db.read(keyset, query, [col(CommandRow.requested_at), col(CommandRow.id)], page, descending=True)
        return connection(
            page,
            rows,
            node=lambda row: Command.of(row.to_model()),
            keys=lambda row: (row.requested_at, row.id),
            filter_=bound,
            total=lambda: db.read(count, query),
        )
