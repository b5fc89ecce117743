"""The least that anything durable costs here: one row inserted and committed, over a connection that is open already."""

import time

import psycopg
from psycopg.conninfo import make_conninfo

from benchmarks.statistics import percentile
from benchmarks.textbook import DATABASE

COMMITS = 200
PAUSE_SECONDS = 0.005
"""Between two commits, so that each is a lone one on an idle disk, like the lone charge it is compared with."""


def bare_commit_ms(admin_url: str) -> float:
    """Return the median time of one durable commit in milliseconds."""
    times = []
    with psycopg.connect(make_conninfo(admin_url, dbname=DATABASE), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, amount bigint NOT NULL)")
        for _ in range(COMMITS):
            started = time.perf_counter()
            connection.execute("INSERT INTO bare (amount) VALUES (%s)", (1,), prepare=True)
            times.append((time.perf_counter() - started) * 1000)
            time.sleep(PAUSE_SECONDS)
    return percentile(times, 50)
