"""The generator of lone charges against a server of a few lines."""

import asyncio
from dataclasses import replace

import pytest

from benchmarks.lone_load import generate
from tests.unit.benchmarks.test_http_load import PLAN, server

LONE = replace(PLAN, in_flight=1, limit=6, rate=1_000.0)


async def test_charges_go_one_by_one_over_one_connection() -> None:
    """Accepted ones, those that waited for the end and refused ones are told apart."""
    answers = [
        b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n",
    ]
    async with server(answers) as port:
        report = await asyncio.to_thread(generate, replace(LONE, port=port, wait_every=2))
    assert report.statuses == {"200": 2, "202": 2, "429": 2}
    assert report.acknowledged == 4
    assert 0 < report.p50_ms <= report.p99_ms
    assert report.waited_p50_ms > 0


async def test_a_lost_connection_ends_the_run() -> None:
    """Figures of half a run mean nothing."""
    async with server([b""]) as port:
        with pytest.raises(ConnectionError, match="closed before the answer"):
            await asyncio.to_thread(generate, replace(LONE, port=port))
