"""The async client of Meta's Graph API; it knows the platform's rules and no domain."""

from gateway.graph.batching import BatchCall, BatchResult
from gateway.graph.client import Graph, GraphSession
from gateway.graph.fields import F, FieldTree
from gateway.graph.meter import Meter, metered
from gateway.graph.paging import GraphPage
from gateway.graph.settings import GraphSettings

__all__ = [
    "BatchCall",
    "BatchResult",
    "F",
    "FieldTree",
    "Graph",
    "GraphPage",
    "GraphSession",
    "GraphSettings",
    "Meter",
    "metered",
]
