"""The secrets that tests hand out, so that the suite's own log can be searched for them at its end."""

from __future__ import annotations

import re

HANDED_OUT: set[str] = set()

# What our secrets and Meta's look like, whoever made them.
_LOOKS_SECRET = re.compile(r"EAA[A-Za-z0-9]{20,}|mcg_[A-Za-z0-9_-]{20,}|appsecret_proof=[0-9a-f]{8,}")


def found_in(text: str) -> set[str]:
    """Secrets, or what looks like one, in a log."""
    return {secret for secret in HANDED_OUT if secret in text} | set(_LOOKS_SECRET.findall(text))
