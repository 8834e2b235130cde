"""``make bench``: run every benchmark, one after the other."""

from __future__ import annotations

import asyncio
import sys

from bench import client, delta

if __name__ == "__main__":
    wanted = set(sys.argv[1:]) or {"delta", "client"}
    if "delta" in wanted:
        asyncio.run(delta.main())
    if "client" in wanted:
        asyncio.run(client.main())
