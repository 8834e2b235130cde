"""What happens around an operation: the caller's Graph calls are counted, errors are presented, costs are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from strawberry.extensions import SchemaExtension

from gateway.api.errors import present
from gateway.graph.meter import Meter, metered


class Accounting(SchemaExtension):
    """Adds ``extensions.cost`` and lets no fault of ours out unmasked."""

    meter: Meter

    def on_operation(self) -> Iterator[None]:
        with metered() as self.meter:
            yield
        result = self.execution_context.result
        errors = getattr(result, "errors", None)
        if result is not None and errors:
            result.errors = [present(error) for error in errors]

    def get_results(self) -> dict[str, Any]:
        return {"cost": {"graphCalls": self.meter.graph_calls, "graphRequests": self.meter.http_calls}}
