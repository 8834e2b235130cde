"""The embedded Redis: there while it is wanted, gone when nobody is left who wants it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.embedded import embedded_redis, find_redis

PARENT = """
import time
from gateway.embedded import embedded_redis
with embedded_redis() as url:
    print(url, flush=True)
    time.sleep(60)
"""


def path_of(url: str) -> str:
    return url.removeprefix("unix://")


def answers(path: str) -> bool:
    """Whether a Redis behind the socket answers, asked without any client library."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(path)
            connection.sendall(b"PING\r\n")
            return connection.recv(16) == b"+PONG\r\n"
        except (FileNotFoundError, ConnectionError):
            return False


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def facts(url: str) -> dict[str, str]:
    async with Redis.from_url(url) as client:
        return dict(await client.info("server"))


async def test_it_answers_over_its_socket_and_is_gone_afterwards() -> None:
    with embedded_redis() as url:
        folder = Path(path_of(url)).parent
        pid = int((await facts(url))["process_id"])
        assert answers(path_of(url))
        assert alive(pid)

    assert not alive(pid)
    assert not folder.exists()


async def test_it_is_gone_also_after_an_exception() -> None:
    with pytest.raises(LookupError), embedded_redis() as url:
        raise LookupError

    assert not answers(path_of(url))
    assert not Path(path_of(url)).parent.exists()


async def test_two_do_not_know_of_each_other() -> None:
    with embedded_redis() as one, embedded_redis() as other:
        async with Redis.from_url(one) as client:
            await client.set("key", "value")
        async with Redis.from_url(other) as client:
            assert await client.get("key") is None


async def test_it_listens_on_no_port_and_writes_no_file() -> None:
    with embedded_redis() as url:
        async with Redis.from_url(url) as client:
            assert int((await facts(url))["tcp_port"]) == 0
            assert await client.config_get("save") == {"save": ""}
            assert await client.config_get("appendonly") == {"appendonly": "no"}


async def test_an_interrupt_at_the_terminal_reaches_us_and_not_the_server() -> None:
    with embedded_redis() as url:
        pid = int((await facts(url))["process_id"])

        assert os.getpgid(pid) != os.getpgid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="only the Linux kernel ends a child with its parent")
def test_the_server_dies_with_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent, parent.stdout:
        path = path_of(parent.stdout.readline().strip())
        assert answers(path)

        parent.kill()
        parent.wait()

    deadline = time.monotonic() + 20
    while answers(path):
        assert time.monotonic() < deadline, "the server outlived its parent"
        time.sleep(0.02)


def test_the_server_that_is_found_can_be_run() -> None:
    found = find_redis()

    assert found is not None
    assert os.access(found, os.X_OK)
