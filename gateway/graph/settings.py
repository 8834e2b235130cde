"""What the client needs to know about Meta, and how patient it is.

The version is pinned: an unversioned call is served by whatever the app happens to have.
Source: Graph API > Versioning; Commerce Platform > best practices (time-outs, retries).
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """Settings of one app; ``repr`` never shows the secret."""

    base_url: str = "https://graph.facebook.com"
    version: str = "v25.0"
    app_id: str = ""
    app_secret: str = field(default="", repr=False)

    connect_timeout_s: float = 5
    read_timeout_s: float = 30
    bulk_timeout_s: float = 90
    """For JSON bodies and batches, whose answers take longer than a node's."""

    read_tries: int = 5
    """How often one call is sent at most, the first time included."""
    retry_budget_share: float = 0.2
    """Retries allowed as a share of the calls in the same window ..."""
    retry_budget_min: int = 10
    """... but this many at least, so that a quiet process may retry at all."""
    retry_budget_window_s: float = 60

    max_in_flight: int = 64

    @property
    def app_token(self) -> str:
        """The app's own token, as Meta defines it."""
        return f"{self.app_id}|{self.app_secret}"
