"""A load generator for lone charges: `python -m benchmarks.lone_load` reads a LoadPlan and prints a LoadReport.

One connection, one charge at a time, a pause after each. It waits in the system call that reads the answer: an event loop between the
two clocks would add its own turns and ticks to a time of two milliseconds, and the bare commit that it is compared with has none.
"""

import dataclasses
import json
import re
import resource
import socket
import sys
import time
from collections import Counter

from benchmarks.charge_requests import charge_requests
from benchmarks.load_plan import LoadPlan, LoadReport, plan_from
from benchmarks.statistics import percentile

HOST = "127.0.0.1"
ANSWER_SECONDS_MAX = 30.0
ANSWER_BYTES_MAX = 1 << 16

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_ACCEPTED = 202


def generate(plan: LoadPlan) -> LoadReport:
    """Send `limit` charges, `rate` a second at most, each once the one before it is answered."""
    requests = charge_requests(plan)
    statuses: Counter[int] = Counter()
    accepted: list[float] = []
    waited: list[float] = []
    refused: list[float] = []
    started_at = time.time()
    with socket.create_connection((HOST, plan.port), timeout=ANSWER_SECONDS_MAX) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(plan.limit):
            request, waits = next(requests)
            sent = time.perf_counter()
            connection.sendall(request)
            status = _read_answer(connection)
            took = time.perf_counter() - sent
            statuses[status] += 1
            (refused if status > _ACCEPTED else waited if waits else accepted).append(took)
            time.sleep(max(0.0, 1 / plan.rate - took))
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return LoadReport(
        started_at=started_at,
        ended_at=time.time(),
        calls=plan.limit,
        statuses={str(status): count for status, count in sorted(statuses.items())},
        cpu_seconds=spent.ru_utime + spent.ru_stime,
        p50_ms=percentile(accepted, 50) * 1000,
        p99_ms=percentile(accepted, 99) * 1000,
        waited_p50_ms=percentile(waited, 50) * 1000,
        waited_p99_ms=percentile(waited, 99) * 1000,
        refused_p99_ms=percentile(refused, 99) * 1000,
    )


def _read_answer(connection: socket.socket) -> int:
    """Read one whole answer and return its status. Raises ConnectionError when the connection ends before."""
    received = b""
    while True:
        more = connection.recv(ANSWER_BYTES_MAX)
        if not more:
            raise ConnectionError("the connection was closed before the answer")
        received += more
        head, end, body = received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if end and len(body) >= (int(length[1]) if length is not None else 0):
            return int(head[9:12])


def main() -> None:
    """Read the plan, run it, print the report."""
    print(json.dumps(dataclasses.asdict(generate(plan_from(sys.stdin.read())))))


if __name__ == "__main__":
    main()
