"""Lanes, runs and freshness in the schema."""

from __future__ import annotations

from datetime import datetime

import strawberry

from gateway.api.enums import expose
from gateway.api.node import Node
from gateway.commands.types import Failure
from gateway.kit.ids import node_id
from gateway.sync.models import Freshness as FreshnessModel
from gateway.sync.models import FreshnessState, LagCause, Lane, RunState, Trigger
from gateway.sync.models import SyncRun as SyncRunModel

expose(
    Lane,
    "A stream of work that keeps one kind of data in step with Meta.",
    VOLATILE="Prices, sale prices, availability and stock, sent as patches.",
    DELTA="New, otherwise changed and deleted items, sent whole.",
    ORDERS="Orders that changed at Meta, read into the mirror.",
)
expose(
    RunState,
    "How far a run has come.",
    QUEUED="Waits for a worker.",
    RUNNING="A worker is at it.",
    WAITING_FOR_META="All is sent; Meta has not confirmed all of it yet.",
    SUCCEEDED="Done; single items may have been rejected, see the counts.",
    FAILED="Ended by an error; what it did not do is due again.",
)
expose(
    Trigger,
    "Why a run was started.",
    SCHEDULE="Its time had come.",
    CHANGE="Something was written that should not wait.",
    MANUAL="Somebody asked for it.",
)
expose(
    FreshnessState,
    "Whether a lane keeps what the quality bar asks.",
    OK="The lag is within the target.",
    AT_RISK="The lag has used up four fifths of the target.",
    BREACHED="The lag is beyond the target.",
    PAUSED="The lane is switched off.",
)
expose(
    LagCause,
    "Why a lane is behind.",
    TOKEN="The shop's token is dead or lacks a permission; link the shop again.",
    THROTTLED="Meta's quota is used up for the moment.",
    BREAKER="Meta did not answer several calls in a row and is left alone for a moment.",
    META="Meta cannot be reached, or has a fault of its own.",
    VALIDATION="Meta refuses what is sent.",
    QUEUE="No worker takes up the work.",
    PAUSED="The lane is switched off.",
    UNKNOWN="None of the known causes.",
)


@strawberry.type(description="A number of things a run did, by name.")
class RunCount:
    name: str = strawberry.field(
        description="What was counted: `items`, `batches`, `confirmed`, `rejected`, `requeued`, `orders`, `created`..."
    )
    value: int = strawberry.field(description="How many.")


@strawberry.type(description="One run of one lane over one shop.")
class SyncRun(Node):
    model: strawberry.Private[SyncRunModel]

    @classmethod
    def of(cls, model: SyncRunModel) -> SyncRun:
        return cls(key=model.id, model=model)

    @strawberry.field(description="The shop that it is about.")
    def shop_id(self) -> strawberry.ID:
        return strawberry.ID(node_id("Shop", self.model.shop_id))

    @strawberry.field(description="The lane that ran.")
    def lane(self) -> Lane:
        return self.model.lane

    @strawberry.field(description="How far it has come.")
    def state(self) -> RunState:
        return self.model.state

    @strawberry.field(description="Why it was started.")
    def trigger(self) -> Trigger:
        return self.model.trigger

    @strawberry.field(description="When it was asked for.")
    def queued_at(self) -> datetime:
        return self.model.queued_at

    @strawberry.field(description="When a worker began.")
    def started_at(self) -> datetime | None:
        return self.model.started_at

    @strawberry.field(description="When it ended, with Meta's last confirmation.")
    def finished_at(self) -> datetime | None:
        return self.model.finished_at

    @strawberry.field(description="What it did.")
    def counts(self) -> list[RunCount]:
        return [RunCount(name=name, value=value) for name, value in sorted(self.model.counts.items())]

    @strawberry.field(description="Graph calls that it cost.")
    def graph_calls(self) -> int:
        return self.model.graph_calls

    @strawberry.field(description="What ended it, if it failed.")
    def error(self) -> Failure | None:
        return Failure.of(self.model.error)


@strawberry.type(description="How far one lane of a shop is behind, and why.")
class Freshness:
    model: strawberry.Private[FreshnessModel]

    @classmethod
    def of(cls, model: FreshnessModel) -> Freshness:
        return cls(model=model)

    @strawberry.field(description="The lane.")
    def lane(self) -> Lane:
        return self.model.lane

    @strawberry.field(description="The lag that the quality bar allows, in seconds.")
    def target_seconds(self) -> int:
        return self.model.target_s

    @strawberry.field(
        description="Age of the oldest change that Meta has not confirmed, or time by which the lane's runs are "
        "overdue, whichever is more; in seconds."
    )
    def lag_seconds(self) -> int:
        return self.model.lag_s

    @strawberry.field(description="Whether that is within the target.")
    def state(self) -> FreshnessState:
        return self.model.state

    @strawberry.field(description="Why the lane is behind; null when it is not and nothing failed.")
    def cause(self) -> LagCause | None:
        return self.model.cause

    @strawberry.field(description="Start of the last good run.")
    def last_success_at(self) -> datetime | None:
        return self.model.last_success_at

    @strawberry.field(description="When the lane is due next.")
    def next_run_at(self) -> datetime:
        return self.model.next_run_at
