"""What one sandbox process is told at its start: the app it plays, and how strict it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SandboxSettings:
    """One app per process; every world belongs to it."""

    app_id: str = "100200300400"
    app_secret: str = "sandbox-app-secret"
    require_proof: bool = True
    data_dir: Path | None = None
    """Where worlds are kept between runs; None keeps each in an unnamed temporary file."""
    strict_params: bool = False
    """Refuse parameters that no endpoint knows (Meta ignores them): finds typing errors of a client."""
