"""A faithful Graph API that runs anywhere: partners build against it, and this project is proved on it.

Written from Meta's documentation alone; it shares no code with the client, so that the two cannot share a mistake.
"""

from gateway.sandbox.app import create_app
from gateway.sandbox.settings import SandboxSettings

__all__ = ["SandboxSettings", "create_app"]
