"""Commands in the schema."""

from __future__ import annotations

from datetime import datetime

import strawberry

from gateway.api.enums import expose
from gateway.api.errors import ErrorCode, UpstreamError, error_code
from gateway.api.node import Node
from gateway.commands.models import Command as CommandModel
from gateway.commands.models import CommandState
from gateway.kit.ids import node_id

expose(
    CommandState,
    "How far a command has come.",
    REQUESTED="Committed, and not sent yet.",
    SENT="Sent to Meta, or about to be; a worker brings it to its end.",
    CONFIRMED="Meta did it.",
    FAILED="Meta refused it; see `error`.",
    UNKNOWN="Meta never said what became of it; read the object before trying again.",
)


@strawberry.type(description="Why a command, an item or a run came to nothing.")
class Failure:
    code: ErrorCode = strawberry.field(description="What went wrong.")
    message: str = strawberry.field(description="The same in words, safe to show.")
    retryable: bool = strawberry.field(description="Whether trying again, unchanged, may help.")
    fix: str | None = strawberry.field(description="What to do next.")
    upstream: UpstreamError | None = strawberry.field(description="What Meta said, when the failure came from there.")

    @classmethod
    def of(cls, document: dict[str, object] | None) -> Failure | None:
        """From an error document; ``None`` stays ``None``."""
        if document is None:
            return None
        return cls(
            code=error_code(str(document["code"])),
            message=str(document["message"]),
            retryable=bool(document["retryable"]),
            fix=document["fix"],  # type: ignore[arg-type]
            upstream=UpstreamError.of(document["upstream"]),  # type: ignore[arg-type]
        )


@strawberry.type(description="An intent on one object at Meta, and what came of it.")
class Command(Node):
    model: strawberry.Private[CommandModel]

    @classmethod
    def of(cls, model: CommandModel) -> Command:
        return cls(key=model.id, model=model)

    @strawberry.field(description="What is to be done, such as `order.acknowledge`.")
    def kind(self) -> str:
        return self.model.kind

    @strawberry.field(description="How far it has come.")
    def state(self) -> CommandState:
        return self.model.state

    @strawberry.field(description="The id of the object that it is about.")
    def target_id(self) -> strawberry.ID:
        type_name = self.model.kind.split(".")[0].capitalize()
        return strawberry.ID(node_id(type_name, self.model.target_id))

    @strawberry.field(description="The idempotency key of the request that made it.")
    def idempotency_key(self) -> str | None:
        return self.model.client_key

    @strawberry.field(description="How many Graph calls have carried it.")
    def attempts(self) -> int:
        return self.model.attempts

    @strawberry.field(description="When it was asked for.")
    def requested_at(self) -> datetime:
        return self.model.requested_at

    @strawberry.field(description="When its outcome was known; null while it is under way.")
    def finished_at(self) -> datetime | None:
        return self.model.finished_at

    @strawberry.field(description="Why it came to nothing; null while it is under way or when it was done.")
    def error(self) -> Failure | None:
        return Failure.of(self.model.error)
