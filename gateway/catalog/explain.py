"""Why an item is, or is not, live: its way from the source to Meta, and the first link that is broken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.catalog.models import FieldProblem, ItemState, check
from gateway.catalog.store import ItemRow


class Step(StrEnum):
    """One link of the way."""

    SOURCE = "SOURCE"
    VALIDATION = "VALIDATION"
    QUEUE = "QUEUE"
    BATCH = "BATCH"
    META = "META"


class StepState(StrEnum):
    PASSED = "PASSED"
    WAITING = "WAITING"
    BROKEN = "BROKEN"


@dataclass(frozen=True, slots=True)
class Link:
    """One link: where the item stands in it, since when, and what mends it."""

    step: Step
    state: StepState
    detail: str
    since: datetime | None = None
    fix: str | None = None


def explain(row: ItemRow) -> list[Link]:
    """The links of an item's way, in order, up to the first that is not passed."""
    links: list[Link] = [
        Link(Step.SOURCE, StepState.PASSED, f"version {row.desired_version} was written", row.changed_at)
    ]
    problems: list[FieldProblem] = check(row.document)
    if problems:
        first = problems[0]
        links.append(Link(Step.VALIDATION, StepState.BROKEN, first.message, row.changed_at, first.fix))
        return links
    links.append(Link(Step.VALIDATION, StepState.PASSED, "every field that Meta asks for is there"))
    match ItemState(row.state):
        case ItemState.PENDING:
            links.append(
                Link(
                    Step.QUEUE,
                    StepState.WAITING,
                    "waits for its lane, or for the batch it is in",
                    row.changed_at,
                    "Nothing, within the lane's cadence; catalogSyncRun sends it at once.",
                )
            )
        case ItemState.SENT:
            links.append(_passed_queue())
            links.append(
                Link(
                    Step.BATCH,
                    StepState.WAITING,
                    "sent to Meta, without a receipt so far",
                    row.changed_at,
                    "Nothing: if the receipt was lost, the item is sent again when Meta must be done with it.",
                )
            )
        case ItemState.ACCEPTED:
            links.append(_passed_queue())
            links.append(Link(Step.BATCH, StepState.PASSED, f"Meta took version {row.accepted_version}"))
            links.append(Link(Step.META, StepState.WAITING, "Meta is working on the batch, usually for two minutes"))
        case ItemState.REJECTED:
            error: dict[str, Any] = row.error or {}
            links.append(_passed_queue())
            links.append(Link(Step.BATCH, StepState.PASSED, f"version {row.sent_version} reached Meta"))
            links.append(
                Link(
                    Step.META,
                    StepState.BROKEN,
                    str(error.get("message", "Meta refused it")),
                    row.changed_at,
                    error.get("fix"),
                )
            )
        case ItemState.CONFIRMED:
            links.append(_passed_queue())
            links.append(Link(Step.BATCH, StepState.PASSED, f"Meta took version {row.accepted_version}"))
            links.append(
                Link(Step.META, StepState.PASSED, f"Meta confirmed version {row.confirmed_version}", row.confirmed_at)
            )
    return links


def _passed_queue() -> Link:
    return Link(Step.QUEUE, StepState.PASSED, "its lane took it up")
