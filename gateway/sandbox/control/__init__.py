"""Control endpoints under `/_sandbox`: make worlds, move clocks, script faults, play the buyer, read the log.

JSON in and out, outside Graph's versions.  They are never logged and cost no budget.
"""

from starlette.routing import Route

from gateway.sandbox.control import access, audience, buyers, catalog, market, observe, treasury, webhooks, worlds
from gateway.sandbox.dispatch import Office


def control_routes(office: Office) -> list[Route]:
    return [
        route
        for family in (worlds, observe, market, buyers, access, treasury, audience, catalog, webhooks)
        for route in family.routes(office)
    ]
