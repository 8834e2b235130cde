"""Reading product files: Shopify's product CSV, Meta and Google feeds (CSV, TSV, RSS, Atom) and JSON lines.

``read_feed`` turns a binary stream into rows under our field names and into refusals that name line, reason and
remedy.  It streams: memory does not grow with the file, but for 16 to 32 bytes per id, kept to tell repeats.
What a value may be is not decided here; ``gateway.catalog.models.clean`` does that with what comes out.
"""

from gateway.catalog.feeds.models import FeedFormat, FeedOptions, FeedRow, FeedUnreadable, RefusedRow
from gateway.catalog.feeds.reader import Feed, read_feed

__all__ = ["Feed", "FeedFormat", "FeedOptions", "FeedRow", "FeedUnreadable", "RefusedRow", "read_feed"]
