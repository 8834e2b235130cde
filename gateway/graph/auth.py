"""The proof that a call comes from the holder of the app's secret, and not from whoever found a token.

Meta checks it on every call of an app that has "Require App Secret" switched on, and refuses a wrong one always.
Source: Graph API > Guides > Secure Graph API calls.
"""

from __future__ import annotations

import hashlib
import hmac


def appsecret_proof(token: str, secret: str) -> str:
    """The ``appsecret_proof`` of this very token: a proof belongs to one token, not to the app."""
    return hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()
