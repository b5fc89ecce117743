"""The least that anything durable costs here: one row inserted and committed, over a connection that is open already."""

import time

import psycopg
from psycopg.conninfo import make_conninfo

from benchmarks.statistics import percentile
from benchmarks.textbook import DATABASE

COMMITS = 100
RATE = 20.0
"""Commits a second, and lone charges too: a machine that was idle for 50 ms has slept, and both must meet it so. Every 5 ms the same commit
takes 0.4 ms, every 50 ms 0.95."""


def bare_commit_ms(admin_url: str) -> float:
    """Return the median time of one durable commit in milliseconds."""
    times = []
    with psycopg.connect(make_conninfo(admin_url, dbname=DATABASE), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, amount bigint NOT NULL)")
        for _ in range(COMMITS):
            started = time.perf_counter()
            connection.execute("INSERT INTO bare (amount) VALUES (%s)", (1,), prepare=True)
            took = time.perf_counter() - started
            times.append(took * 1000)
            time.sleep(max(0.0, 1 / RATE - took))
    return percentile(times, 50)
