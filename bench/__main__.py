"""``make bench``: run every benchmark, one after the other."""

from __future__ import annotations

import asyncio
import logging
import sys

from bench import client, delta
from gateway.kit.log import configure_logging

if __name__ == "__main__":
    configure_logging(json=False, level=logging.WARNING)
    wanted = set(sys.argv[1:]) or {"delta", "client"}
    if "delta" in wanted:
        asyncio.run(delta.main())
    if "client" in wanted:
        asyncio.run(client.main())
